"""Samplers of hyperparameters that look at no other trial: random, Sobol sequence, grid; and which one a search has."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnet.config.searching import GIVEN, OPTUNA, SearchConfig
from fastnet.errors import ConfigError
from fastnet.tuning.rules.pruning import schedule_of
from fastnet.tuning.run.enqueue import checked_points
from fastnet.tuning.run.optuna import OptunaSampler, sampler_named
from fastnet.tuning.run.points import PURPOSE_SPACE, Floats, Ids, random_points, rows_of, values_at
from fastnet.tuning.run.tpe import Tpe
from fastnet.tuning.space.names import Value
from fastnet.tuning.space.space import Space
from fastnet.tuning.trial import TrialResult

PURPOSE_SCRAMBLE = PURPOSE_SPACE + 256
"""Purpose of the scrambling of the Sobol sequence, drawn as for trial 0."""

PACKS_OF_GENERATION, GENERATION_TRIALS = 2, 32
"""Packs that a sampler draws from the same history, and the trials of such a pack where none are compared."""

_SOBOL_BLOCK = 4096  # points made at once: a power of two, as SciPy wants the first ones to be


class Sampler(Protocol):
    """Draws the hyperparameters of the trials of a study.

    They depend on the space, the seed, the number of the trial and the trials of earlier generations alone, on any
    machine, so that a study does not depend on threads, engines or interruptions.
    """

    @property
    def generation(self) -> int | None:
        """Number of consecutive trials with the same history; None if no trial depends on another."""

    def draw(self, space: Space, ids: Ids, history: Sequence[TrialResult]) -> list[dict[str, Value]]:
        """Draw the hyperparameters of some trials.

        Parameters
        ----------
        space : Space
            The ranges.
        ids : (T,) int64 array
            Trial numbers, 0 to 2**32 - 2, in any order, all of one generation if there are any; a pack of trials that
            are compared with each other belongs to the generation of its first.
        history : sequence of TrialResult
            All trials of earlier generations in order, without curves; empty without generations.

        Returns
        -------
        list of dict
            For each trial its values by name, names sorted.
        """


@dataclass(frozen=True, slots=True)
class Random:
    """Random search: every value is drawn independently.

    Parameters
    ----------
    seed : int
        Seed of the study, 0 to 2**64 - 1.

    Notes
    -----
    Each name has its own stream (`space.names.stream_of`): for trial i the first word of the generator's block with
    key `seed` and counter (stream, 0, `PURPOSE_SPACE`, i). Adding a hyperparameter to a search so changes no other.

    Examples
    --------
    >>> import numpy as np
    >>> space = Space.parse({"learning_rate": "log:1e-6:1e-2", "optimizer": "choice:sgd,adam"})
    >>> Random(0).draw(space, np.array([3, 700]))[1] == Random(0).draw(space, np.array([700]))[0]
    True
    """

    seed: int
    generation: ClassVar[None] = None

    def draw(self, space: Space, ids: Ids, history: Sequence[TrialResult] = ()) -> list[dict[str, Value]]:
        """Draw the hyperparameters of some trials, see `Sampler.draw`."""
        return values_at(space, ids, random_points(space, ids, self.seed))


@dataclass(frozen=True, slots=True)
class Sobol:
    """Points of a scrambled Sobol sequence, which fill the space evenly.

    Parameters
    ----------
    seed : int
        Seed of the study, 0 to 2**64 - 1.

    Notes
    -----
    Point i of SciPy's Sobol sequence (Joe and Kuo 2008), the k-th name taking dimension k, scrambled by a permutation
    of Owen's kind for each dimension (Burley, *Practical Hash-based Owen Scrambling*, JCGT 9, 2020) that the seed
    chooses. The first 2**m points, and every later 2**m, put one into each of 2**m equal parts of each range.
    """

    seed: int
    generation: ClassVar[None] = None

    def draw(self, space: Space, ids: Ids, history: Sequence[TrialResult] = ()) -> list[dict[str, Value]]:
        """Draw the hyperparameters of some trials, see `Sampler.draw`."""
        return values_at(space, ids, _sobol(len(space.names), ids, self.seed) if space.names else [])


@dataclass(frozen=True, slots=True)
class Grid:
    """All combinations of `levels` values of each range and all values of each choice, the last name changing fastest.

    Parameters
    ----------
    levels : int
        Values of each range, both ends included; ranges of whole numbers may have fewer.

    Examples
    --------
    >>> import numpy as np
    >>> space = Space.parse({"learning_rate": "log:1e-6:1e-2", "optimizer": "choice:sgd,adam"})
    >>> Grid(3).draw(space, np.array([0, 1, 2]))[2]
    {'learning_rate': 0.0001, 'optimizer': 'sgd'}
    """

    levels: int
    generation: ClassVar[None] = None

    def draw(self, space: Space, ids: Ids, history: Sequence[TrialResult] = ()) -> list[dict[str, Value]]:
        """Draw the hyperparameters of some trials, see `Sampler.draw`; `ConfigError` beyond the end of the grid."""
        return rows_of(space, ids, _grid(space, ids, self.levels))


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A sampler whose first trials are given points; `sampler` draws the others, and what a point leaves open.

    Parameters
    ----------
    points : tuple of dict
        Checked values by name; the point at place i is of trial i.
    sampler : Sampler
        Draws everything else, with the numbers of all trials.

    Examples
    --------
    >>> import numpy as np
    >>> space = Space.parse({"dropout": "choice:0,0.5", "optimizer": "choice:sgd,adam"})
    >>> Enqueued(({"dropout": 0.5},), Grid(2)).draw(space, np.array([0, 1]), ())
    [{'dropout': 0.5, 'optimizer': 'sgd'}, {'dropout': 0.0, 'optimizer': 'adam'}]
    """

    points: tuple[Mapping[str, Value], ...]
    sampler: Sampler

    @property
    def generation(self) -> int | None:
        """As of `sampler`."""
        return self.sampler.generation

    def draw(self, space: Space, ids: Ids, history: Sequence[TrialResult]) -> list[dict[str, Value]]:
        """Draw the hyperparameters of some trials, see `Sampler.draw`."""
        drawn = self.sampler.draw(space, ids, history)
        numbers = [int(number) for number in ids]
        return [
            {**values, **self.points[number]} if number < len(self.points) else values
            for number, values in zip(numbers, drawn, strict=True)
        ]


