"""Where in the ranges the trials of a study lie: at random, on a Sobol sequence, or on a grid."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fastnet.config.searching import SearchConfig
from fastnet.errors import ConfigError
from fastnet.tuning.space.names import Value, stream_of
from fastnet.tuning.space.space import Space

PURPOSE_SPACE = 4
"""Which of the random streams of a trial its hyperparameters are drawn from."""

PURPOSE_SCRAMBLE = PURPOSE_SPACE + 256
"""Which of the random streams of trial 0 the scrambling of the Sobol sequence is drawn from."""

_SOBOL_BLOCK = 4096  # points made at once: a power of two, as SciPy wants the first ones to be

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


def draw(space: Space, ids: Ids, *, seed: int, sampler: str = "random", levels: int = 10) -> list[dict[str, Value]]:
    """Give some trials of a study their hyperparameters.

    Parameters
    ----------
    space : Space
        What is searched.
    ids : (T,) int64 array
        Trial numbers, 0 to 2**32 - 2, in any order.
    seed : int
        Seed of the study, 0 to 2**64 - 1.
    sampler : {"random", "sobol", "grid"}
        ``random``: every value drawn for itself. ``sobol``: points that leave no part of the space empty for long, see
        Notes. ``grid``: every combination of `levels` values of each range and all values of each choice, the last
        name changing fastest.
    levels : int
        Values of each range on a grid, its ends among them; whole numbers may have fewer.

    Returns
    -------
    list of dict
        For each trial its values by name, names sorted.

    Raises
    ------
    ConfigError
        If a trial lies beyond the end of the grid.

    Notes
    -----
    A trial is a pure function of the space, the seed and its number: any subset can be drawn alone, in any order, on
    any machine, and is the same.

    ``random``: each name has a stream of its own (`space.names.stream_of`): for trial i the first word of the
    generator's block with key `seed` and counter (stream, 0, `PURPOSE_SPACE`, i). So adding a hyperparameter to a
    search changes none of the others.

    ``sobol``: point i of SciPy's Sobol sequence (Joe and Kuo 2008), the k-th name taking dimension k, scrambled by a
    permutation of Owen's kind for each dimension (Burley, *Practical Hash-based Owen Scrambling*, JCGT 9, 2020) that
    the seed chooses. The first 2**m points, and every later 2**m, put one into each of 2**m equal parts of each range.

    Examples
    --------
    >>> import numpy as np
    >>> space = Space.parse({"learning_rate": "log:1e-6:1e-2", "optimizer": "choice:sgd,adam"})
    >>> draw(space, np.array([3, 700]), seed=0)[1] == draw(space, np.array([700]), seed=0)[0]
    True
    >>> draw(space, np.array([0, 1, 2]), seed=0, sampler="grid", levels=3)[2]
    {'learning_rate': 0.0001, 'optimizer': 'sgd'}
    """
    if not space.names:
        return [{} for _ in ids]
    if sampler == "grid":
        columns = _grid(space, ids, levels)
    else:
        points = _sobol(len(space.names), ids, seed) if sampler == "sobol" else _random(space, ids, seed)
        columns = [
            distribution.sample(u).tolist()
            for distribution, u in zip(space.distributions.values(), points, strict=True)
        ]
    return [dict(zip(space.names, row, strict=True)) for row in zip(*columns, strict=True)]


def draw_for(config: SearchConfig, space: Space, ids: Ids) -> list[dict[str, Value]]:
    """Give some trials of a search their hyperparameters: `draw` with the search's seed, sampler and levels."""
    return draw(space, ids, seed=config.train.seed, sampler=config.sampler, levels=config.levels)


def grid_size(space: Space, levels: int) -> int:
    """Return how many trials a grid has.

    Examples
    --------
    >>> grid_size(Space.parse({"dropout": "uniform:0:0.5", "optimizer": "choice:sgd,adam"}), 5)
    10
    """
    return math.prod(len(distribution.levels(levels)) for distribution in space.distributions.values())


def checked_space(config: SearchConfig) -> Space:
    """Read the space of a search and find out whether it serves.

    Raises
    ------
    ConfigError
        If a range is impossible or has no effect, or there are more trials than the grid has points.

    Examples
    --------
    >>> checked_space(SearchConfig()).names
    ('learning_rate', 'weight_decay')
    """
    space = Space.parse(config.space)
    space.check_used(config.train)
    if config.sampler == "grid":
        if config.stages > 1:
            raise ConfigError(f"stages={config.stages}: a grid is not narrowed; choose 1, or another sampler")
        _check_grid(grid_size(space, config.levels), config.trials)
    return space


def _random(space: Space, ids: Ids, seed: int) -> list[Floats]:
    from fastnet.kernels.rng import uniforms

    key = np.uint64(seed)  # one type for every seed, so that the kernel compiles once
    return [uniforms(key, np.asarray(ids, np.int64), PURPOSE_SPACE, stream_of(name)) for name in space.names]


def _sobol(n_dimensions: int, ids: Ids, seed: int) -> list[Floats]:
    from scipy.stats.qmc import Sobol

    from fastnet.kernels.rng import uniforms

    sequence = Sobol(n_dimensions, scramble=False, bits=32)
    words = np.empty((len(ids), n_dimensions), np.uint32)
    blocks = np.asarray(ids, np.int64) // _SOBOL_BLOCK
    for block in np.unique(blocks).tolist():
        ahead = block * _SOBOL_BLOCK - sequence.num_generated
        if ahead:
            sequence.fast_forward(ahead)
        points = sequence.random(_SOBOL_BLOCK)
        inside = blocks == block
        words[inside] = (points[ids[inside] % _SOBOL_BLOCK] * 2.0**32).astype(np.uint32)
    first = np.zeros(1, np.int64)
    keys = [uniforms(np.uint64(seed), first, PURPOSE_SCRAMBLE, k)[0] for k in range(n_dimensions)]
    return [
        (_scrambled(words[:, k], int(key * 2.0**32)).astype(np.float64) + 0.5) * 2.0**-32 for k, key in enumerate(keys)
    ]


def _scrambled(words: NDArray[np.uint32], key: int) -> NDArray[np.uint32]:
    """Permute 32-bit numbers so that every bit depends on itself, the bits above it and the key alone."""
    x = _reversed(words) + np.uint32(key)
    for multiplier in (0x6C50B47C, 0xB82F1E52, 0xC7AFE638, 0x8D22F6E6):  # even: bits reach only those above them
        x ^= x * np.uint32(multiplier)
    return _reversed(x)


def _reversed(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Reverse the order of the 32 bits of each number."""
    x = words
    for shift, mask in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF), (16, 0x0000FFFF)):
        x = ((x >> np.uint32(shift)) & np.uint32(mask)) | ((x & np.uint32(mask)) << np.uint32(shift))
    return x


def _grid(space: Space, ids: Ids, levels: int) -> list[list[Value]]:
    axes = [distribution.levels(levels) for distribution in space.distributions.values()]
    left = [int(trial) for trial in ids]
    _check_grid(math.prod(map(len, axes)), max(left, default=-1) + 1)
    columns: list[list[Value]] = []
    for axis in reversed(axes):
        columns.append([axis[place % len(axis)] for place in left])
        left = [place // len(axis) for place in left]
    return columns[::-1]


def _check_grid(size: int, trials: int) -> None:
    if trials > size:
        raise ConfigError(
            f"trials={trials}: the grid has {size} points; choose at most so many, more levels, or another sampler"
        )
