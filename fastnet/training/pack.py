"""Many networks, each with its own settings and random stream, trained together in one compiled region."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fastnet.config.training import TrainConfig
from fastnet.kernels import layout, pack, step, update, warm
from fastnet.kernels.context import FIRST_OF_TRIAL, N_PLACES, N_STATE, Job, job_row
from fastnet.kernels.step import DONE, PAUSED, PENDING
from fastnet.network.assembly import Assembly, assemble, compile_products, contexts_of, n_threads_limit, shapes_of
from fastnet.network.hyperparameters import trial_of
from fastnet.network.memory import n_bytes
from fastnet.network.samples import TrainingData
from fastnet.training.background import Background
from fastnet.training.loop import metrics_at

if TYPE_CHECKING:
    from fastnet.model.classifier import Model

Integers = npt.NDArray[np.int64]

_SETTINGS_BYTES = 600  # of a member: status, times, hyperparameters


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One network of a pack.

    Attributes
    ----------
    data : TrainingData
        From `fastnet.network.samples.prepare`; members may share it.
    config : TrainConfig
        Its seed is the key of the network's random numbers; ``epochs`` must be the same for all members.
    stream : int
        Random stream, 0 to 2**32 - 1: the number of the trial. With the seed it decides every random number of the
        network, so its result does not depend on the other members, their order or the number of threads.
    """

    data: TrainingData
    config: TrainConfig
    stream: int

    @property
    def kind(self) -> tuple[object, ...]:
        """What members must have in common to share a context."""
        config = self.config
        return (id(self.data), config.hidden, config.activation, config.init, config.optimizer, config.batch_size)

    @property
    def cost(self) -> float:
        """Multiplications of one epoch, in an unknown but common unit."""
        spec = self.config.network(self.data.n_features, self.data.n_outputs)
        return float(spec.n_parameters) * self.data.n_train


def alike(data: TrainingData, config: TrainConfig, streams: Iterable[int], **searched: Sequence[float]) -> list[Member]:
    """Make members that differ by their streams and by some hyperparameters.

    Examples
    --------
    >>> [m.config.learning_rate for m in alike(None, TrainConfig(), [0, 1], learning_rate=[0.1, 0.2])]
    [0.1, 0.2]
    """
    rows: list[dict[str, float]] = [
        dict(zip(searched, row, strict=True)) for row in zip(*searched.values(), strict=True)
    ]
    numbers = list(streams)
    return [
        Member(data, replace(config, **row), int(stream))  # type: ignore[arg-type]
        for stream, row in zip(numbers, rows or [{}] * len(numbers), strict=True)
    ]


