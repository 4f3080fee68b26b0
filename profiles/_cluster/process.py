"""One search on one engine, in a process of its own, which prints what it cost as a line of JSON.

    python -m _cluster.process dask book 200
    mpiexec -n 3 python -m mpi4py.futures -m _cluster.process mpi book 200

MPI needs a process of its own, and memory and processor time of the process that leads a search are its own only there.
"""

from __future__ import annotations

import argparse
import json
import pickle
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _networks import SMALL, images, table
from study import Watch, bytes_of

from _cluster.pretended import Pretended
from fastnet.tuning.run.workers import Workers

SEED = 0


class Workload(NamedTuple):
    """What a search trains: its data, its settings, and how many trials a run has."""

    title: str
    data: Callable[[], Any]
    train: dict[str, Any]
    trials: int
    quick: int


def _small_table() -> Any:
    return table(SMALL[0])


def _tiny_table() -> Any:
    import fastnet

    x = np.random.default_rng(SEED).standard_normal((16, 1)).astype(np.float32)
    return fastnet.as_dataset(x, np.arange(16) % 2, name="tiny")


WORKLOADS = {
    "book": Workload("the book's trial, 784-100×6-10, 50 epochs", lambda: images(500),
                     {"hidden": (100,) * 6, "batch_size": 100, "epochs": 50}, 600, 16),
    "table": Workload(f"a table's trial, {SMALL[0].title}, 20 epochs", _small_table,
                      {"hidden": SMALL[0].hidden, "batch_size": SMALL[0].batch, "epochs": 20, "optimizer": "adam"},
                      2000, 60),
    "tiny": Workload("the smallest trial, 1-2-2, 16 samples, 1 epoch", _tiny_table,
                     {"hidden": (2,), "batch_size": 16, "epochs": 1}, 100_000, 1500),
}  # fmt: skip


class Metered(Workers):
    """Workers whose parts are counted: their trials, their seconds on the worker, and from sending to return.

    Parameters
    ----------
    workers : Workers
    weigh : bool
        Whether to pickle orders and replies once more, to know their bytes; that costs time.
    """

    def __init__(self, workers: Any, weigh: bool) -> None:
        self._workers, self._weigh = workers, weigh
        self.parts: list[tuple[int, float, float]] = []
        self.order_bytes = self.reply_bytes = self.data_bytes = 0

        self.shares_data, self.threads, self.unbinding = workers.shares_data, workers.threads, workers.unbinding
        self.start, self.width, self.close = workers.start, workers.width, workers.close
        self.is_loss, self.renew = workers.is_loss, workers.renew

    def submit(self, function: Callable[..., Any], order: Any, parcel: Any) -> Future[Any]:
        """Pass a call on."""
        sent = time.perf_counter()
        if self._weigh:
            self.order_bytes += len(pickle.dumps(order, protocol=5))
        future: Future[Any] = self._workers.submit(function, order, parcel)
        future.add_done_callback(lambda ended: self._ended(ended, len(order.ids), sent))
        return future

    def parcel(self, name: str, data: bytes) -> Any:
        """Pass data on."""
        self.data_bytes = len(data)
        return self._workers.parcel(name, data)

    def _ended(self, future: Future[Any], trials: int, sent: float) -> None:
        if future.cancelled() or future.exception() is not None:
            return
        reply = future.result()
        if reply.outcomes:
            self.parts.append((trials, reply.seconds, time.perf_counter() - sent))
        if self._weigh:
            self.reply_bytes += len(pickle.dumps(reply, protocol=5))


class Clock(Watch):
    """Notes time, processor time of the process and of its thread that leads, and memory, as trials end."""

    def __init__(self) -> None:
        super().__init__()
        self.at: list[tuple[int, float, float, float]] = []

    def __call__(self, progress: Any) -> None:
        """Take a sample; to be given as `on_progress`."""
        super().__call__(progress)
        if progress.done and (not self.at or self.at[-1][0] != progress.done):
            self.at.append((progress.done, time.perf_counter(), time.process_time(), time.thread_time()))


