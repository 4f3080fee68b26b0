"""Where a search's trials are really trained: the data prepared once, and packs of networks built for it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastnet.config.searching import SearchConfig
from fastnet.config.settings import format_memory
from fastnet.config.training import TrainConfig
from fastnet.data.dataset import Dataset, Split
from fastnet.errors import ConfigError
from fastnet.limits import free_memory
from fastnet.network.assembly import Assembly, assemble, n_threads_limit
from fastnet.network.memory import does_not_fit
from fastnet.network.samples import TrainingData, prepare
from fastnet.training.pack import Member, PackRun, footprint, threads_within, warm_up
from fastnet.tuning.rules.pruning import schedule_of, survivors
from fastnet.tuning.run.sampler import draw_for
from fastnet.tuning.run.seeds import FOLD, derived_seed
from fastnet.tuning.space.names import Value
from fastnet.tuning.space.space import Space, configured

if TYPE_CHECKING:
    from fastnet.model.classifier import Model

KEPT_BYTES = 2**31
"""Memory of packs that train together where no limit is given."""

Params = Mapping[str, Value]
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A network to be trained: settings, and the number of its random stream.

    Attributes
    ----------
    config : TrainConfig
        With the seed that keys its random numbers.
    stream : int
        Number of the trial.
    """

    config: TrainConfig
    stream: int


