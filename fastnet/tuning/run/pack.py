"""Running a pack of trials: `run_pack` trains it through its rungs while a callback watches its progress."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnet.config.metric import sign
from fastnet.kernels.step import DIVERGED, DONE
from fastnet.training import loop
from fastnet.training.loop import Watched
from fastnet.tuning.run.prepared import prepared_data
from fastnet.tuning.run.task import Outcome, Positions, Task, Unfinished, Watch
from fastnet.tuning.trial import CURVES, curve_of

if TYPE_CHECKING:
    from fastnet.model.classifier import Model


class Run(Watched, Protocol):
    """A pack that trains in the background, such as `fastnet.training.pack.PackRun`.

    With F folds, trial t has the networks t F to t F + F - 1.
    """

    seconds: NDArray[np.float64]

    @property
    def status(self) -> NDArray[Any]:
        """The status of each network, see `fastnet.training.pack.PackRun.status`."""

    @property
    def curves(self) -> NDArray[np.float32]:
        """Curves of all networks, (T F, 4, epochs), rows as named in `CURVES`."""

    def start(self, which: Positions, end: int) -> None:
        """Train these networks in the background up to an epoch."""

    def finished(self) -> Positions:
        """Return the positions that finished since the last call, in any order."""


def run_pack(task: Task, watch: Watch = lambda outcome: False) -> Outcome:
    """Train the trials of a task through all rungs.

    Parameters
    ----------
    task : Task
        This process must have loaded its data, see `fastnet.tuning.run.prepared`.
    watch : callable, optional
        Watches the task and may stop it.

    Returns
    -------
    Outcome
        Of all trials, a pure function of the task; of the trials that ended, if `watch` stopped it.

    Raises
    ------
    ConfigError
        If the task does not fit into memory.
    KeyError
        If this process has not loaded the data.
    """
    data = prepared_data(task.data)
    compiled = data.compile_seconds
    run = data.pack(task)
    models = run.model if task.keep else None
    return follow(run, task, watch, compile_seconds=data.compile_seconds - compiled, models=models)


def follow(
    run: Run,
    task: Task,
    watch: Watch,
    *,
    compile_seconds: float = 0.0,
    models: Callable[[int], Model] | None = None,
) -> Outcome:
    """Train a pack through its rungs as `run_pack` does, with `run` given."""
    pack = _Pack(run, task, compile_seconds)
    try:
        alive: Positions = np.arange(len(task.ids))
        for rung, end in enumerate(task.schedule.rungs, start=1):
            pack.rung = rung
            pack.train(alive, end, watch)
            if pack.stopped:
                break
            alive = pack.compare(alive)
    except KeyboardInterrupt:
        pack.take(ended=True)
        watch(pack.outcome())
        raise
    outcome = pack.outcome(complete=not pack.stopped, models=models)
    if pack.stopped and models is not None:
        outcome = replace(outcome, unfinished=pack.unfinished(models))
    watch(outcome)
    return outcome


class _Pack:
    """Bookkeeping of a running pack: the trials that train, and how the others ended."""

    def __init__(self, run: Run, task: Task, compile_seconds: float) -> None:
        self.run = run
        self.task = task
        self.rung = 1
        self.stopped = False
        self._folds = len(run.status) // len(task.ids) if len(task.ids) else 1
        self._ended: dict[int, str] = {}
        self._unseen: list[int] = []  # of them, those not passed to `watch` yet
        self._left: dict[int, int] = {}  # networks of each running trial that have not finished
        self._alive: list[int] = []
        self._begun = 0
        self._compile_seconds, self._compiled_seconds = compile_seconds, 0.0

    def train(self, alive: Positions, end: int, watch: Watch) -> None:
        """Train trials, with all of their folds, up to an epoch."""
        if not len(alive):
            return
        started, spent = time.perf_counter(), self._compiled_seconds
        self._alive = alive.tolist()
        networks = (alive[:, None] * self._folds + np.arange(self._folds)).ravel()
        networks = networks[self.run.status[networks] != DONE]  # others have stopped early
        self._left = dict(Counter((networks // self._folds).tolist()))
        self._begun = len(self._left)

        def look() -> None:
            self.take()
            self._compiled_seconds = spent + time.perf_counter() - started
            self._show(watch)

        try:
            if len(networks):
                loop.watch(
                    self.run,
                    lambda: self.run.start(networks, end),
                    on_look=look,
                    should_stop=lambda: self.stopped,
                    pause=lambda: self._pause(time.perf_counter() - started),
                )
        finally:
            self._compiled_seconds = spent + time.perf_counter() - started
        self.take(ended=True)
        if not self.stopped and not self._at_end:
            self._show(watch)

    @property
    def _at_end(self) -> bool:
        return self.rung == len(self.task.schedule.rungs)

    def take(self, *, ended: bool = False) -> None:
        """Close trials that are done or diverged: those reported as finished, or at the end any of them.

        Trials that stopped early are closed after the last rung, since they have yet to be compared.
        """
        if ended:
            found = [t for t in self._alive if t not in self._ended]
        else:
            found = []
            for t in (self.run.finished() // self._folds).tolist():
                self._left[t] = self._left.get(t, 0) - 1
                if self._left[t] <= 0:
                    self._left.pop(t)
                    found.append(t)
        if not found:
            return
        status = self.run.status.reshape(-1, self._folds)[found]
        diverged, done = (status == DIVERGED).any(axis=1), (status == DONE).all(axis=1) & self._at_end
        self._close({t: "diverged" if d else "done" for t, d, f in zip(found, diverged, done, strict=True) if d or f})

    def compare(self, alive: Positions) -> Positions:
        """Let the schedule choose which trials of each group continue; the others end as stopped."""
        fit = np.array([t for t in alive.tolist() if t not in self._ended], dtype=np.int64)
        if self._at_end:
            assert not len(fit), "a pack ended before its trials did"
            return fit
        curves = self._curves()
        kept: list[Positions] = []
        for low, high in itertools.pairwise(itertools.accumulate(self.task.sizes, initial=0)):
            here = fit[(fit >= low) & (fit < high)]
            if len(here):
                kept.append(low + self.task.schedule.keep(curves[low:high], here - low, self.rung - 1))
        going = np.concatenate(kept) if kept else fit[:0]
        self._close(dict.fromkeys(sorted(set(fit.tolist()) - set(going.tolist())), "stopped"))
        return going

    def outcome(
        self,
        found: Sequence[int] | None = None,
        *,
        complete: bool = False,
        models: Callable[[int], Model] | None = None,
    ) -> Outcome:
        """Return the outcome of the trials in `found`, or of all that ended, in the order of the task."""
        some = sorted(self._ended) if found is None else found
        status = tuple(self._ended[t] for t in some)
        networks: tuple[tuple[Model, ...], ...] = ()
        if models is not None:
            folds = range(self._folds)
            networks = tuple(
                tuple(models(t * self._folds + fold) for fold in folds) if of_trial == "done" else ()
                for t, of_trial in zip(some, status, strict=True)
            )
        return Outcome(
            positions=tuple(some),
            status=status,
            curves=self._curves(some),
            seconds=self.run.seconds.reshape(-1, self._folds)[list(some)].sum(axis=1),
            complete=complete,
            rung=self.rung,
            compile_seconds=self._compile_seconds,
            compiled_seconds=self._compiled_seconds,
            models=networks,
        )

    def unfinished(self, models: Callable[[int], Model]) -> tuple[Unfinished, ...]:
        """Return the trials that were training and whose networks all have a best epoch whose weights are kept."""
        if self.task.stop_by is None:
            return ()
        first = self.run.curves[:, -1, 0].reshape(-1, self._folds)
        known = set(np.flatnonzero(np.isfinite(first).all(axis=1)).tolist())
        some = [t for t in self._alive if t not in self._ended and t in known]
        folds = range(self._folds)
        return tuple(
            Unfinished(t, curves, tuple(models(t * self._folds + fold) for fold in folds))
            for t, curves in zip(some, self._curves(some), strict=True)
        )

    def _close(self, closed: dict[int, str]) -> None:
        new = {t: status for t, status in closed.items() if t not in self._ended}
        self._ended.update(new)
        self._unseen += new

    def _show(self, watch: Watch) -> None:
        """Pass on the trials that ended since the last call, and note whether the pack has to stop."""
        found, self._unseen = self._unseen, []
        self.stopped = watch(self.outcome(found)) or self.stopped

    def _curves(self, positions: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Return curves of trials, (n, 4, epochs): the mean over folds, NaN where any fold has not trained."""
        some = range(len(self.task.ids)) if positions is None else positions
        networks = self.run.curves.reshape(len(self.task.ids), self._folds, len(CURVES), -1)[list(some)]
        return mean_over_folds(networks, self._over()[list(some)], self.task.stop_by)

    def _over(self) -> NDArray[np.bool_]:
        """Return which networks have ended, (T, F)."""
        over: NDArray[np.bool_] = (self.run.status == DONE).reshape(-1, self._folds)
        return over

    def _pause(self, elapsed: float) -> float:
        """Return the seconds to sleep: half of the estimated time left, at most `loop.POLL_SECONDS`."""
        finished = self._begun - len(self._left)
        left = elapsed * len(self._left) / finished if finished else elapsed
        return min(loop.POLL_SECONDS, max(0.001, left / 2))


