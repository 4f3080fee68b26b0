"""Compile ahead: fill the cache with all that a search, a training and a prediction of one architecture need."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastnet.config.checks import count_threads
from fastnet.config.searching import SearchConfig
from fastnet.config.training import TrainConfig
from fastnet.data.dataset import Dataset
from fastnet.data.validation import split_of
from fastnet.errors import FastnetError
from fastnet.machine import cache
from fastnet.network.assembly import n_threads_limit
from fastnet.network.samples import prepare
from fastnet.training import pack as packs
from fastnet.training.single import Training
from fastnet.tuning.run.sampler import Random
from fastnet.tuning.space.space import Space

if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS = ("matrix products", "activations", "update rules", "stages of training", "other functions")
"""Kinds of compiled functions: the microkernels of `panels`, `activation` and `update`, the stages of `step`, and what
they call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmth:
    """The result of `compile_ahead`.

    Attributes
    ----------
    compiled : dict of str to int
        Number of functions of each of the `KINDS` added to the cache.
    seconds : float
        Time spent compiling and loading.
    cache : Cache
        The cache afterwards.
    """

    compiled: dict[str, int]
    seconds: float
    cache: cache.Cache


def compile_ahead(dataset: Dataset, config: TrainConfig, *, jobs: int | None = None) -> Warmth:
    """Compile what a search, a training and a prediction need, and store it in the cache.

    Machine code depends on the processor, the number of features and classes, whether most features are zero, the
    hidden layers, whether there are several heads, the activation and the optimizer; for a training also on the batch
    size and the number of threads, as far as they decide whether threads share a product. Learning rates, dropout and
    other settings change nothing.

    Parameters
    ----------
    dataset : Dataset
        Data like those to come.
    config : TrainConfig
        Architecture, activation, optimizer and batch size.
    jobs : int, optional
        Threads of the training to come, as for `fastnet.train`.

    Raises
    ------
    ConfigError
        If `jobs` is not a whole number from 1 to 4096.
    FastnetError
        If the cache is switched off or its folder cannot be written, so that nothing would be stored.

    Examples
    --------
    >>> import fastnet
    >>> data = fastnet.take_first(fastnet.load("mnist5k"), 100)
    >>> first = compile_ahead(data, fastnet.TrainConfig(hidden=(16,)))  # doctest: +SKIP
    >>> sum(compile_ahead(data, fastnet.TrainConfig(hidden=(16,))).compiled.values())  # doctest: +SKIP
    0
    """
    threads = min(count_threads(jobs), n_threads_limit())
    before = cache.look()
    if before.unkept:
        raise FastnetError(f"compiled code would not be kept: {before.unkept}")
    parts = split_of(dataset, seed=config.seed)
    data = prepare(dataset, parts, config)
    clock = time.perf_counter()
    Random(config.seed).draw(Space.parse(SearchConfig().space), np.zeros(1, np.int64))
    packs.warm_up(config, data)
    Training(config, data, threads).model().answers(dataset.x[:1])
    seconds = time.perf_counter() - clock
    after = cache.look()
    return Warmth(compiled=_count(after.functions - before.functions), seconds=seconds, cache=after)


def _count(files: Iterable[str]) -> dict[str, int]:
    """Count files of machine code by `KINDS`; the first folder of a file identifies its kind."""
    counts = dict.fromkeys(KINDS, 0)
    for file in files:
        folder = file.partition("/")[0]
        if folder.startswith("micro-activation"):
            counts["activations"] += 1
        elif folder == "micro-update":
            counts["update rules"] += 1
        elif folder in ("micro-stage", "micro-parallel"):
            counts["stages of training"] += 1
        elif folder.startswith("micro-"):
            counts["matrix products"] += 1
        else:
            counts["other functions"] += 1
    return counts
