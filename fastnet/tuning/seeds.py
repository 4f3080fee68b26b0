"""Seeds that follow from the seed of a study: of folds, of repeated candidates, of the network that is kept."""

from __future__ import annotations

import numpy as np

FOLD, REPEAT, KEPT = range(1, 4)
"""What a seed is for."""


def derived_seed(seed: int, purpose: int, *numbers: int) -> int:
    """Return a seed that follows from that of a study and what it is for.

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
        0 to 2**64 - 1: a word of Philox4x64 (Salmon et al. 2011) with the study's seed as key and the rest as counter;
        different arguments give unrelated seeds.

    Examples
    --------
    >>> derived_seed(0, FOLD, 1) != derived_seed(0, FOLD, 2) != derived_seed(0, REPEAT, 2)
    True
    """
    first, second = (*numbers, 0, 0)[:2]
    counter = np.array([first, second, purpose, 0x736565647320], dtype=np.uint64)  # apart from every other use
    return int(np.random.Philox(key=seed, counter=counter).random_raw())
