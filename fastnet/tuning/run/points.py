"""Points between 0 and 1 that a trial's number determines, and the values of hyperparameters at such points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastnet.tuning.space.names import Value, stream_of
from fastnet.tuning.space.space import Space

PURPOSE_SPACE = 4
"""Purpose, in the counter of the random generator, of the hyperparameters of a trial."""

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


def values_at(space: Space, ids: Ids, points: list[Floats]) -> list[dict[str, Value]]:
    """Convert numbers between 0 and 1, one array for each name, to values."""
    pairs = zip(space.distributions.values(), points, strict=True)
    return rows_of(space, ids, [distribution.sample(u).tolist() for distribution, u in pairs])


def rows_of(space: Space, ids: Ids, columns: list[list[Value]]) -> list[dict[str, Value]]:
    """Make a dict for each trial of the values of each name, one list for each name."""
    if not space.names:
        return [{} for _ in ids]
    return [dict(zip(space.names, row, strict=True)) for row in zip(*columns, strict=True)]


def random_points(space: Space, ids: Ids, seed: int) -> list[Floats]:
    """Draw a number between 0 and 1 for each name and trial, see `Random`."""
    from fastnet.kernels.rng import uniforms

    key = np.uint64(seed)  # one type for every seed, so that the kernel compiles once
    return [uniforms(key, np.asarray(ids, np.int64), PURPOSE_SPACE, stream_of(name)) for name in space.names]