class PackRun(Background):
    """Train networks in the background, one thread a network.

    Parameters
    ----------
    members : sequence of Member
        T networks, of any architectures, all with the same number of epochs.
    jobs : int
        Threads, at least 1; more than Numba was started with, or than networks, count as that.
    assemblies : dict, optional
        Compiled architectures by `Member.kind`, added to; give the same one to packs that follow each other.
    keep : bool
        Whether the parameters of networks that trained to their last epoch are kept, for `parameters` and `model`:
        as many floats a network as it has weights and optimizer states.

    Attributes
    ----------
    curves : (T, 4, epochs) float32
        Training loss and score, validation loss and score; NaN from the epoch on that was not finished. The
        training loss is the mean over the epoch as it was met, dropout included; the others are measured after it.
    epochs_done : (T,) int64
        Finished epochs of each network.
    seconds : (T,) float64
        Wall time of each network on its thread.
    compiled_seconds : float
        Wall time inside compiled code, so far or in all.

    Examples
    --------
    >>> import numpy as np, fastnet
    >>> from fastnet.network.samples import prepare
    >>> digits = fastnet.take_first(fastnet.load("mnist5k"), 100)
    >>> parts = fastnet.split(digits.y)
    >>> data = prepare(digits, parts)
    >>> config = fastnet.TrainConfig(hidden=(16,), epochs=2)
    >>> run = PackRun(alike(data, config, range(3), learning_rate=[0.1, 0.01, 0.001]), jobs=1)
    >>> run.start(); run.join(); run.status.tolist()
    [1, 1, 1]
    """

    def __init__(
        self,
        members: Sequence[Member],
        jobs: int,
        assemblies: dict[tuple[object, ...], Assembly] | None = None,
        *,
        keep: bool = False,
    ) -> None:
        super().__init__()
        n_trials = len(members)
        known = {} if assemblies is None else assemblies
        self._members = members
        self._keeps = keep
        kinds = [member.kind for member in members]
        first_of = dict(zip(reversed(kinds), reversed(members), strict=True))
        places = {kind: place for place, kind in enumerate(dict.fromkeys(kinds))}
        for kind in places:
            if kind not in known:
                known[kind] = assemble(first_of[kind].config, first_of[kind].data, parallel=False)
        self._assemblies = [known[kind] for kind in places]
        costs = {kind: member.cost for kind, member in first_of.items()}
        self._costs = np.array([costs[kind] for kind in kinds])
        self._kinds = np.array([places[kind] for kind in kinds], np.int64)
        threads = max(1, min(jobs, n_threads_limit(), n_trials))
        self._contexts, self._works = contexts_of(self._assemblies, threads)
        self._control = np.zeros(2, np.int64)
        epochs = members[0].config.epochs if members else 0
        # The kernels keep what has epochs left to train, so there is one more, that never is, where all is to be kept.
        self._curves = np.full((n_trials, 4, epochs + keep), np.nan, np.float32)
        self.curves = self._curves[:, :, :epochs]
        self.score_sign = members[0].data.score_sign if members else 1.0
        self.epochs_done = np.zeros(n_trials, np.int64)
        self._status = np.full(n_trials, PENDING, np.int64)
        self.seconds = np.zeros(n_trials)
        self._settle(members)
        self._kept: dict[int, npt.NDArray[np.float32]] = {}
        self._seen = np.zeros(n_trials, np.bool_)
        self._spent = self._began = self._ended = 0.0

    def _settle(self, members: Sequence[Member]) -> None:
        """Write down the hyperparameters of every network as its context wants them."""
        n_trials, depth = len(members), max((len(member.config.hidden) + 1 for member in members), default=1)
        settings = [trial_of(member.config, member.stream) for member in members]
        self._trials = np.zeros((n_trials, N_PLACES - FIRST_OF_TRIAL), np.int64)
        # One assignment a field and not `fill` for each trial, which took 25 microseconds.
        for place, values in enumerate(zip(*(of_trial.trial for of_trial in settings), strict=True)):
            kind = np.float64 if isinstance(values[0], float) else np.uint64
            self._trials[:, place] = np.array(values, kind).view(np.int64)
        self._hypers = np.zeros((n_trials, 2, update.N_HYPER), np.float32)
        self._dropouts = np.zeros((n_trials, depth, 3))
        for t, of_trial in enumerate(settings):
            self._hypers[t] = of_trial.hyper
            self._dropouts[t, : len(of_trial.dropout)] = of_trial.dropout
        self._states = np.zeros((n_trials, N_STATE))

    @property
    def status(self) -> Integers:
        """(T,) int64: 0 pending, 1 done, 2 diverged, 3 stopped, 4 waiting for more epochs."""
        status = self._status.copy()  # before the epochs, which are written first
        status[(status == PAUSED) & (self.epochs_done == self.curves.shape[2])] = DONE
        return status

    def start(self, which: Integers | None = None, end: int | None = None) -> None:
        """Begin in the background.

        Parameters
        ----------
        which : (R,) int64, optional
            Positions of the networks to train, all of them if left out; of the others nothing is kept.
        end : int, optional
            The epoch to stop before; all epochs if left out. Those that have more to train wait with status 4, and a
            second call goes on with them.
        """
        which = np.arange(len(self._status)) if which is None else which
        last = self.curves.shape[2]
        end = last if end is None else end
        first = int(self.epochs_done[which[0]]) if len(which) else 0
        self._make_room(which, again=end < last or self._keeps)
        costliest = which[np.argsort(-self._costs[which], kind="stable")]
        addresses = np.zeros(len(self._status), np.int64)
        for t, buffer in self._kept.items():
            addresses[t] = buffer.ctypes.data
        self._status[which] = PENDING
        self._seen[which] = False
        self._control[pack.NEXT] = 0
        self._spent, self._began, self._ended = self.compiled_seconds, 0.0, 0.0
        self._job = Job(
            costliest, self._kinds, self._trials, self._hypers, self._dropouts, self._states, addresses, self._control,
            self._curves, self.seconds, self.epochs_done, self._status, pack.initialise_stage(), first, end,
        )  # fmt: skip
        self.begin(len(self._contexts), self._run)

    def _make_room(self, which: Integers, *, again: bool) -> None:
        """Give up the parameters of the other networks, and have room for those of these if they are wanted `again`."""
        wanted = set(which.tolist())
        self._kept = {t: buffer for t, buffer in self._kept.items() if t in wanted}
        for t in wanted - self._kept.keys() if again else ():
            self._kept[t] = layout.aligned(self._works[0][self._kinds[t]].params.size)

    def _run(self) -> None:
        self._began = time.perf_counter()
        try:
            pack.run(self._contexts, pack.worker_stage(), job_row(self._job))
        finally:
            self._ended = time.perf_counter()

    def finished(self) -> Integers:
        """Positions of the networks that ended, or came to wait, since the last call, in any order."""
        ended = np.flatnonzero((self._status != PENDING) & ~self._seen)
        self._seen[ended] = True
        return ended

    def stop(self) -> None:
        """Ask every thread to end before its next step; networks under way count as stopped. Harmless at any time."""
        self._control[pack.STOP] = 1
        super().stop()

    def parameters(self, t: int) -> npt.NDArray[np.float32]:
        """Return the weights and biases of a network as the last call of `start` left them.

        Parameters
        ----------
        t : int
            Position of a network that was among those of the last call, and has status 4, or 1 in a pack that keeps.

        Returns
        -------
        (n_parameters,) float32
            Laid out as `fastnet.kernels.layout` says; overwritten when the network trains on.
        """
        return self._kept[t][: self._layout(t).n_parameters]

    def model(self, t: int, parameters: npt.NDArray[np.float32] | None = None, epoch: int | None = None) -> Model:
        """Return a network as a model.

        Parameters
        ----------
        t : int
            Its position.
        parameters : (n_parameters,) float32, optional
            What `parameters` gave, now or earlier; what it gives now if left out.
        epoch : int, optional
            After which epoch that was, from 1; the last one that was trained if left out.
        """
        from fastnet.model.classifier import trained_model

        metrics = metrics_at(self.curves[t], int(self.epochs_done[t]), epoch)
        flat = self.parameters(t) if parameters is None else parameters
        member = self._members[t]
        return trained_model(member.config, member.data, self._layout(t).table, flat, metrics)

    def _layout(self, t: int) -> layout.Layout:
        plan: layout.Layout = self._assemblies[self._kinds[t]].layout
        return plan

    @property
    def compiled_seconds(self) -> float:
        """Seconds inside compiled code."""
        if not self._began:
            return self._spent
        return self._spent + (self._ended or time.perf_counter()) - self._began