def sampler_of(config: SearchConfig, given: Any = None) -> Sampler:
    """Build the sampler of a search, which draws what its points leave open.

    Parameters
    ----------
    config : SearchConfig
        Its metric is not ``auto``.
    given : Sampler or optuna.samplers.BaseSampler, optional
        Instead of the one that `config` names.

    Raises
    ------
    ConfigError
        If a point does not suit the space, or there is no such sampler of Optuna.

    Examples
    --------
    >>> sampler_of(SearchConfig(sampler="grid", levels=3))
    Grid(levels=3)
    """
    points = checked_points(config, Space.parse(config.space))
    name = config.sampler
    if given is None and name.startswith(GIVEN):
        kind = name.removeprefix(GIVEN)
        raise ConfigError(
            f"sampler={name!r}: the study was made with an object of {kind}; continue it in Python, with such an object"
        )
    if given is None and name.startswith(OPTUNA):
        given = sampler_named(name.removeprefix(OPTUNA), config.train.seed)
    if given is not None and not hasattr(given, "draw"):
        return OptunaSampler(given, config.metric, _pack(config), points)
    sampler = given or _own(config)
    return Enqueued(points, sampler) if points else sampler


def preview_of(config: SearchConfig) -> Sampler:
    """Return a sampler for estimates: as `sampler_of`, but at random for a sampler of others, which may be slow.

    Examples
    --------
    >>> preview_of(SearchConfig(sampler="optuna:TPESampler"))
    Random(seed=0)
    """
    return sampler_of(replace(config, sampler="random") if ":" in config.sampler else config)


def _own(config: SearchConfig) -> Sampler:
    if config.sampler == "grid":
        return Grid(config.levels)
    if config.sampler == "tpe":
        return Tpe(config.train.seed, config.metric, PACKS_OF_GENERATION * _pack(config))
    return Sobol(config.train.seed) if config.sampler == "sobol" else Random(config.train.seed)


def _pack(config: SearchConfig) -> int:
    """Return the trials of a pack: those that are compared, or what is drawn at once where none are."""
    return config.pack_size if len(schedule_of(config).rungs) > 1 else GENERATION_TRIALS


def grid_size(space: Space, levels: int) -> int:
    """Return the number of points of a grid.

    Examples
    --------
    >>> grid_size(Space.parse({"dropout": "uniform:0:0.5", "optimizer": "choice:sgd,adam"}), 5)
    10
    """
    return math.prod(len(distribution.levels(levels)) for distribution in space.distributions.values())


def checked_space(config: SearchConfig) -> Space:
    """Parse and check the space of a search.

    Raises
    ------
    ConfigError
        If a range is invalid or has no effect, a point that is tried first does not suit the ranges, the sampler
        allows no stages, or there are more trials than the grid has points.

    Examples
    --------
    >>> checked_space(SearchConfig()).names
    ('learning_rate', 'weight_decay')
    """
    space = Space.parse(config.space)
    space.check_used(config.train)
    checked_points(config, space)
    if config.stages > 1 and ":" in config.sampler:
        raise ConfigError(
            f"stages={config.stages}: the ranges of sampler={config.sampler!r} are not narrowed; choose 1, or another "
            "sampler"
        )
    if config.sampler == "grid":
        if config.stages > 1:
            raise ConfigError(f"stages={config.stages}: a grid is not narrowed; choose 1, or another sampler")
        _check_grid(grid_size(space, config.levels), config.trials)
    return space


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
    """Permute 32-bit numbers so that each bit depends only on itself, the bits above it and the key."""
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
            f"trials={trials}: the grid has {size} points; choose fewer trials, more levels, or another sampler"
        )
