"""Many networks of one architecture, each with its own hyperparameters and random stream, in one compiled region."""

from __future__ import annotations

import time
from concurrent.futures import Future

import numpy as np
import numpy.typing as npt

from fastnet import background
from fastnet.config import TrainConfig
from fastnet.kernels import pack, step, update, warm
from fastnet.kernels.context import FIRST_OF_TRIAL, N_PLACES, fill
from fastnet.kernels.step import PENDING
from fastnet.network import Integers, TrainingData, assemble, compile_products, n_threads_limit, trial_of

Curves = npt.NDArray[np.float32]


class PackRun:
    """Train T networks in the background, one thread a network.

    Parameters
    ----------
    data : TrainingData
        From `fastnet.network.prepare`.
    config : TrainConfig
        Everything that `hyper` does not give; its seed is the key of every trial's random numbers.
    streams : (T,) int64
        Random stream of each network: its number in the study. The result of a network depends on its stream and
        hyperparameters alone, not on the others, the order or the number of threads.
    hyper : dict of str to (T,) float64
        Values per network of learning_rate, weight_decay, dropout, momentum, beta1 or beta2.
    jobs : int
        Threads, at least 1; more than Numba was started with, or than networks, count as that.

    Attributes
    ----------
    curves : (T, 4, epochs) float32
        Training loss and accuracy, validation loss and accuracy; NaN from the epoch on that was not finished. The
        training loss is the mean over the epoch as it was met, dropout included; the others are measured after it.
    status : (T,) int64
        0 pending, 1 done, 2 diverged, 3 stopped.
    seconds : (T,) float64
        Wall time of each network on its thread.
    compiled_seconds : float
        Wall time inside compiled code, so far or in all.

    Examples
    --------
    >>> import numpy as np, fastnet
    >>> from fastnet.data.preprocess import fit_scaler
    >>> from fastnet.network import prepare
    >>> digits = fastnet.take_first(fastnet.load("mnist5k"), 100)
    >>> parts = fastnet.split(digits.y)
    >>> data = prepare(digits, parts, fit_scaler(digits.x, parts.train))
    >>> config = fastnet.TrainConfig(hidden=(16,), epochs=2)
    >>> run = PackRun(data, config, np.arange(3), {"learning_rate": np.array([0.1, 0.01, 0.001])}, jobs=1)
    >>> run.start(); run.join(); run.status.tolist()
    [1, 1, 1]
    """

    def __init__(
        self,
        data: TrainingData,
        config: TrainConfig,
        streams: npt.NDArray[np.int64],
        hyper: dict[str, npt.NDArray[np.float64]],
        jobs: int,
    ) -> None:
        n_trials = len(streams)
        self._threads = max(1, min(jobs, n_threads_limit(), n_trials))
        self._assembly = assemble(config, data, parallel=False)
        self._contexts, self._works = self._assembly.contexts(self._threads)
        self._trials = np.zeros((n_trials, N_PLACES - FIRST_OF_TRIAL), np.int64)
        self._hyper = np.zeros((n_trials, 2, update.N_HYPER), np.float32)
        row = np.zeros(N_PLACES, np.int64)
        for t, stream in enumerate(streams):
            searched = {name: float(values[t]) for name, values in hyper.items()}
            trial, self._hyper[t] = trial_of(config, int(stream), **searched)
            fill(row, trial)
            self._trials[t] = row[FIRST_OF_TRIAL:]
        self._control = np.zeros(2, np.int64)
        self.curves = np.full((n_trials, 4, config.epochs), np.nan, np.float32)
        self._epochs_done = np.zeros(n_trials, np.int64)
        self.status = np.full(n_trials, PENDING, np.int64)
        self.seconds = np.full(n_trials, np.nan)
        self._seen = np.zeros(n_trials, np.bool_)
        self._future: Future[None] | None = None
        self._began = self._ended = 0.0

    def start(self) -> None:
        """Begin in the background; to be called once."""
        self._future = background.submit(self._threads, self._run)

    def _run(self) -> None:
        self._began = time.perf_counter()
        try:
            pack.train_pack(
                self._contexts, pack.initialise_stage(), self._trials, self._hyper, self._control, self.curves,
                self.seconds, self._epochs_done, self.status,
            )  # fmt: skip
        finally:
            self._ended = time.perf_counter()

    def running(self) -> bool:
        """Whether it still works."""
        return self._future is not None and not self._future.done()

    def finished(self) -> Integers:
        """Positions of the networks that ended since the last call, in any order."""
        ended = np.flatnonzero((self.status != PENDING) & ~self._seen)
        self._seen[ended] = True
        return ended

    def stop(self) -> None:
        """Ask every thread to end before its next step; networks under way count as stopped. Harmless at any time."""
        self._control[pack.STOP] = 1

    def join(self) -> None:
        """Wait until it has ended, and raise what went wrong in it; harmless before `start`."""
        if self._future is not None:
            self._future.result()

    @property
    def compiled_seconds(self) -> float:
        """Seconds inside compiled code."""
        if not self._began:
            return 0.0
        return (self._ended or time.perf_counter()) - self._began


def warm_up(config: TrainConfig, data: TrainingData) -> float:
    """Compile, or load from the cache, all that a pack of this architecture needs; return the seconds it took.

    Parameters
    ----------
    config : TrainConfig
        Its architecture, batch size, optimizer and initial values.
    data : TrainingData
        From `fastnet.network.prepare`.
    """
    clock = time.perf_counter()
    with warm.second_half():
        step.stage(step.FORWARD)
        step.stage(step.BACKWARD)
        compile_products(config, data, parallel=False)
    empty = PackRun(data, config, np.zeros(0, np.int64), {}, jobs=1)
    empty.start()
    empty.join()
    return time.perf_counter() - clock
