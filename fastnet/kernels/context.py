"""The context: everything that one thread needs to train one network, as one row of 64-bit integers.

The stages of training (`step`, `pack`) are compiled one by one and call each other through addresses. They would
otherwise be inlined into each other again and again: a cold start took 31 s that way and takes a few now. What they
hand on is the address of a context; `open_net`, `open_data`, `open_work` and `open_trial` turn it back into bundles of
arrays and numbers, of which the compiler keeps what is used.

An array takes five places (address, up to four sizes), a float the bits of a float64.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np import arrayobj


class Net(NamedTuple):
    """An architecture laid out, and how it is trained; the same for all trials of one kind, see `Job.kinds`."""

    layers: np.ndarray  # (L, N_FIELDS) int64, see `layout`
    offsets: np.ndarray  # int64, places in the workspace, see `layout`
    table: np.ndarray  # (products, widths) int64, addresses of the microkernels, see `panels`
    stages: np.ndarray  # int64, addresses of the stages, see `step`
    activation: np.ndarray  # (2,) int64, addresses of what ReLU does without, see `activation`
    objective: int  # address of its stage, see `objective`
    rule: int  # update rule, see `update`
    update: int  # address of its microkernel, 0 for SGD
    xavier: int  # initial values: 1 Xavier, 0 He
    batch_size: int
    block: int  # samples per evaluation block, whole tiles
    hidden_lists: int  # 1 where hidden layers walk the lists of their active inputs


class Data(NamedTuple):
    """The samples, padded for the kernels; shared by all threads and never written."""

    x: np.ndarray  # (N, ld) float32
    targets: np.ndarray  # (N, .) uint8, the bytes of each sample's targets, of which the objective knows the type
    sparse: int  # 1 where the first layer walks the lists below, see `sparsity`
    input_lists: np.ndarray  # uint8, non-zero features of every sample
    input_values: np.ndarray  # (n, 1) float32
    input_starts: np.ndarray  # (N * blocks + 1,) int64
    pair_lists: np.ndarray  # uint8, feature pairs that are not zero
    pair_values: np.ndarray  # (n, PAIR) float32
    pair_starts: np.ndarray  # (N * blocks + 1,) int64
    identity: np.ndarray  # int64 0, 1, 2, ...: the row numbers of a hidden layer
    train_rows: np.ndarray  # (n_train + TILE_ROWS,) int64 sample numbers, padded by repeats
    validation_rows: np.ndarray  # (n_validation + TILE_ROWS,) int64


class Work(NamedTuple):
    """What one thread writes while it trains."""

    params: np.ndarray  # (1 + states, P) float32: parameters, then the optimizer's states
    floats: np.ndarray  # float32 workspace, see `layout`
    scratch: np.ndarray  # (threads, .) float32, gradient tiles on their way to an update rule
    bits: np.ndarray  # uint8 activity and dropout bits
    lists: np.ndarray  # uint8, active outputs of the hidden layers
    begins: np.ndarray  # int64, see `layout.MARKS`
    ends: np.ndarray  # int64
    listed: np.ndarray  # (L,) int64, 1 where the outputs of a hidden layer have lists in this step
    samples: np.ndarray  # (threads, PAIRS_IN_BLOCK, capacity) uint16, samples of the batch per feature pair
    sample_values: np.ndarray  # (threads, PAIRS_IN_BLOCK, capacity, PAIR) float32
    counts: np.ndarray  # (threads, PAIRS_IN_BLOCK) int64
    order: np.ndarray  # (n_train + TILE_ROWS,) int64, this epoch's order
    hyper: np.ndarray  # (2, N_HYPER) float32, see `update`
    dropout: np.ndarray  # (L, 3) float64, see `THRESHOLD`
    state: np.ndarray  # (N_STATE,) float64: see below


POWER1, POWER2, START_LOSS, LOSS, SCORE, READY_EPOCH, READY_LOSS = range(7)
"""Entries of `Work.state`: Adam's beta1^t and beta2^t, the first batch's loss, the loss and score that a stage found,
and the epoch whose first batch has gone forward already (-1 for none), with its summed loss."""
N_STATE = 7

THRESHOLD, TRAIN_SCALE, SCALE = range(3)
"""Columns of `Work.dropout`: what a layer's outputs are dropped below, in 1/65536 (0 for no dropout), and their factors
in training and in evaluation."""


class Trial(NamedTuple):
    """What distinguishes one network of a pack beside `Work.hyper` and `Work.dropout`: random stream, step size."""

    seed: int  # 64 bits
    stream: int
    learning_rate: float  # where no schedule changes it
    beta1: float
    beta2: float
    decoupled: float = 0.0  # AdamW's weight decay, 0 for the other rules, whose decay is in `hyper`
    scheduler: int = 0  # address of what moves the learning rate, see `update.scheduler`; 0 where it stays
    schedule: int = 0  # see `schedule`
    warmup_epochs: float = 0.0
    step_epochs: int = 1
    step_factor: float = 1.0
    epochs: int = 1  # of the whole training, however many of them are trained at a time
    label_smoothing: float = 0.0


class Job(NamedTuple):
    """Trials to be trained by several threads; T of them, of any architectures, E epochs in all. See `pack`."""

    order: np.ndarray  # (R,) int64, which trials to train now, the costliest first
    kinds: np.ndarray  # (T,) int64, which of a thread's contexts a trial wants
    trials: np.ndarray  # (T, .) int64, its `Trial` as it stands in a context
    hypers: np.ndarray  # (T, 2, N_HYPER) float32, its `Work.hyper`
    dropouts: np.ndarray  # (T, L, 3) float64, its `Work.dropout`, L that of the deepest
    states: np.ndarray  # (T, N_STATE) float64, its `Work.state` between two calls
    kept: np.ndarray  # (T,) int64, address for its `Work.params` between two calls, 0 where they are not needed again
    control: np.ndarray  # (2,) int64, shared with the caller: see `pack.NEXT`
    curves: np.ndarray  # (T, 4, E) float32, written: training loss and score, validation loss and score
    seconds: np.ndarray  # (T,) float64, added to
    epochs_done: np.ndarray  # (T,) int64, written
    status: np.ndarray  # (T,) int64, written last of all
    initialise: int  # address, see `pack.initialise_stage`
    first: int  # epochs to train: from `first`, 0 for a new network,
    end: int  # up to `end`, not included


_ARRAYS = {
    "layers": (types.int64, 2), "offsets": (types.int64, 1), "table": (types.int64, 2), "stages": (types.int64, 1),
    "activation": (types.int64, 1),
    "x": (types.float32, 2), "targets": (types.uint8, 2), "identity": (types.int64, 1),
    "input_lists": (types.uint8, 1), "input_values": (types.float32, 2), "input_starts": (types.int64, 1),
    "pair_lists": (types.uint8, 1), "pair_values": (types.float32, 2), "pair_starts": (types.int64, 1),
    "train_rows": (types.int64, 1), "validation_rows": (types.int64, 1),
    "params": (types.float32, 2), "floats": (types.float32, 1), "scratch": (types.float32, 2),
    "bits": (types.uint8, 1), "lists": (types.uint8, 1), "begins": (types.int64, 1), "ends": (types.int64, 1),
    "listed": (types.int64, 1), "samples": (types.uint16, 3), "sample_values": (types.float32, 4),
    "counts": (types.int64, 2), "order": (types.int64, 1),
    "hyper": (types.float32, 2), "dropout": (types.float64, 2), "state": (types.float64, 1),
}  # fmt: skip
_SCALARS = {
    "objective": types.int64, "rule": types.int64, "update": types.int64, "xavier": types.int64,
    "batch_size": types.int64, "block": types.int64, "hidden_lists": types.int64, "sparse": types.int64,
    "seed": types.uint64, "stream": types.int64, "learning_rate": types.float64, "beta1": types.float64,
    "beta2": types.float64, "decoupled": types.float64, "scheduler": types.int64, "schedule": types.int64,
    "warmup_epochs": types.float64, "step_epochs": types.int64, "step_factor": types.float64, "epochs": types.int64,
    "label_smoothing": types.float64,
}  # fmt: skip
_JOB_ARRAYS = {
    "order": (types.int64, 1), "kinds": (types.int64, 1), "trials": (types.int64, 2), "hypers": (types.float32, 3),
    "dropouts": (types.float64, 3), "states": (types.float64, 2), "kept": (types.int64, 1),
    "control": (types.int64, 1), "curves": (types.float32, 3), "seconds": (types.float64, 1),
    "epochs_done": (types.int64, 1), "status": (types.int64, 1),
}  # fmt: skip
_JOB_SCALARS = {"initialise": types.int64, "first": types.int64, "end": types.int64}
_ARRAY_PLACES = 5


def _places_of(arrays: dict[str, Any], scalars: dict[str, Any]) -> dict[str, int]:
    places = {name: _ARRAY_PLACES * n for n, name in enumerate(arrays)}
    return places | {name: _ARRAY_PLACES * len(arrays) + n for n, name in enumerate(scalars)}


_PLACES = _places_of(_ARRAYS, _SCALARS)
_JOB_PLACES = _places_of(_JOB_ARRAYS, _JOB_SCALARS)

N_PLACES = _ARRAY_PLACES * len(_ARRAYS) + len(_SCALARS)
"""int64 entries of a context."""
FIRST_OF_TRIAL = _PLACES["seed"]
"""Where the entries of `Trial` begin; they are the last ones, in the order of its fields."""


def job_row(job: Job) -> np.ndarray:
    """Write a job the way `open_job` reads it; the caller keeps its arrays alive."""
    row = np.zeros(_ARRAY_PLACES * len(_JOB_ARRAYS) + len(_JOB_SCALARS), np.int64)
    _write(row, job, _JOB_PLACES)
    return row


def fill(context: np.ndarray, *bundles: NamedTuple) -> None:
    """Write bundles into a context row; the caller keeps their arrays alive."""
    for bundle in bundles:
        _write(context, bundle, _PLACES)


def _write(context: np.ndarray, bundle: NamedTuple, places: dict[str, int]) -> None:
    for name, value in bundle._asdict().items():
        place = places[name]
        if isinstance(value, np.ndarray):
            context[place : place + 1 + value.ndim] = (value.ctypes.data, *value.shape)
        elif isinstance(value, float):
            context[place] = np.float64(value).view(np.int64)
        else:
            context[place] = np.uint64(value).view(np.int64)


def _opener(
    bundle: type[Any], arrays: dict[str, Any] = _ARRAYS, scalars: dict[str, Any] = _SCALARS,
    places: dict[str, int] = _PLACES,
) -> Any:  # fmt: skip
    """Make the intrinsic that reads a bundle from the context at a byte address."""
    kinds = [types.Array(*arrays[name], "C") if name in arrays else scalars[name] for name in bundle._fields]
    bundle_type = types.NamedTuple(kinds, bundle)

    def read(context: Any, builder: Any, base: Any, name: str, kind: Any) -> Any:
        def entry(n: int, stored: ir.Type) -> Any:
            place = ir.Constant(ir.IntType(64), 8 * (places[name] + n))
            return builder.load(builder.inttoptr(builder.add(base, place), stored.as_pointer()), align=8)

        if not isinstance(kind, types.Array):
            return entry(0, ir.DoubleType() if kind is types.float64 else ir.IntType(64))
        array = context.make_array(kind)(context, builder)
        shape = [entry(1 + axis, ir.IntType(64)) for axis in range(kind.ndim)]
        itemsize = ir.Constant(ir.IntType(64), kind.dtype.bitwidth // 8)
        strides = [itemsize]
        for size in reversed(shape[1:]):
            strides.insert(0, builder.mul(size, strides[0]))
        data = builder.inttoptr(entry(0, ir.IntType(64)), context.get_data_type(kind.dtype).as_pointer())
        arrayobj.populate_array(array, data, shape, strides, itemsize, None)
        return array._getvalue()

    @intrinsic
    def open_bundle(typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            values = [read(context, builder, args[0], *field) for field in zip(bundle._fields, kinds, strict=True)]
            return context.make_tuple(builder, bundle_type, values)

        return bundle_type(types.int64), generate

    return open_bundle


open_net = _opener(Net)
open_data = _opener(Data)
open_work = _opener(Work)
open_trial = _opener(Trial)
open_job = _opener(Job, _JOB_ARRAYS, _JOB_SCALARS, _JOB_PLACES)
