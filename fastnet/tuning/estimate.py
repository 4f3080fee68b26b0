"""What a search will need before it runs: memory of its packs, epochs to train, and the time that they take."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fastnet.config import SearchConfig, TrainConfig
from fastnet.errors import ConfigError

if TYPE_CHECKING:
    from fastnet.network import Assembly, TrainingData
    from fastnet.tuning.engine import Run

MEASURE_SECONDS = 2.0
"""Time that is measured where trials are short; a trial of the book takes 0.2 s."""
LONGEST_MEASURE = 20.0
"""Time after which an epoch that is still not over is no longer waited for."""

_POLL_SECONDS = 0.02
_PENDING = 0  # of `Run.status`


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory that trials of one architecture take, in bytes.

    Parameters
    ----------
    thread : int
        Workspace of a thread: weights, optimizer states, activations, gradients, lists.
    kept : int
        Weights and optimizer states of a trial that waits for others at a rung.
    recorded : int
        Curves and settings of a trial of the pack.

    Examples
    --------
    >>> needs = Footprint(thread=1000, kept=100, recorded=10)
    >>> needs.pack(trials=5, threads=2), needs.pack(trials=5, threads=2, waiting=True)
    (2050, 2550)
    """

    thread: int
    kept: int
    recorded: int

    def pack(self, trials: int, threads: int, *, waiting: bool = False) -> int:
        """Bytes of a pack of so many trials; `waiting` says that their weights are kept between rungs."""
        each = self.recorded + (self.kept if waiting else 0)
        return threads * self.thread + trials * each

    def trials_within(self, memory: int, threads: int, *, waiting: bool = False) -> tuple[int, int]:
        """Tell how many trials, on how many threads, fit into `memory` bytes at a time.

        Threads are given up before a pack could not run at all.

        Raises
        ------
        ConfigError
            If a single trial does not fit.

        Examples
        --------
        >>> needs = Footprint(thread=1000, kept=100, recorded=10)
        >>> needs.trials_within(2550, 2, waiting=True), needs.trials_within(1500, 2, waiting=True)
        ((5, 2), (4, 1))
        """
        least = self.pack(1, 1, waiting=waiting)
        if memory < least:
            raise ConfigError(
                f"memory={_mebibytes(memory, up=False)}: one trial of this network needs {_mebibytes(least)}; "
                "allow at least that, or choose smaller layers or batches"
            )
        each = self.recorded + (self.kept if waiting else 0)
        threads = max(1, min(threads, (memory - each) // self.thread))
        return (memory - threads * self.thread) // each, threads


def footprint(assembly: Assembly, epochs: int) -> Footprint:
    """Tell what trials of an architecture take, from `fastnet.network.assemble`.

    Parameters
    ----------
    assembly : Assembly
        Of the architecture on its data, ``parallel=False``.
    epochs : int
        Length of a trial's curves.
    """
    _, [work] = assembly.contexts(1)
    return Footprint(
        thread=sum(array.nbytes for array in work),
        kept=work.params.nbytes + work.state.nbytes,
        recorded=4 * 4 * epochs + work.hyper.nbytes + 160,  # 160: status, times and what tells trials apart
    )


def resident_memory() -> int | None:
    """Bytes of memory that this process has in use; what it had at most where the system tells no better, else None.

    Examples
    --------
    >>> used = resident_memory()
    >>> used is None or used > 1_000_000
    True
    """
    try:
        import resource
    except ImportError:  # Windows
        return None
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        import sys

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return pages * resource.getpagesize()


def rungs(config: SearchConfig, trials: int) -> list[tuple[int, int]]:
    """Tell how many of a pack's trials train up to which epoch: one pair per rung, the last one being the end.

    Parameters
    ----------
    config : SearchConfig
        Its pruning, eta, first epochs and epochs.
    trials : int
        Trials of the pack.

    Examples
    --------
    >>> rungs(SearchConfig(pruning="halving"), 81)
    [(81, 2), (27, 6), (9, 18), (3, 50)]
    >>> rungs(SearchConfig(), 81)
    [(81, 50)]
    """
    last = config.train.epochs
    if config.pruning != "halving":
        return [(trials, last)]
    table = []
    epochs = config.first_epochs
    while epochs < last:
        table.append((trials, epochs))
        trials = max(1, trials // config.eta)
        epochs *= config.eta
    return [*table, (trials, last)]


def epochs_to_train(config: SearchConfig, trials: int) -> int:
    """Count the epochs that `trials` trials train in all, folds included; with median pruning, at most.

    Examples
    --------
    >>> epochs_to_train(SearchConfig(), 1000), epochs_to_train(SearchConfig(pruning="halving"), 81)
    (50000, 474)
    """
    packs, rest = divmod(trials, config.pack_size)
    total = packs * _epochs_of(rungs(config, config.pack_size)) + (_epochs_of(rungs(config, rest)) if rest else 0)
    return total * (config.folds or 1)


def _epochs_of(table: Sequence[tuple[int, int]]) -> int:
    steps = pairwise([(0, 0), *table])
    return sum(trials * (epochs - before) for (_, before), (trials, epochs) in steps)


def flops_per_epoch(sizes: Sequence[int], n_train: int, n_validation: int) -> int:
    """Count the multiplications and additions of one epoch with its evaluations, no zero left out.

    Parameters
    ----------
    sizes : sequence of int
        Widths of all layers, input and output included.
    n_train, n_validation : int
        Samples of the two parts.

    Examples
    --------
    >>> round(50 * flops_per_epoch((784, *[100] * 6, 10), 400, 100) / 1e9, 1)
    18.9
    """
    products = [2 * n_in * n_out for n_in, n_out in pairwise(sizes)]
    training = 3 * sum(products) - products[0]  # the samples need no gradient
    return n_train * training + (n_train + n_validation) * sum(products)


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast the first trials of a search trained.

    Parameters
    ----------
    epochs : float
        Epochs that were trained, those under way counted as half.
    seconds : float
        Time that it took on all threads.
    finished : int
        Epochs that came to their end; 0 says that `epochs` is no more than a guess from above.
    memory : int or None
        Bytes that the process had in use meanwhile, see `resident_memory`.
    """

    epochs: float
    seconds: float
    finished: int
    memory: int | None

    @property
    def epochs_per_second(self) -> float:
        """Epochs a second, of all threads together."""
        return self.epochs / self.seconds


def measure(
    data: TrainingData,
    config: TrainConfig,
    hyper: Mapping[str, npt.NDArray[np.float64]],
    threads: int,
    *,
    seconds: float = MEASURE_SECONDS,
    should_stop: Callable[[], bool] = lambda: False,
) -> Speed:
    """Train the first trials of a search for a moment and see how fast it goes.

    Parameters
    ----------
    data : TrainingData
        From `fastnet.network.prepare`.
    config : TrainConfig
        What is not searched.
    hyper : mapping of str to (T,) float64
        The values of the first T trials.
    threads : int
        Threads of the search.
    seconds : float
        Time to measure; longer, up to `LONGEST_MEASURE`, until each thread has finished an epoch.
    should_stop : callable
        Asked all the time; once it returns True the measurement ends.

    Notes
    -----
    Trials whose loss leaves the finite numbers end early, in the measurement as in the search: all of their epochs
    count as trained.
    """
    from fastnet.packs import PackRun

    n_trials = len(next(iter(hyper.values()), np.zeros(threads)))
    run = PackRun(data, config, np.arange(n_trials), dict(hyper), threads)
    began = time.perf_counter()
    run.start()
    try:
        while run.running() and not should_stop():
            elapsed = time.perf_counter() - began
            if elapsed >= LONGEST_MEASURE or (elapsed >= seconds and _trained(run) >= threads):
                break
            time.sleep(_POLL_SECONDS)
        elapsed = time.perf_counter() - began
        trained, under_way = _trained(run), threads if run.running() else 0
        memory = resident_memory()
    finally:
        run.stop()
        run.join()
    return Speed(trained + under_way / 2, elapsed, trained, memory)


def _trained(run: Run) -> int:
    """Epochs that are over; a trial that diverged is over with all of its epochs."""
    ran = np.isfinite(run.curves[:, 2]).sum(axis=1)
    return int(np.where(np.asarray(run.status) == _PENDING, ran, run.curves.shape[2]).sum())


def _mebibytes(size: int, *, up: bool = True) -> str:
    """Whole KiB or MiB, rounded so that what is asked for is enough."""
    unit, name = (2**20, "M") if size >= 8 * 2**20 else (2**10, "K")
    return f"{-(-size // unit) if up else size // unit}{name}"