def mean_over_folds(curves: NDArray[np.float32], over: NDArray[np.bool_], stop_by: str | None) -> NDArray[np.float32]:
    """Return the mean of (n, F, 4, E) curves over folds, (n, 4, E): NaN where any fold has not trained.

    With early stopping by a metric, networks that are `over`, (n, F), stand still: see `held_at_best`.
    """
    if curves.shape[1] == 1:
        return curves[:, 0]
    if stop_by is not None:
        curves = held_at_best(curves, over, stop_by)
    mean: NDArray[np.float32] = curves.mean(axis=1, dtype=np.float64).astype(np.float32)
    return mean


def held_at_best(curves: NDArray[np.float32], over: NDArray[np.bool_], metric: str) -> NDArray[np.float32]:
    """Continue the curves of folds that stopped early while others of their trial train.

    Parameters
    ----------
    curves : (n, F, 4, E) float32
        Of n trials with F folds.
    over : (n, F) bool
        The networks that have ended.
    metric : str
        Decides about the best epoch.

    Returns
    -------
    (n, F, 4, E) float32
        Such a network keeps the values of its best epoch, whose weights it keeps, up to the last epoch of its trial.
    """
    measured = sign(metric) * curve_of(curves, metric)
    ran = np.isfinite(measured)
    best = np.where(ran, measured, -np.inf).argmax(axis=-1)
    standing = np.take_along_axis(curves, best[..., None, None], axis=-1)
    held = over[..., None] & ~ran & ran.any(axis=1, keepdims=True)
    return np.where(held[:, :, None], standing, curves)
