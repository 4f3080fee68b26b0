"""Compiling ahead: everything that a search, a training and a prediction of one architecture need, into the cache."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastnet.config.checks import count_threads
from fastnet.config.searching import SearchConfig
from fastnet.config.training import TrainConfig
from fastnet.data.dataset import Dataset, split
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
"""What is compiled: the microkernels of `fastnet.kernels.panels`, `activation` and `update`, the stages of `step`, what
they call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmth:
    """What `compile_ahead` did.

    Attributes
    ----------
    compiled : dict of str to int
        How many functions of each of `KINDS` were not in the cache and are now.
    seconds : float
        Time of compiling and loading.
    cache : Cache
        What the cache holds now.
    """

    compiled: dict[str, int]
    seconds: float
    cache: cache.Cache


def compile_ahead(dataset: Dataset, config: TrainConfig, *, jobs: int | None = None) -> Warmth:
    """Compile what a search, a training and a prediction need, and keep it in the cache.

    Machine code follows from the processor, the number of features and classes, whether most features are zero, the
    hidden layers, the activation, the optimizer, and for a training from the batch size and the number of threads as
    far as they decide whether threads share a product. Learning rates, dropout and all the rest change nothing.

    Parameters
    ----------
    dataset : Dataset
        Data like those to come.
    config : TrainConfig
        Architecture, activation, optimizer and batch size.
    jobs : int, optional
        Threads of the training to come, as for `fastnet.train`.

    Returns
    -------
    Warmth

    Raises
    ------
    ConfigError
        If `jobs` is not a whole number from 1 to 4096.
    FastnetError
        If the cache is switched off or its folder cannot be written, so that nothing would be kept.

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
        raise FastnetError(f"nothing that is compiled would be kept: {before.unkept}")
    parts = split(dataset.y, seed=config.seed)
    data = prepare(dataset, parts)
    clock = time.perf_counter()
    Random(config.seed).draw(Space.parse(SearchConfig().space), np.zeros(1, np.int64))
    packs.warm_up(config, data)
    Training(config, data, threads).model().predict_proba(dataset.x[:1])
    seconds = time.perf_counter() - clock
    after = cache.look()
    return Warmth(compiled=_count(after.functions - before.functions), seconds=seconds, cache=after)


def _count(files: Iterable[str]) -> dict[str, int]:
    """Count files of machine code by `KINDS`; their first folder says which they are."""
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
