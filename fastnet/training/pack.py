"""Packs: many networks, each with its own settings and random stream, trained together in one compiled region."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from fastnet.config.metric import DEFAULT_METRIC, METRICS, score_of_objective
from fastnet.config.training import TrainConfig
from fastnet.kernels import layout, pack, step, update, warm
from fastnet.kernels.context import FIRST_OF_TRIAL, N_PLACES, N_STATE, POWER1, POWER2, Job, job_row
from fastnet.kernels.step import DONE, PAUSED, PENDING
from fastnet.network.assembly import Assembly, assemble, compile_products, contexts_of, n_threads_limit, shapes_of
from fastnet.network.hyperparameters import trial_of
from fastnet.network.memory import n_bytes
from fastnet.network.samples import TrainingData
from fastnet.training.background import Background
from fastnet.training.loop import curve_row, metrics_at

if TYPE_CHECKING:
    from fastnet.model.classifier import Model

Integers = npt.NDArray[np.int64]


class Kept(NamedTuple):
    """What a network needs to go on: its parameters with the optimizer's states, and its other state.

    `parameters` is (1 + states, P) float32, `state` (N_STATE,) float64, see `fastnet.kernels.context.Work`.
    """

    parameters: npt.NDArray[np.float32]
    state: npt.NDArray[np.float64]

    def with_fresh_optimizer(self) -> Kept:
        """Return the same network with its optimizer as it was at the start."""
        parameters, state = self.parameters.copy(), self.state.copy()
        parameters[1:] = 0.0
        state[[POWER1, POWER2]] = 1.0
        return Kept(parameters, state)


class Stopping(NamedTuple):
    """When a network of a pack stops early, and which of its weights it keeps.

    Attributes
    ----------
    curve : str
        Field of `fastnet.training.loop.LearningCurves` that decides.
    sign : float
        1 if a higher value is better, -1 if a lower one is.
    tolerance : float
        By how much an epoch must be better to end the waiting.
    at_best : bool
        Whether the network keeps the parameters of its best epoch, or those of its last.
    """

    curve: str
    sign: float
    tolerance: float = 0.0
    at_best: bool = True

    @staticmethod
    def by(metric: str) -> Stopping:
        """Return the rule by a metric on the validation samples.

        Examples
        --------
        >>> Stopping.by("loss")
        Stopping(curve='validation_loss', sign=-1.0, tolerance=0.0, at_best=True)
        """
        found = METRICS[metric]
        return Stopping(found.curve, found.sign)


_SETTINGS_BYTES = 632  # per member: status, times, hyperparameters


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
        Random stream, 0 to 2**32 - 1: the number of the trial. Together with the seed it determines every random number
        of the network, so the result does not depend on other members, their order or the number of threads.
    """

    data: TrainingData
    config: TrainConfig
    stream: int

    @property
    def kind(self) -> tuple[object, ...]:
        """What members must have in common to share a context."""
        config = self.config
        shape = config.hidden, config.heads, config.activation, config.init
        return (id(self.data), *shape, config.optimizer, config.batch_size)

    @property
    def cost(self) -> float:
        """Multiplications of one epoch, up to a common factor.

        Those of sparse data are fewer, but their time follows the weights that are read, too: with 20,000 features, 8
        of them other than 0, an epoch took 104 to 152 ns for each parameter of 128, 128x2, 256x2 and 512x2.
        """
        spec = self.config.network(self.data.n_inputs, self.data.n_outputs)
        first = (spec.n_inputs + 1) * spec.sizes[1]
        return float(first + spec.heads * (spec.n_parameters - first)) * self.data.n_train


