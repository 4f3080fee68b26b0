"""Seeds derived from the seed of a study: for folds, repeated candidates, and the network that is kept."""

from __future__ import annotations

import numpy as np

FOLD, REPEAT, KEPT = range(1, 4)
"""Purposes of a seed."""


def derived_seed(seed: int, purpose: int, *numbers: int) -> int:
    """Derive a seed from that of a study.

    Parameters
    ----------
    seed : int
        Seed of the study, 0 to 2**64 - 1.
    purpose : int
        `FOLD`, `REPEAT` or `KEPT`.
    *numbers : int
        Up to two numbers, each 0 to 2**64 - 1, such as trial and repeat.

    Returns
    -------
    int
        0 to 2**64 - 1: a word of Philox4x64 (Salmon et al. 2011) with the study's seed as key and the rest as counter.

    Examples
    --------
    >>> derived_seed(0, FOLD, 1) != derived_seed(0, FOLD, 2) != derived_seed(0, REPEAT, 2)
    True
    """
    first, second = (*numbers, 0, 0)[:2]
    counter = np.array([first, second, purpose, 0x736565647320], dtype=np.uint64)  # apart from every other use
    return int(np.random.Philox(key=seed, counter=counter).random_raw())


def repeat_seed(study_seed: int, trial: int, repeat: int) -> int:
    """Return the seed of a candidate's repeat, from 0; it is never the study's own.

    Examples
    --------
    >>> len({repeat_seed(0, trial, repeat) for trial in range(5) for repeat in range(3)} - {0})
    15
    """
    seed = derived_seed(study_seed, REPEAT, trial, repeat)
    return seed if seed != study_seed else derived_seed(seed ^ 1, REPEAT, trial, repeat)