class Workshop:
    """Prepared data, compiled kernels, and how trials become packs.

    Parameters
    ----------
    dataset : Dataset
        Only its training part is used.
    splits : sequence of Split
        One, or one for each fold of a cross-validation.
    config : SearchConfig
        Of the study.
    threads : int
        Networks that train at a time.
    memory : int or None
        Bytes that a pack may take; None for what the process may still use, see `fastnet.limits`.
    """

    def __init__(
        self, dataset: Dataset, splits: Sequence[Split], config: SearchConfig, threads: int, memory: int | None = None
    ) -> None:
        self.config = config
        self.dataset = dataset
        self.splits = splits
        self.threads = min(threads, n_threads_limit())
        self.memory = memory
        self.folds: list[TrainingData] = [prepare(dataset, parts) for parts in splits]
        self.compile_seconds = 0.0
        self.room = free_memory()  # in addition to the data
        self._fitting, self._largest = self.threads, 0  # threads that fit, in packs of at most that number of networks
        self._assemblies: dict[tuple[object, ...], Assembly] = {}

    def warm_up(self, space: Space) -> None:
        """Compile or load what the first trial needs."""
        clock = time.perf_counter()
        [params] = draw_for(self.config, space, np.zeros(1, np.int64))
        warm_up(configured(self.config.train, params), self.folds[0])
        self.compile_seconds += time.perf_counter() - clock

    def run(
        self,
        ids: Ids,
        params: Sequence[Params],
        *,
        waiting: bool,
        seeds: Sequence[int] | None = None,
        keep: bool = False,
    ) -> PackRun:
        """Build the pack of some trials, on seeds of their own if any are given; see `pack`."""
        recipes = self.recipes(ids, params)
        if seeds is not None:
            pairs = zip(recipes, seeds, strict=True)
            recipes = [replace(recipe, config=replace(recipe.config, seed=seed)) for recipe, seed in pairs]
        return self.pack(recipes, waiting=waiting, keep=keep)

    def recipes(self, ids: Ids, params: Sequence[Params]) -> list[Recipe]:
        """Turn trials into networks to be trained, one each."""
        train = self.config.train
        return [Recipe(configured(train, values), int(trial)) for trial, values in zip(ids, params, strict=True)]

    def members(self, recipes: Sequence[Recipe]) -> list[Member]:
        """Return the networks of a pack: for each recipe one per fold, neighbours of each other."""
        return [
            Member(data, _keyed(recipe.config, fold), recipe.stream)
            for recipe in recipes
            for fold, data in enumerate(self.folds)
        ]

    def pack(self, recipes: Sequence[Recipe], *, waiting: bool = False, keep: bool = False) -> PackRun:
        """Build a pack, on as many threads as the memory allows; `keep` is that of `PackRun`.

        Raises
        ------
        ConfigError
            If not even one thread's workspace fits into the memory.
        """
        members = self.members(recipes)
        fresh = {member.kind: member for member in members if member.kind not in self._assemblies}
        if self.memory is not None or fresh or waiting or keep or len(members) > self._largest:
            threads = self.threads_for(members, waiting=waiting, keep=keep)
            self._fitting, self._largest = min(self._fitting, threads), max(self._largest, len(members))
        else:  # known kinds, in a pack no larger than those before
            threads = self._fitting
        clock = time.perf_counter()
        for kind, member in fresh.items():
            self._assemblies[kind] = assemble(member.config, member.data, parallel=False)
        self.compile_seconds += time.perf_counter() - clock
        return PackRun(members, threads, self._assemblies, keep=keep)

    def models(self, run: PackRun, t: int) -> list[Model]:
        """Return the networks of trial `t` of a pack that keeps, one for each fold."""
        return [run.model(t * len(self.folds) + fold) for fold in range(len(self.folds))]

    def validated(self, models: Sequence[Model]) -> NDArray[np.float32]:
        """Compute the probabilities of all validation samples, each by the network of its fold, (N, O) float32."""
        x = self.dataset.x
        pairs = zip(models, self.splits, strict=True)
        return np.concatenate([model._probabilities(x[parts.validation]) for model, parts in pairs])

    def validation_labels(self) -> NDArray[np.int64]:
        """Return the classes of the samples that `validated` has, (N,) int64."""
        return np.concatenate([self.dataset.y[parts.validation] for parts in self.splits])

    def packs_at_once(self, packs: Sequence[tuple[Ids, Sequence[Params]]]) -> int:
        """Tell how many packs, from the first on, should train together, at least one.

        So many that the few trials of the last rung still fill the threads, and that their weights fit into the memory.
        """
        last = survivors(schedule_of(self.config), len(packs[0][0]))[-1] * len(self.folds)
        n = min(len(packs), max(1, -(-2 * self.threads // last)))
        while n > 1 and not self._fits(packs[:n]):
            n -= 1
        return n

    def _fits(self, packs: Sequence[tuple[Ids, Sequence[Params]]]) -> bool:
        limits = (KEPT_BYTES if self.memory is None else self.memory, self.room)
        members = [member for ids, params in packs for member in self.members(self.recipes(ids, params))]
        needed = footprint(members, 1 if self.memory else self.threads, waiting=True)
        return all(limit is None or needed <= limit for limit in limits)

    def threads_for(self, members: list[Member], *, waiting: bool, keep: bool = False) -> int:
        """Return how many of these networks can train at a time; raises as `pack` does."""
        known = [limit for limit in (self.memory, self.room) if limit is not None]
        if not known or not members:
            return self.threads
        memory = min(known)
        threads, needed = threads_within(members, self.threads, memory, waiting=waiting or keep)
        if threads:
            return threads
        what, fewer = "one network at a time needs", ""
        if waiting:
            what, fewer = f"{len(members)} networks that wait for each other need", ", or a smaller pack_size"
        if keep:
            what, fewer = f"{len(members)} networks that are kept need", ", or a smaller ensemble_top"
        smaller = f"choose smaller layers or batches{fewer}"
        if memory == self.memory:
            raise ConfigError(
                f"memory={format_memory(memory)}: {what} {format_memory(needed)}; allow a little more than that, or "
                f"{smaller}"
            )
        raise does_not_fit(what, needed, memory, smaller)


def _keyed(config: TrainConfig, fold: int) -> TrainConfig:
    return config if fold == 0 else replace(config, seed=derived_seed(config.seed, FOLD, fold))