def alike(data: TrainingData, config: TrainConfig, streams: Iterable[int], **searched: Sequence[float]) -> list[Member]:
    """Make members that differ in their streams and in some hyperparameters.

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
    """Networks that train in the background, each on one thread.

    Parameters
    ----------
    members : sequence of Member
        T networks, of any architectures, all with the same number of epochs.
    jobs : int
        Threads, at least 1, limited by the number of networks and by what Numba was started with.
    assemblies : dict, optional
        Compiled architectures by `Member.kind`, to which new ones are added; share it between successive packs.
    keep : bool
        Whether to keep the parameters and optimizer states of networks that reach their last epoch, for `parameters`
        and `model`.
    stop_by : str or Stopping, optional
        Metric on the validation samples that decides about the best epoch of each network and ends its training after
        the ``early_stopping`` of its configuration, with status 1; what is kept are the parameters of its best epoch.
        Or another rule, with which networks that ended are kept when others go on. By default networks train to the
        last epoch.

    Attributes
    ----------
    objective : str
        What the networks learn.
    epochs_done : (T,) int64
        Finished epochs of each network.
    seconds : (T,) float64
        Wall time of each network on its thread.

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
        stop_by: str | Stopping | None = None,
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
        # The kernels keep networks with epochs left to train; to keep all, there is one more that is never trained.
        self._curves = np.full((n_trials, 4, epochs + keep), np.nan, np.float32)
        self._epochs = epochs
        self.objective = members[0].data.objective if members else "cross-entropy"
        self.epochs_done = np.zeros(n_trials, np.int64)
        self._status = np.full(n_trials, PENDING, np.int64)
        self.seconds = np.zeros(n_trials)
        self._settle(members)
        self._stop_by = stop_by if isinstance(stop_by, Stopping) else Stopping.by(stop_by or DEFAULT_METRIC)
        patience = [member.config.early_stopping or 0 for member in members]
        self._keeps_ended = isinstance(stop_by, Stopping)
        self._patience = np.array(patience if stop_by else [0] * n_trials, np.int64)
        self._best_epochs = np.zeros(n_trials, np.int64)
        self._stalled = np.zeros(n_trials, np.int64)
        at_best = keep and self._stop_by.at_best
        self._best = {t: self._room_for_best(t) for t in np.flatnonzero(self._patience).tolist() if at_best}
        self._kept: dict[int, npt.NDArray[np.float32]] = {}
        self._seen = np.zeros(n_trials, np.bool_)
        self._spent = self._began = self._ended = 0.0

    def _settle(self, members: Sequence[Member]) -> None:
        """Write the hyperparameters of every network in the form of its context."""
        n_trials, depth = len(members), max((len(member.config.hidden) + 1 for member in members), default=1)
        settings = [trial_of(member.config, member.stream) for member in members]
        self._trials = np.zeros((n_trials, N_PLACES - FIRST_OF_TRIAL), np.int64)
        # One assignment per field; calling `fill` for each trial took 25 microseconds.
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
    def curves(self) -> npt.NDArray[np.float32]:
        """(T, 4, epochs) float32: training loss and score, validation loss and score, as `TrainingData.in_units`.

        They are NaN from the first unfinished epoch on. The training loss is the mean over the epoch's batches, dropout
        included; the others are measured after the epoch.
        """
        measured = self._curves[:, :, : self._epochs]
        if not score_of_objective(self.objective).in_units:
            return measured
        places: dict[int, list[int]] = {}  # of the networks that learn from the same data
        for t, member in enumerate(self._members):
            places.setdefault(id(member.data), []).append(t)
        converted = measured.copy()
        for of_data in places.values():
            converted[of_data] = self._members[of_data[0]].data.in_units(measured[of_data])
        return converted

    @property
    def status(self) -> Integers:
        """(T,) int64: 0 pending, 1 done, 2 diverged, 3 stopped, 4 waiting for more epochs."""
        status = self._status.copy()  # read before the epochs, which the kernels write first
        status[(status == PAUSED) & (self.epochs_done == self._epochs)] = DONE
        return status

    def start(self, which: Integers | None = None, end: int | None = None) -> None:
        """Begin training in the background.

        Parameters
        ----------
        which : (R,) int64, optional
            Positions of the networks to train, by default all; the parameters of the others are dropped.
        end : int, optional
            The last epoch of this call, by default that of the training. Networks with epochs left wait with status 4,
            and the next call continues them.
        """
        which = np.arange(len(self._status)) if which is None else which
        last = self._epochs
        end = last if end is None else end
        first = int(self.epochs_done[which[0]]) if len(which) else 0
        self._make_room(which, again=end < last or self._keeps)
        costliest = which[np.argsort(-self._costs[which], kind="stable")]
        addresses, best = self._addresses(self._kept), self._addresses(self._best)
        self._status[which] = PENDING
        self._seen[which] = False
        self._control[pack.NEXT] = 0
        self._spent, self._began, self._ended = self.compiled_seconds, 0.0, 0.0
        self._job = Job(
            costliest, self._kinds, self._trials, self._hypers, self._dropouts, self._states, addresses, self._control,
            self._curves, self.seconds, self.epochs_done, self._status, self._patience, self._best_epochs, best,
            self._stalled, pack.initialise_stage(), first, end, curve_row(self._stop_by.curve), self._stop_by.sign,
            self._stop_by.tolerance,
        )  # fmt: skip
        self.begin(len(self._contexts), self._run)

    def carry_on(self, earlier: Sequence[Kept], epochs: int) -> None:
        """Let all networks go on from what `kept_of` returned of earlier ones, as if they had trained some epochs.

        They must not have begun. `epochs`, at least 1, are those that count as done.
        """
        self._make_room(np.arange(len(earlier)), again=True)
        for t, before in enumerate(earlier):
            self._kept[t][: before.parameters.size] = before.parameters.ravel()
            self._states[t] = before.state
        self.epochs_done[:] = epochs

    def has_best(self, t: int) -> bool:
        """Whether a network keeps the parameters of its best epoch, even if it diverged later."""
        return t in self._best and self._best_epochs[t] > 0

    def kept_of(self, t: int) -> Kept:
        """Return a copy of what a network needs to go on, with the weights that `parameters` returns."""
        rows, columns = self._works[0][self._kinds[t]].params.shape
        parameters = self._kept[t][: rows * columns].reshape(rows, columns).copy()
        if t in self._best:
            parameters[0] = self._best[t]
        return Kept(parameters, self._states[t].copy())

    def set_rate(self, learning_rate: float) -> None:
        """Go on with another learning rate at the next `start`; not with a schedule of the configuration."""
        self._hypers[:, :, update.LEARNING_RATE] = learning_rate

    def _make_room(self, which: Integers, *, again: bool) -> None:
        """Drop the parameters of the other networks, and make room for those of these if they are wanted `again`."""
        wanted = set(which.tolist())
        if self._keeps_ended:
            wanted |= self._kept.keys() & set(np.flatnonzero(self._status == DONE).tolist())
        self._kept = {t: buffer for t, buffer in self._kept.items() if t in wanted}
        for t in set(which.tolist()) - self._kept.keys() if again else ():
            self._kept[t] = layout.aligned(self._works[0][self._kinds[t]].params.size)

    def _room_for_best(self, t: int) -> npt.NDArray[np.float32]:
        buffer: npt.NDArray[np.float32] = layout.aligned(self._works[0][self._kinds[t]].params.shape[1])
        return buffer

    def _addresses(self, buffers: dict[int, npt.NDArray[np.float32]]) -> Integers:
        addresses = np.zeros(len(self._status), np.int64)
        for t, buffer in buffers.items():
            addresses[t] = buffer.ctypes.data
        return addresses

    def _run(self) -> None:
        self._began = time.perf_counter()
        try:
            pack.run(self._contexts, pack.worker_stage(), job_row(self._job))
        finally:
            self._ended = time.perf_counter()

    def finished(self) -> Integers:
        """Return the positions of the networks that ended or began to wait since the last call, in any order."""
        ended = np.flatnonzero((self._status != PENDING) & ~self._seen)
        self._seen[ended] = True
        return ended

    def stop(self) -> None:
        """Ask every thread to end before its next step; networks in training count as stopped. Safe at any time."""
        self._control[pack.STOP] = 1
        super().stop()

    def parameters(self, t: int) -> npt.NDArray[np.float32]:
        """Return the weights and biases of a network, (n_parameters,) float32, which further training overwrites.

        The network must be among those of the last `start` and have status 4, or 1 if the pack keeps its networks. If
        they may stop early, these are the parameters of its best epoch. The layout is that of `fastnet.kernels.layout`.
        """
        buffer = self._best[t] if t in self._best else self._kept[t]
        return buffer[: self._layout(t).n_parameters]

    def model(self, t: int, parameters: npt.NDArray[np.float32] | None = None, epoch: int | None = None) -> Model:
        """Return a network as a model, with `parameters` that it had after an epoch, by default those it keeps."""
        from fastnet.model.classifier import trained_model

        if parameters is None and t in self._best:
            epoch = int(self._best_epochs[t])
        data = self._members[t].data
        curves = data.in_units(self._curves[t])
        metrics = metrics_at(curves, int(self.epochs_done[t]), epoch, data.score.name)
        if t in self._best:
            metrics["best_epoch"] = int(self._best_epochs[t])
        flat = self.parameters(t) if parameters is None else parameters
        return trained_model(self._members[t].config, data, self._layout(t).table, flat, metrics)

    def _layout(self, t: int) -> layout.Layout:
        plan: layout.Layout = self._assemblies[self._kinds[t]].layout
        return plan

    @property
    def compiled_seconds(self) -> float:
        """Wall time inside compiled code, so far or in total."""
        if not self._began:
            return self._spent
        return self._spent + (self._ended or time.perf_counter()) - self._began