def footprint(members: Sequence[Member], threads: int, *, waiting: bool) -> int:
    """Tell how many bytes of memory a pack takes: workspaces, curves, and weights of networks that wait for others.

    Parameters
    ----------
    members : sequence of Member
        At least one.
    threads : int
        That many networks train at a time.
    waiting : bool
        Whether all of them wait at a rung with their weights kept.
    """
    counts: dict[tuple[object, ...], tuple[Member, int]] = {}
    for member in members:
        counts[member.kind] = (member, counts.get(member.kind, (member, 0))[1] + 1)
    shapes = [(shapes_of(member.config, member.data, parallel=False), count) for member, count in counts.values()]
    largest = {name: max(n_bytes(*needs[name]) for needs, _ in shapes) for name in shapes[0][0]}
    kept = sum(count * n_bytes(*needs["params"]) for needs, count in shapes) if waiting else 0
    epochs = members[0].config.epochs
    return threads * sum(largest.values()) + kept + len(members) * (16 * epochs + _SETTINGS_BYTES)


def threads_within(members: Sequence[Member], threads: int, memory: int, *, waiting: bool) -> tuple[int, int]:
    """Return how many of some networks can train at a time in so much memory.

    Parameters
    ----------
    members : sequence of Member
        At least one.
    threads : int
        More than these are not wanted.
    memory : int
        Bytes.
    waiting : bool
        As for `footprint`.

    Returns
    -------
    threads, needed : int
        0 threads where not even one network at a time fits; the bytes that the threads, or that one, would need.
    """
    needed = footprint(members, threads, waiting=waiting)
    if needed <= memory:
        return threads, needed
    one = footprint(members, 1, waiting=waiting)
    if one > memory:
        return 0, one
    each = footprint(members, 2, waiting=waiting) - one
    threads = min(threads, 1 + (memory - one) // each)
    return threads, one + (threads - 1) * each


def warm_up(config: TrainConfig, data: TrainingData) -> float:
    """Compile, or load from the cache, all that a pack of this architecture needs; return the seconds it took.

    Parameters
    ----------
    config : TrainConfig
        Its architecture, batch size, optimizer and initial values.
    data : TrainingData
        From `fastnet.network.samples.prepare`.
    """
    clock = time.perf_counter()
    with warm.second_half():
        step.stage(step.FORWARD)
        step.stage(step.BACKWARD)
        compile_products(config, data, parallel=False)
    assemble(config, data, parallel=False)
    empty = PackRun([], jobs=1)
    empty.start()
    empty.join()
    return time.perf_counter() - clock
