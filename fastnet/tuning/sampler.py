"""Random search: which hyperparameters trial i of a study gets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastnet.tuning.space import SEARCHABLE, Space

PURPOSE_SPACE = 4
"""Which of the random streams of a trial its hyperparameters are drawn from."""


def sample(space: Space, seed: int, trials: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Draw the hyperparameters of some trials.

    Parameters
    ----------
    space : Space
        What is searched.
    seed : int
        Seed of the study, 0 to 2**64 - 1.
    trials : (T,) int64 array
        Trial numbers, 0 to 2**32 - 1, in any order.

    Returns
    -------
    dict of str to (T,) float64 array
        For each searched hyperparameter its value in each of these trials.

    Notes
    -----
    The k-th name of `SEARCHABLE` takes, for trial i, the generator's block with key `seed` and counter
    (k, 0, `PURPOSE_SPACE`, i), so adding a hyperparameter to a search changes none of the others. A trial is therefore
    a pure function of (seed, i): any subset can be drawn alone, in any order, on any machine, and is the same.

    Examples
    --------
    >>> import numpy as np
    >>> space = Space.parse({"learning_rate": "log:1e-6:1e-2"})
    >>> both = sample(space, 0, np.array([3, 700]))["learning_rate"]
    >>> alone = sample(space, 0, np.array([700]))["learning_rate"]
    >>> bool(both[1] == alone[0])
    True
    """
    from fastnet.kernels.rng import uniforms

    key = np.uint64(seed)  # one type for every seed, so that the kernel compiles once
    return {
        name: distribution.sample(uniforms(key, trials, PURPOSE_SPACE, SEARCHABLE.index(name)))
        for name, distribution in space.distributions.items()
    }
