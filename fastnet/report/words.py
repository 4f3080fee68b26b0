"""Sentences about a study that the terminal, the report and the list of studies have in common."""

from __future__ import annotations

KEPT = "Kept: a network of the winner's settings on one more seed"
"""Begins the line about the model of the final choice."""


def uses_of_test_set(count: int) -> str:
    """Say how often the test set was used, and what follows from it.

    Examples
    --------
    >>> uses_of_test_set(0), uses_of_test_set(1)
    ('The test set was not used.', 'The test set was used once.')
    >>> print(uses_of_test_set(3))
    Evaluated on the test set 3 times; these figures are now optimistic. Do not select on them.
    """
    if count > 1:
        return f"Evaluated on the test set {count} times; these figures are now optimistic. Do not select on them."
    return "The test set was used once." if count else "The test set was not used."


def ensemble_kept(method: str) -> str:
    """Say which ensemble was kept, and what its figures on the validation samples are worth.

    Examples
    --------
    >>> ensemble_kept("greedy").partition(". ")[2]
    'Kept: the greedy selection'
    """
    caveat = "All three were chosen on the validation samples and are optimistic, the greedy selection most."
    return f"{caveat} Kept: the {'average' if method == 'average' else 'greedy selection'}"
