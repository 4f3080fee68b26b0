"""Executors that lose, repeat, delay and shuffle what they are given, and searches that must not notice."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import fastnet
from fastnet.tuning.store.folder import ENSEMBLE_FILE, MODEL_FILE

SPACE = {"learning_rate": "log:1e-3:1e4", "weight_decay": "log:1e-6:1e-2"}
EVERYTHING = {
    "trials": 64, "stages": 2, "pruning": "halving", "first_epochs": 1, "pack_size": 8, "folds": 2, "hidden": "8",
    "epochs": 9, "final": 2, "repeats": 2, "ensemble_top": 3, "seed": 3,
}  # fmt: skip
"""Settings of a search with all that there is: halving, stages, folds, a final choice and an ensemble."""

SMALL = {"trials": 1000, "hidden": "16", "epochs": 9}
"""What makes it last for a while."""


def without_times(document: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (document or {}).items() if name not in ("decided", "made", "seconds")}


def bytes_of(folder: Path, result: fastnet.SearchResult) -> dict[str, Any]:
    """Return what a study holds except for times: trials with curves, choices, and the models' bytes."""
    return {
        "trials": repr([without_times(row) for row in result.to_arrow().to_pylist()]),
        "curves": b"".join(trial.curves.tobytes() for trial in result.trials),
        "stages": repr(result.stages),
        "final": repr(without_times(result.final)),
        "ensemble": repr(without_times(result.ensemble_report)),
        "models": [(folder / name).read_bytes() for name in (MODEL_FILE, ENSEMBLE_FILE) if (folder / name).exists()],
    }


class Unsteady(Executor):
    """Runs calls one after the other in a thread of its own, in any order, some twice, and loses others.

    `faults` are the shares of calls that never return, that return twice as late as the next, that are run twice, and
    whose worker dies.
    """

    _max_workers = 3

    def __init__(self, seed: int = 0, **faults: float) -> None:
        self.random = random.Random(seed)
        self.faults = faults
        self.happened: dict[str, int] = dict.fromkeys(faults, 0)
        self.orders: list[Any] = []
        self._waiting: list[tuple[Future[Any], Callable[[], Any]]] = []
        self._wake = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        with self._wake:
            self.orders.append(arguments[0])
            self._waiting.append((future, lambda: function(*arguments, **named)))
            self._wake.notify()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with self._wake:
            self._ended = True
            self._wake.notify()
        self._thread.join()

    def _happens(self, fault: str) -> bool:
        happens = self.random.random() < self.faults.get(fault, 0.0)
        if happens:
            self.happened[fault] += 1
        return happens

    def _work(self) -> None:
        late: list[tuple[Future[Any], Any]] = []
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._ended, timeout=0.05)
                if self._ended:
                    return
                if not self._waiting:
                    for future, value in late:
                        future.set_result(value)
                    late.clear()
                    continue
                future, call = self._waiting.pop(self.random.randrange(len(self._waiting)))
            if not future.set_running_or_notify_cancel() or self._happens("dropped"):
                continue
            if self._happens("lost"):
                future.set_exception(ConnectionError("the worker died"))
                continue
            try:
                value = call()
                value = call() if self._happens("repeated") else value
            except BaseException as error:
                future.set_exception(error)
                continue
            if self._happens("late"):
                late.append((future, value))
            else:
                future.set_result(value)


def searched(dataset: fastnet.Dataset, folder: Path, executor: Any = None, **how: Any) -> dict[str, Any]:
    """Search with all that there is on an executor, and return what the study holds."""
    settings = EVERYTHING | how
    return bytes_of(folder, fastnet.search(SPACE, dataset, study=folder, executor=executor, **settings))


class Killer:
    """Kills one of some processes with SIGKILL again and again while a search runs, as a context.

    Parameters
    ----------
    pids : callable
        Returns the processes that live now.
    seconds : float
        Time between two kills.
    kills : int
        Most of them.
    """

    def __init__(self, pids: Callable[[], list[int]], seconds: float, kills: int, seed: int = 0) -> None:
        self._pids, self._seconds, self._most = pids, seconds, kills
        self._random = random.Random(seed)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.kills = 0

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        while self.kills < self._most and not self._ended.wait(self._seconds):
            if pids := self._pids():
                with suppress(ProcessLookupError):
                    os.kill(self._random.choice(pids), signal.SIGKILL)
                    self.kills += 1


class KillAt:
    """Kills one of some processes with SIGKILL whenever so many more trials have ended: the progress of a search."""

    def __init__(self, pids: Callable[[], list[int]], every: int) -> None:
        self._pids, self._every, self._next = pids, every, every
        self._random = random.Random(0)
        self.kills = 0

    def __call__(self, progress: fastnet.Progress) -> None:
        if progress.done >= self._next and (pids := self._pids()):
            self._next = progress.done + self._every
            with suppress(ProcessLookupError):
                os.kill(self._random.choice(pids), signal.SIGKILL)
                self.kills += 1
