"""Trials that run together: which of them are still open, what became of the others, folds taken together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastnet.config.searching import SearchConfig
from fastnet.tuning.space.names import Value
from fastnet.tuning.trial import CURVES, TrialResult

POLL_SECONDS = 0.05
"""Longest time between two looks at a running pack."""

_DONE, _DIVERGED = 1, 2  # of `Run.status`

Ids: TypeAlias = NDArray[np.int64]
Params: TypeAlias = dict[str, Value]


class Run(Protocol):
    """A pack that trains in the background, such as `fastnet.training.pack.PackRun`.

    With F folds, the networks t F to t F + F - 1 are those of trial t.
    """

    seconds: NDArray[np.float64]

    @property
    def status(self) -> NDArray[Any]:
        """How each network stands, see `fastnet.training.pack.PackRun.status`."""

    @property
    def curves(self) -> NDArray[np.float32]:
        """Curves of all networks, (T F, 4, epochs), rows as named in `CURVES`."""

    def start(self, which: Ids, end: int) -> None:
        """Train these networks in the background up to an epoch."""

    def running(self) -> bool:
        """Whether it still works."""

    def finished(self) -> NDArray[np.int64]:
        """Positions finished since the last call, in any order."""

    def stop(self) -> None:
        """Ask it to end soon, leaving networks unfinished; harmless at any time."""

    def join(self) -> None:
        """Wait until it has ended; harmless before `start`."""


RunFactory: TypeAlias = Callable[[Ids, list[Params]], Run]
"""Builds a run from trial numbers and their searched hyperparameters."""


class Trainer(Protocol):
    """What builds packs, such as `fastnet.tuning.run.workshop.Workshop`."""

    compile_seconds: float
    """Time spent so far on compiling kernels, or on loading them."""

    def run(self, ids: Ids, params: list[Params], *, waiting: bool, seeds: Sequence[int] | None = None) -> Run:
        """Build a pack; `waiting` says that its trials wait for each other at rungs, `seeds` replace the study's."""

    def packs_at_once(self, packs: Sequence[tuple[Ids, list[Params]]]) -> int:
        """Tell how many of these, from the first on, should train together."""


class Given:
    """Trains by a factory that was given, which has nothing to compile."""

    compile_seconds = 0.0

    def __init__(self, factory: RunFactory) -> None:
        self._factory = factory

    def run(self, ids: Ids, params: list[Params], *, waiting: bool, seeds: Sequence[int] | None = None) -> Run:
        """Build a pack."""
        return self._factory(ids, params)

    def packs_at_once(self, packs: Sequence[tuple[Ids, list[Params]]]) -> int:
        """Return one."""
        return 1


class Trials:
    """The bookkeeping of trials that run together: which are still open, which wait to be stored."""

    def __init__(self, run: Run, ids: Ids, params: list[Params], stage: int, config: SearchConfig) -> None:
        self.run = run
        self.ids = ids
        self.params = params
        self.stage = stage
        self.metric = config.metric
        self.folds = config.folds or 1
        self.open = set(range(len(ids)))
        self.waiting: list[TrialResult] = []
        self._left: dict[int, int] = {}  # networks of each running trial that have not finished
        self._ended: dict[int, TrialResult] = {}
        self._begun = 0

    def start(self, alive: Ids, end: int) -> None:
        """Train these trials up to an epoch, every fold of them."""
        self._left = dict.fromkeys(alive.tolist(), self.folds)
        self._begun = len(alive)
        networks = (alive[:, None] * self.folds + np.arange(self.folds)).ravel()
        self.run.start(networks, end)

    def take(self, *, ended: bool) -> list[TrialResult]:
        """Move trials that are done, or diverged, from `open` to `waiting`; at the end, whatever the run announced."""
        positions = (
            np.repeat(list(self._left), list(self._left.values())) if ended else self.run.finished() // self.folds
        )
        found = []
        for t in positions.tolist():
            self._left[t] = self._left.get(t, 0) - 1
            if self._left[t] <= 0:
                self._left.pop(t)
                found.append(t)
        status = self.run.status.reshape(-1, self.folds)
        diverged = [t for t in found if (status[t] == _DIVERGED).any()]
        done = [t for t in found if (status[t] == _DONE).all()]
        return self.end(done, "done") + self.end(diverged, "diverged")

    def end(self, positions: Sequence[int], status: str) -> list[TrialResult]:
        """Close trials, with the curves they have."""
        ended = [t for t in positions if t in self.open]
        curves = self.curves(ended) if ended else ()
        taken = [self._trial(t, status, curve) for t, curve in zip(ended, curves, strict=True)]
        self._ended.update(zip(ended, taken, strict=True))
        # Waiting first: what Ctrl-C lets into both is offered twice and stored once.
        self.waiting.extend(taken)
        self.open.difference_update(ended)
        return taken

    def curves(self, positions: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Curves of trials, (T, 4, epochs): the mean over their folds, NaN from where one has not trained."""
        some = range(len(self.ids)) if positions is None else positions
        networks = self.run.curves.reshape(len(self.ids), self.folds, len(CURVES), -1)[list(some)]
        if self.folds == 1:
            return networks[:, 0]
        mean: NDArray[np.float32] = networks.mean(axis=1, dtype=np.float64).astype(np.float32)
        return mean

    def in_order(self) -> list[TrialResult]:
        """Return the trials that ended, in the order in which they were given."""
        return [self._ended[t] for t in sorted(self._ended)]

    def pause(self, elapsed: float) -> float:
        """Time to sleep before the next look: half of what the run still needs, at most `POLL_SECONDS`."""
        finished = self._begun - len(self._left)
        left = elapsed * len(self._left) / finished if finished else elapsed
        return min(POLL_SECONDS, max(0.001, left / 2))

    def _trial(self, t: int, status: str, curves: NDArray[np.float32]) -> TrialResult:
        seconds = float(self.run.seconds.reshape(-1, self.folds)[t].sum())
        return TrialResult.from_curves(
            int(self.ids[t]), status, self.params[t], curves, seconds=seconds, stage=self.stage, metric=self.metric
        )