def footprint(members: Sequence[Member], threads: int, *, waiting: bool, best: bool = False) -> int:
    """Return the bytes of memory of a pack.

    These are workspaces, curves, weights if all networks are `waiting` at a rung, and those of their `best` epochs if
    kept.
    """
    counts: dict[tuple[object, ...], tuple[Member, int]] = {}
    for member in members:
        counts[member.kind] = (member, counts.get(member.kind, (member, 0))[1] + 1)
    shapes = [(shapes_of(member.config, member.data, parallel=False), count) for member, count in counts.values()]
    largest = {name: max(n_bytes(*needs[name]) for needs, _ in shapes) for name in shapes[0][0]}
    kept = sum(count * n_bytes(*needs["params"]) for needs, count in shapes) if waiting else 0
    if best:
        kept += sum(count * n_bytes(needs["params"][0][1:], needs["params"][1]) for needs, count in shapes)
    epochs = members[0].config.epochs
    return threads * sum(largest.values()) + kept + len(members) * (16 * epochs + _SETTINGS_BYTES)


def threads_within(
    members: Sequence[Member], threads: int, memory: int, *, waiting: bool, best: bool = False
) -> tuple[int, int]:
    """Return how many threads, at most the given number, fit into some bytes of memory, and the bytes they need.

    If not even one fits, the result is 0 threads and the bytes of one.
    """
    needed = footprint(members, threads, waiting=waiting, best=best)
    if needed <= memory:
        return threads, needed
    one = footprint(members, 1, waiting=waiting, best=best)
    if one > memory:
        return 0, one
    each = footprint(members, 2, waiting=waiting, best=best) - one
    threads = min(threads, 1 + (memory - one) // each)
    return threads, one + (threads - 1) * each


def warm_up(config: TrainConfig, data: TrainingData) -> float:
    """Compile, or load from the cache, all that a pack of this architecture needs; return the seconds it took."""
    clock = time.perf_counter()
    with warm.second_half(data.objective, data.weights is not None):
        step.stage(step.FORWARD)
        step.stage(step.BACKWARD)
        compile_products(config, data, parallel=False)
    assemble(config, data, parallel=False)
    empty = PackRun([], jobs=1)
    empty.start()
    empty.join()
    return time.perf_counter() - clock