def workers_for(engine: str, workers: int, seconds: float) -> Any:
    """Return the workers of an engine, or None for the threads of this process."""
    from fastnet.tuning.run.workers import workers_of

    if engine == "pretended":
        return Pretended(workers, seconds)
    name = f"processes:{workers}" if engine == "processes" else engine
    return workers_of(name, None if engine == "local" else 1)


def search(options: Any, folder: Path) -> dict[str, Any]:
    """Search once, and return what it cost."""
    import fastnet
    from fastnet.tuning import run_study
    from fastnet.tuning.run import remote

    workload = WORKLOADS[options.workload]
    dataset = workload.data()
    remote.PART_SECONDS = options.part_seconds
    config = fastnet.SearchConfig(
        trials=options.trials, train=fastnet.TrainConfig(seed=SEED, **workload.train), final=0, ensemble_top=0
    )
    inner = workers_for(options.engine, options.workers, options.trial_seconds)
    executor = None if inner is None else Metered(inner, options.weigh)
    clock, begun = Clock(), time.perf_counter()
    jobs = options.workers if inner is None else 1
    result = run_study(
        dataset, config, folder=folder, jobs=jobs, executor=executor, curves=not options.no_curves, on_progress=clock
    )
    best = result.best(1)[0]
    return {
        "best": [best.id, best.value],
        **costs(result, clock, begun, options.trials),
        **(parts_of(executor, options) if executor is not None else {}),
        "store_bytes_a_trial": bytes_of(folder) / options.trials,
    }


def costs(result: Any, clock: Clock, begun: float, trials: int) -> dict[str, float]:
    """Return rates, times and memory; the rate is from the first report of ended trials to the last."""
    (first, first_at, first_cpu, first_thread), (last, last_at, last_cpu, last_thread) = clock.at[0], clock.at[-1]
    counted = max(1, last - first)
    return {
        "rate": counted / max(last_at - first_at, 1e-9),
        "first_seconds": first_at - begun,
        "wall_seconds": result.wall_seconds,
        "compile_seconds": result.compile_seconds,
        "processor_us_a_trial": 1e6 * (last_cpu - first_cpu) / counted,
        "leader_us_a_trial": 1e6 * (last_thread - first_thread) / counted,
        "outside_us_a_trial": 1e6 * result.outside_share * (result.wall_seconds - result.compile_seconds) / trials,
        "memory_first_mb": clock.between(0.1, 0.3),
        "memory_last_mb": clock.between(0.9, 1.0),
    }


def parts_of(executor: Metered, options: Any) -> dict[str, float]:
    """Return figures about the parts: the median of those after the first ones, which are short."""
    parts = executor.parts[len(executor.parts) // 4 :]
    each = [seconds / trials for trials, seconds, _ in parts]
    found = {
        "parts": len(executor.parts),
        "part_trials": statistics.median(trials for trials, _, _ in parts),
        "part_seconds": statistics.median(seconds for _, seconds, _ in parts),
        "trial_seconds": statistics.median(each),
        "spread": statistics.stdev(each) / statistics.mean(each) if len(each) > 1 else 0.0,
        "data_bytes": executor.data_bytes,
    }
    if options.weigh:
        found["order_bytes_a_trial"] = executor.order_bytes / options.trials
        found["reply_bytes_a_trial"] = executor.reply_bytes / options.trials
    return found


def main() -> None:
    """Run from the command line."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    asked.add_argument("engine", choices=("local", "processes", "dask", "mpi", "ray", "pretended"))
    asked.add_argument("workload", choices=tuple(WORKLOADS))
    asked.add_argument("trials", type=int)
    asked.add_argument("--workers", type=int, default=2)
    asked.add_argument("--part-seconds", type=float, default=2.0)
    asked.add_argument("--trial-seconds", type=float, default=0.02, help="time of a pretended trial")
    asked.add_argument("--weigh", action="store_true", help="count the bytes of orders and replies")
    asked.add_argument("--no-curves", action="store_true", help="store no curves")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = search(options, Path(folder) / "study")
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    sys.exit(main())
