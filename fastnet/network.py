"""A network made ready for the kernels: laid out, compiled, with data padded and a workspace per thread.

This is the only place that turns settings and arrays into the bundles of `fastnet.kernels.context`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastnet.config import NetworkSpec, TrainConfig
from fastnet.data.dataset import Dataset, Split
from fastnet.data.preprocess import Scaler
from fastnet.errors import ConfigError
from fastnet.kernels import (
    activation,
    affine,
    host,
    layout,
    masks,
    pack,
    packing,
    panels,
    schedule,
    sparsity,
    step,
    update,
)
from fastnet.kernels.context import (
    N_PLACES,
    N_STATE,
    SCALE,
    THRESHOLD,
    TRAIN_SCALE,
    Data,
    Net,
    Trial,
    Work,
    fill,
)  # fmt: skip
from fastnet.kernels.loss import LOG_ROWS
from fastnet.settings import format_memory

if TYPE_CHECKING:
    from fastnet.model import Model

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

RULES = {
    "sgd": update.SGD, "momentum": update.MOMENTUM, "nesterov": update.NESTEROV, "adagrad": update.ADAGRAD,
    "rmsprop": update.RMSPROP, "adam": update.ADAM, "adamw": update.ADAM,
}  # fmt: skip
SCHEDULES = {"constant": schedule.CONSTANT, "step": schedule.STEP, "cosine": schedule.COSINE}

BLOCK_ROWS = 120
"""Samples of an evaluation block on one core: two outputs of 100 wide layers (96 kB) stay in the second-level cache."""

PARALLEL_BLOCK_ROWS = 1020
"""The same where threads share the rows of a block."""

_COPY_ROWS = 8192


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """Samples as the kernels want them; built by `prepare`, shared by every network that learns from them.

    Attributes
    ----------
    x : (N, ld) float32
        Scaled features, rows padded with zeros.
    labels : (N,) int64
        Classes.
    train_rows, validation_rows : int64
        Sample numbers of the two parts, padded by one tile of repeats.
    n_features, n_classes : int
        Width of the samples and of the output.
    sparse : bool
        Whether the first layer skips zeros; then `inputs` and `pairs` list the others, see
        `fastnet.kernels.sparsity.non_zero_lists`.
    """

    x: Floats
    labels: Integers
    train_rows: Integers
    validation_rows: Integers
    n_features: int
    n_classes: int
    sparse: bool
    inputs: tuple[npt.NDArray[np.uint8], Floats, Integers]
    pairs: tuple[npt.NDArray[np.uint8], Floats, Integers]

    @property
    def n_train(self) -> int:
        """Training samples."""
        return len(self.train_rows) - host.TILE_ROWS

    def lists_pay(self, batch_size: int) -> bool:
        """Whether the first layer walks the lists of what is not zero in batches of this size."""
        return self.sparse and batch_size <= sparsity.MAX_BATCH


def prepare(dataset: Dataset, split: Split, scaler: Scaler, *, skip_zeros: bool = True) -> TrainingData:
    """Scale and pad the samples of a data set, and list what is not zero where that is little.

    Parameters
    ----------
    dataset : Dataset
        Its training part is used.
    split : Split
        Which of those samples are learnt from and which are for validation.
    scaler : Scaler
        Learnt on the training rows.
    skip_zeros : bool
        False forces the dense kernels; the results are the same bits.

    Returns
    -------
    TrainingData
    """
    x = pad_samples(dataset.x, scaler)
    features = x[:, : dataset.n_features]
    filled = np.count_nonzero(features[split.train[:_COPY_ROWS]]) / max(features[split.train[:_COPY_ROWS]].size, 1)
    sparse = bool(skip_zeros and filled <= sparsity.MAX_INPUT_DENSITY)
    kept = features if sparse else features[:0]
    return TrainingData(
        x=x,
        labels=np.array(dataset.y, np.int64),
        train_rows=_padded_rows(split.train),
        validation_rows=_padded_rows(split.validation),
        n_features=dataset.n_features,
        n_classes=dataset.n_classes,
        sparse=sparse,
        inputs=sparsity.non_zero_lists(kept, 1),
        pairs=sparsity.non_zero_lists(kept, panels.PAIR),
    )


def pad_samples(x: npt.NDArray[Any], scaler: Scaler) -> Floats:
    """Scale samples into a zeroed, aligned (N, ld) float32 buffer."""
    padded: Floats = layout.aligned((len(x), layout.leading(x.shape[1])))
    for begin in range(0, len(x), _COPY_ROWS):
        padded[begin : begin + _COPY_ROWS, : x.shape[1]] = scaler.apply(x[begin : begin + _COPY_ROWS])
    return padded


def _padded_rows(rows: npt.NDArray[np.int64]) -> Integers:
    return np.concatenate([rows, np.repeat(rows[:1], host.TILE_ROWS)]).astype(np.int64)


Shapes = dict[str, tuple[tuple[int, ...], type]]
"""Shape and element type of every array of a `Work`."""


@dataclass(frozen=True, slots=True, eq=False)
class Assembly:
    """A compiled architecture on given data, from which contexts are made."""

    layout: layout.Layout
    net: Net
    data: Data
    n_states: int

    def contexts(self, n_contexts: int, threads: int = 1) -> tuple[Integers, list[Work]]:
        """Make contexts, each with a workspace of its own for so many threads; keep the workspaces as long as they."""
        contexts, works = contexts_of([self], n_contexts, threads)
        return contexts[:, 0], [work for [work] in works]

    def shapes(self, threads: int = 1) -> Shapes:
        """Tell what a context of this architecture needs to write on."""
        return work_shapes(
            self.layout,
            n_states=self.n_states,
            n_rows=len(self.data.train_rows),
            batch_size=self.net.batch_size,
            capacity=self.net.batch_size if self.data.sparse == 1 else 0,
            threads=threads,
        )


def contexts_of(assemblies: Sequence[Assembly], n_contexts: int, threads: int = 1) -> tuple[Integers, list[list[Work]]]:
    """Make contexts for several architectures, of which only one is used at a time.

    Parameters
    ----------
    assemblies : sequence of Assembly
        The kinds of networks.
    n_contexts : int
        How many of each kind; those of one number share their memory.
    threads : int
        Threads that share the products of one context.

    Returns
    -------
    contexts : (n_contexts, kinds, N_PLACES) int64
    works : list of lists of Work
        In the same order; to be kept as long as the contexts.
    """
    contexts = np.zeros((n_contexts, len(assemblies), N_PLACES), np.int64)
    shapes = [assembly.shapes(threads) for assembly in assemblies]
    works = [share(shapes) if shapes else [] for _ in range(n_contexts)]
    for row, shared in zip(contexts, works, strict=True):
        for context, assembly, work in zip(row, assemblies, shared, strict=True):
            fill(context, assembly.net, assembly.data, work)
    return contexts, works


def work_shapes(
    plan: layout.Layout, *, n_states: int, n_rows: int, batch_size: int, capacity: int, threads: int
) -> Shapes:
    """Tell what one context writes on.

    Parameters
    ----------
    plan : Layout
        Of the network.
    n_states : int
        Optimizer states beside the parameters.
    n_rows : int
        Entries of the order of an epoch, padding included.
    batch_size : int
        Samples of a training batch.
    capacity : int
        The same where the first layer skips zeros, 0 where it does not.
    threads : int
        Threads that share this context's products.
    """
    pairs = (threads, sparsity.PAIRS_IN_BLOCK, capacity)
    scratch = host.round_up(packing.scratch_size(batch_size), host.ALIGNMENT // 4)
    return {
        "params": ((1 + n_states, plan.n_parameters), np.float32),
        "floats": ((plan.n_floats,), np.float32),
        "scratch": ((threads, scratch), np.float32),
        "bits": ((plan.n_bytes,), np.uint8),
        "lists": ((plan.n_lists,), np.uint8),
        "begins": ((plan.n_marks,), np.int64),
        "ends": ((plan.n_marks,), np.int64),
        "listed": ((len(plan.table),), np.int64),
        "samples": (pairs, np.uint16),
        "sample_values": ((*pairs, panels.PAIR), np.float32),
        "counts": (pairs[:2], np.int64),
        "order": ((n_rows,), np.int64),
        "hyper": ((2, update.N_HYPER), np.float32),
        "dropout": ((len(plan.table), 3), np.float64),
        "state": ((N_STATE,), np.float64),
    }


def share(kinds: Sequence[Shapes]) -> list[Work]:
    """Allocate one workspace as large as the largest of several needs, and return it in the shapes of each."""
    memory = {name: layout.aligned(max(n_bytes(*shapes[name]) for shapes in kinds), np.uint8) for name in Work._fields}

    def view(name: str, shape: tuple[int, ...], dtype: type) -> npt.NDArray[Any]:
        return memory[name][: n_bytes(shape, dtype)].view(dtype).reshape(shape)

    return [Work(**{name: view(name, *shapes[name]) for name in Work._fields}) for shapes in kinds]


def n_bytes(shape: tuple[int, ...], dtype: type) -> int:
    """Tell the size of an array.

    Examples
    --------
    >>> n_bytes((3, 5), np.float32)
    60
    """
    return math.prod(shape) * np.dtype(dtype).itemsize


def plan_of(config: TrainConfig, data: TrainingData, *, parallel: bool) -> tuple[int, int, layout.Layout]:
    """Lay out the network that `config` describes for `data`; return batch size, evaluation block and layout."""
    batch_size = min(config.batch_size, data.n_train)
    most = max(data.n_train, len(data.validation_rows) - host.TILE_ROWS)
    block = host.round_up(min(PARALLEL_BLOCK_ROWS if parallel else BLOCK_ROWS, most), LOG_ROWS)
    spec = config.network(data.n_features, data.n_classes)
    return batch_size, block, layout.layout(spec.sizes, max(batch_size, block), slopes=config.activation != "relu")


def shapes_of(config: TrainConfig, data: TrainingData, *, parallel: bool, threads: int = 1) -> Shapes:
    """Return what the network that `config` describes writes on, without compiling anything; see `work_shapes`."""
    batch_size, _, plan = plan_of(config, data, parallel=parallel)
    return work_shapes(
        plan,
        n_states=update.N_STATES[RULES[config.optimizer]],
        n_rows=len(data.train_rows),
        batch_size=batch_size,
        capacity=batch_size if data.lists_pay(batch_size) else 0,
        threads=threads,
    )


def does_not_fit(what: str, needed: int, room: int, smaller: str = "choose smaller layers or batches") -> ConfigError:
    """Return what is raised where more memory would be needed than the process may use.

    Examples
    --------
    >>> does_not_fit("the network needs", 2**34, 2**33)
    ConfigError('the network needs 16.0 GiB, and this process may use 8.00 GiB more: choose smaller layers or batches')
    """
    return ConfigError(
        f"{what} {format_memory(needed)}, and this process may use {format_memory(room)} more: {smaller}"
    )


def compile_products(
    config: TrainConfig, data: TrainingData, *, parallel: bool, skip_zeros: bool = True
) -> tuple[int, int, layout.Layout]:
    """Compile the microkernels that `assemble` needs; return batch size, evaluation block and layout."""
    batch_size, block, plan = plan_of(config, data, parallel=parallel)
    wanted = layout.panels_of(
        plan.table, listed_inputs=data.lists_pay(batch_size), training=True,
        listed_hidden=config.activation == "relu" and not parallel and skip_zeros,
    )  # fmt: skip
    panels.compile_panels(sorted(wanted))
    activation.stages(config.activation)
    update.compile_rule(RULES[config.optimizer])
    return batch_size, block, plan


def assemble(config: TrainConfig, data: TrainingData, *, parallel: bool, skip_zeros: bool = True) -> Assembly:
    """Lay out the network that `config` describes for `data` and compile what training it needs.

    Parameters
    ----------
    config : TrainConfig
        Its architecture, activation, initial values, optimizer and batch size matter here.
    data : TrainingData
        From `prepare`.
    parallel : bool
        Whether threads share each product (one network) or have a network each (a pack).
    skip_zeros : bool
        False keeps hidden layers from walking lists of their active inputs; the results are the same bits.
    """
    batch_size, block, plan = compile_products(config, data, parallel=parallel, skip_zeros=skip_zeros)
    rule = RULES[config.optimizer]
    net = Net(
        layers=plan.table,
        offsets=plan.offsets,
        table=panels.TABLE,
        stages=np.array([step.stage(which, parallel) for which in range(step.N_STAGES)], np.int64),
        activation=activation.stages(config.activation),
        rule=rule,
        update=int(update.ADDRESS[rule]),
        xavier=int(config.init == "xavier"),
        batch_size=batch_size,
        block=block,
        hidden_lists=int(config.activation == "relu" and not parallel and skip_zeros),
    )
    return Assembly(plan, net, _bundle(data, plan.n_rows, batch_size), update.N_STATES[rule])


def worth_sharing(config: TrainConfig, data: TrainingData) -> bool:
    """Whether some product of a step is large enough for threads to share it."""
    sizes = config.network(data.n_features, data.n_classes).sizes
    largest = max(n_in * n_out for n_in, n_out in pairwise(sizes))
    return 2 * min(config.batch_size, data.n_train) * largest >= affine.PARALLEL_FLOPS


def _bundle(data: TrainingData, n_rows: int, batch_size: int) -> Data:
    return Data(
        x=data.x,
        labels=data.labels,
        sparse=int(data.lists_pay(batch_size)),
        input_lists=data.inputs[0],
        input_values=data.inputs[1],
        input_starts=data.inputs[2],
        pair_lists=data.pairs[0],
        pair_values=data.pairs[1],
        pair_starts=data.pairs[2],
        identity=np.arange(n_rows, dtype=np.int64),
        train_rows=data.train_rows,
        validation_rows=data.validation_rows,
    )


class TrialSettings(NamedTuple):
    """The hyperparameters of one network as the kernels read them.

    Attributes
    ----------
    trial : Trial
        What is copied into its context.
    hyper : (2, N_HYPER) float32
        See `fastnet.kernels.update`; row 0 for weights, row 1 for biases.
    dropout : (L, 3) float64
        A row per layer, see `fastnet.kernels.context.THRESHOLD`; that of the logits drops nothing.
    """

    trial: Trial
    hyper: Floats
    dropout: npt.NDArray[np.float64]


def trial_of(config: TrainConfig, stream: int) -> TrialSettings:
    """Turn a configuration into what the kernels read.

    Parameters
    ----------
    config : TrainConfig
        Its seed is the key of the network's random numbers.
    stream : int
        Random stream: the number of the trial, 0 for a single network.
    """
    rate, decay = float(config.learning_rate), float(config.weight_decay)
    decoupled = decay if config.optimizer == "adamw" else 0.0
    moves = config.schedule != "constant" or config.warmup_epochs > 0
    beta2 = config.rho if config.optimizer == "rmsprop" else config.beta2
    hyper = np.zeros((2, update.N_HYPER), np.float32)
    hyper[:, update.LEARNING_RATE] = rate
    hyper[0, update.WEIGHT_DECAY] = 0.0 if config.optimizer == "adamw" else decay
    hyper[:, update.MU] = config.momentum
    hyper[:, update.BETA1], hyper[:, update.NEW1] = config.beta1, 1.0 - config.beta1
    hyper[:, update.BETA2], hyper[:, update.NEW2] = beta2, 1.0 - beta2
    hyper[:, update.EPSILON] = config.epsilon
    hyper[:, update.SHRINK] = 1.0
    hyper[0, update.SHRINK] = 1.0 - rate * decoupled
    hyper[0, update.IDLE] = config.optimizer == "sgd" and rate * decay < update.IDLE_LIMIT
    trial = Trial(
        seed=config.seed,
        stream=stream,
        learning_rate=rate,
        beta1=float(config.beta1),
        beta2=float(config.beta2),
        decoupled=decoupled,
        scheduler=update.scheduler() if moves else 0,
        schedule=SCHEDULES[config.schedule],
        warmup_epochs=float(config.warmup_epochs),
        step_epochs=config.step_epochs,
        step_factor=float(config.step_factor),
        epochs=config.epochs,
        smoother=step.stage(step.SMOOTH) if config.label_smoothing > 0 else 0,
        label_smoothing=float(config.label_smoothing),
    )
    return TrialSettings(trial, hyper, dropout_rows(config))


def dropout_rows(config: TrainConfig) -> npt.NDArray[np.float64]:
    """Return what each layer drops and its factors in training and in evaluation, (L, 3); see `TrialSettings`."""
    rows = np.ones((len(config.hidden) + 1, 3))
    rows[:, THRESHOLD] = 0.0
    for row, ratio in zip(rows, config.dropouts, strict=False):
        row[THRESHOLD] = min(math.floor(ratio * 65536 + 0.5), 65535)
        row[TRAIN_SCALE], row[SCALE] = dropout_scales(ratio, config.dropout_scaling)
    return rows


def dropout_scales(dropout: float, scaling: str) -> tuple[float, float]:
    """Return the factors of hidden outputs in training and in evaluation.

    Examples
    --------
    >>> dropout_scales(0.5, "inverted"), dropout_scales(0.5, "test-time")
    ((2.0, 1.0), (1.0, 0.5))
    """
    return (1.0 / (1.0 - dropout), 1.0) if scaling == "inverted" else (1.0, 1.0 - dropout)


def kept_units(config: TrainConfig, stream: int, step: int, n_rows: int) -> list[npt.NDArray[np.bool_]]:
    """Tell which hidden units training keeps in one step.

    Parameters
    ----------
    config : TrainConfig
        Its seed, hidden layers and dropout matter.
    stream : int
        Random stream of the network, see `fastnet.packs.Member`; 0 for a single network.
    step : int
        Number of the step, from 0: ``epoch * n_batches + batch``.
    n_rows : int
        Samples of that batch.

    Returns
    -------
    list of (n_rows, width) bool
        One array a hidden layer: each sample has a draw of its own. True where the unit works.

    Notes
    -----
    They are the bits of the kernel that training calls, drawn once more: a pure function of the arguments.

    Examples
    --------
    >>> [first, second] = kept_units(TrainConfig(hidden=(8, 4), dropout=0.5), 0, 0, 2)
    >>> first.shape, second.shape, bool(first.all())
    ((2, 8), (2, 4), False)
    """
    layers = []
    for layer, (width, row) in enumerate(zip(config.hidden, dropout_rows(config), strict=False)):
        packed = np.full((n_rows, -(-width // host.GROUP)), 255, np.uint8)
        if row[THRESHOLD] > 0:
            masks.kept(
                np.uint64(config.seed), stream, layer, step, n_rows, width, int(row[THRESHOLD]), packed.shape[1],
                packed.reshape(-1),
            )  # fmt: skip
        bits = np.unpackbits(packed[:, :, None], axis=2, bitorder="little")[:, :, : host.GROUP]
        layers.append(bits.reshape(n_rows, -1)[:, :width].astype(np.bool_))
    return layers


def forward(model: Model, x: npt.NDArray[Any]) -> Floats:
    """Compute a model's class probabilities.

    Parameters
    ----------
    model : Model
        Weights, scaling and evaluation scale.
    x : (N, I) array
        Checked features in the units of the training data.

    Returns
    -------
    (N, O) float32
        Probabilities; each row sums to 1.
    """
    spec: NetworkSpec = model.spec
    block = host.round_up(min(BLOCK_ROWS, max(len(x), 1)), host.TILE_ROWS)
    plan = layout.layout(spec.sizes, block)
    wanted = layout.panels_of(plan.table, listed_inputs=False, listed_hidden=False, training=False)
    panels.compile_panels(sorted(wanted))
    stages = np.array([step.stage(step.FORWARD)], np.int64)
    net = Net(plan.table, plan.offsets, panels.TABLE, stages, activation.stages(spec.activation), 0, 0, 0, 1, block, 0)
    [work] = share([work_shapes(plan, n_states=0, n_rows=0, batch_size=0, capacity=0, threads=1)])
    none, lists = np.zeros(1, np.int64), sparsity.non_zero_lists(np.zeros((0, spec.n_inputs), np.float32), 1)
    layout.pack_parameters(plan.table, list(model.weights), list(model.biases), work.params[0])
    work.dropout[:, SCALE] = *model.eval_scales, 1.0
    trial = Trial(0, 0, 0.0, 0.0, 0.0)
    probabilities = np.empty((len(x), spec.n_outputs), np.float32)
    context = np.zeros(N_PLACES, np.int64)
    last = plan.table[-1]
    for begin in range(0, len(x), _COPY_ROWS):
        samples = pad_samples(x[begin : begin + _COPY_ROWS], model.scaler)
        rows = _padded_rows(np.arange(len(samples)))
        data = Data(samples, none, 0, *lists, *lists, np.arange(plan.n_rows, dtype=np.int64), rows, rows)
        fill(context, net, data, work, trial)
        pack.predict_rows(context, rows, block, last, work.floats, probabilities[begin : begin + _COPY_ROWS])
    return probabilities


def initialise(context: Integers) -> None:
    """Set the network of one context to the initial values of its trial."""
    pack.initialise(pack.initialise_stage(), context)


def n_threads_limit() -> int:
    """Most threads that the compiled code can use."""
    return pack.thread_limit()
