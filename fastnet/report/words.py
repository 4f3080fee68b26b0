"""Sentences about a study that the terminal, the report and the list of studies have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEPT = "Kept: a network of the winner's settings on one more seed"
"""First words on the model of the final choice."""


def uses_of_test_set(count: int) -> str:
    """Report how often the test set was used, with a warning if that was more than once.

    >>> uses_of_test_set(0), uses_of_test_set(1)
    ('The test set was not used.', 'The test set was used once.')
    >>> print(uses_of_test_set(3))
    Evaluated on the test set 3 times; these figures are now optimistic. Do not select on them.
    """
    if count > 1:
        return f"Evaluated on the test set {count} times; these figures are now optimistic. Do not select on them."
    return "The test set was used once." if count else "The test set was not used."


def ensemble_kept(method: str, networks: int | None = None) -> str:
    """Report which ensemble was kept, after a warning about its figures on the validation samples.

    `networks` is their number where the ensemble has further folds.

    >>> ensemble_kept("greedy").partition(". ")[2], ensemble_kept("average", 40).partition(". ")[2]
    ('Kept: the greedy selection', 'Kept: the average, with the further folds 40 networks')
    """
    caveat = "All three were chosen on the validation samples and are optimistic, the greedy selection most."
    further = "" if networks is None else f", with the further folds {networks:,} networks"
    return f"{caveat} Kept: the {'average' if method == 'average' else 'greedy selection'}{further}"


def versions_of(environment: Mapping[str, Any]) -> list[str]:
    """Return the versions in the environment of a run, each with its name.

    >>> versions_of({"python": "3.11", "threads": 2})
    ['Python 3.11']
    """
    names = ("fastnet", "Python", "NumPy", "Numba")
    return [f"{name} {environment[name.lower()]}" for name in names if name.lower() in environment]
