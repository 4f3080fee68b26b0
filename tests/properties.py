"""How property tests draw their examples: the same ones in every run of the suite, new ones in `campaign.py`."""

from __future__ import annotations

import contextlib
import importlib
import os

import hypothesis

EXAMPLES = "FASTNET_TEST_EXAMPLES"
"""Environment variable that makes a run a campaign: how many examples each property gets."""


def examples(suite: int) -> int:
    """Return how many examples a property gets whose examples take long: this number in the suite."""
    return int(os.environ.get(EXAMPLES, suite))


def load_profile() -> None:
    """Draw the same examples in every run of the suite, on any machine, whatever else runs; in a campaign at random.

    No data base of failures either: one that an earlier run left would decide what a later one finds. What a campaign
    finds becomes an ``@example`` of the test.
    """
    # What is left out here, Hypothesis chooses by whether the environment looks like that of CI.
    common = {
        "deadline": None,
        "database": None,
        "print_blob": True,
        "suppress_health_check": [hypothesis.HealthCheck.too_slow],  # on a busy machine every example may be
    }
    hypothesis.settings.register_profile("suite", derandomize=True, **common)
    hypothesis.settings.register_profile("campaign", derandomize=False, max_examples=examples(100), **common)
    hypothesis.settings.load_profile("campaign" if EXAMPLES in os.environ else "suite")
    _forget_local_constants()


def _forget_local_constants() -> None:
    """Keep the examples of a test the same whether it runs alone or after all others.

    Newer versions of Hypothesis mix in constants of the project's modules that are imported by then. Where they are
    collected, the set is left empty.
    """
    with contextlib.suppress(ImportError):
        providers = importlib.import_module("hypothesis.internal.conjecture.providers")
        if hasattr(providers, "_get_local_constants") and hasattr(providers, "_local_constants"):
            providers._get_local_constants = lambda: providers._local_constants
