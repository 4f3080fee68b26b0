"""The context: everything that one thread needs to train one network, as one row of 64-bit integers.

The stages of training (`step`, `pack`) are compiled one by one and call each other through addresses. Otherwise they
would be inlined into each other again and again: a cold start took 31 s that way and takes a few now. They pass on the
address of a context; `open_net`, `open_data`, `open_work` and `open_trial` turn it back into bundles of arrays and
numbers, of which the compiler keeps what is used.

An array takes five places (address, up to four sizes), a float the bits of a float64.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, get_type_hints

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np import arrayobj

Float32_1D = Annotated[np.ndarray, types.float32[::1]]
Float32_2D = Annotated[np.ndarray, types.float32[:, ::1]]
Float32_3D = Annotated[np.ndarray, types.float32[:, :, ::1]]
Float32_4D = Annotated[np.ndarray, types.float32[:, :, :, ::1]]
Float64_1D = Annotated[np.ndarray, types.float64[::1]]
Float64_2D = Annotated[np.ndarray, types.float64[:, ::1]]
Float64_3D = Annotated[np.ndarray, types.float64[:, :, ::1]]
Int64_1D = Annotated[np.ndarray, types.int64[::1]]
Int64_2D = Annotated[np.ndarray, types.int64[:, ::1]]
Uint16_2D = Annotated[np.ndarray, types.uint16[:, ::1]]
Uint16_3D = Annotated[np.ndarray, types.uint16[:, :, ::1]]
Uint32_1D = Annotated[np.ndarray, types.uint32[::1]]
Uint32_2D = Annotated[np.ndarray, types.uint32[:, ::1]]
Uint32_3D = Annotated[np.ndarray, types.uint32[:, :, ::1]]
Uint8_1D = Annotated[np.ndarray, types.uint8[::1]]
Uint8_2D = Annotated[np.ndarray, types.uint8[:, ::1]]
"""C-contiguous arrays, each with its type in compiled code."""


class Net(NamedTuple):
    """A laid-out architecture and how it is trained; the same for all trials of one kind, see `Job.kinds`."""

    layers: Int64_2D  # (L, N_FIELDS), see `layout`
    offsets: Int64_1D  # places in the workspace, see `layout`
    table: Int64_2D  # (products, widths), addresses of the microkernels, see `panels`
    stages: Int64_1D  # addresses of the stages, see `step`
    activation: Int64_1D  # (2,), addresses of its stages, zeros for ReLU, see `activation`
    objective: int  # address of its stage, see `objective`
    rule: int  # update rule, see `update`
    update: int  # address of its microkernel, 0 for SGD
    xavier: int  # initial values: 1 Xavier, 0 He
    batch_size: int
    block: int  # samples per evaluation block, whole tiles
    hidden_lists: int  # 1 where hidden layers walk the lists of their active inputs
    first: Int64_1D  # (3,), addresses of the stages of a first layer that has its own, see `FIRST_FORWARD`; else zeros
    waiting: int  # address of `update.waiting` where the first layer needs it, 0 for none
    least_start: float  # the first batch's loss counts as this much at least, see `step.DIVERGENCE`
    several: Int64_1D  # (2,), addresses of the stages of several heads, see `SPREAD`; zeros for one
    n_outputs: int  # of each head
    signs: Float32_2D  # (M, ld), of the first hidden layer for each head, see `heads`; for one its row is not read


class Data(NamedTuple):
    """The samples, padded for the kernels; shared by all threads and never written."""

    x: Float32_2D  # (N, ld)
    targets: Uint8_2D  # (N, .), the bytes of each sample's targets; the objective knows their type
    sparse: int  # 1 where the first layer walks the lists below, see `sparsity`
    input_lists: Uint8_1D  # non-zero features of every sample
    input_values: Float32_2D  # (n, 1)
    input_starts: Int64_1D  # (N * blocks + 1,)
    pair_lists: Uint8_1D  # feature pairs that are not zero
    pair_values: Float32_2D  # (n, PAIR)
    pair_starts: Int64_1D  # (N * blocks + 1,)
    dense: int  # inputs that `x` holds where columns are encoded, see `encoded`
    columns: Int64_2D  # (numbers + categories, 2), their rows of the weights
    places: Uint32_2D  # (N, numbers + categories), rows of the weights
    fractions: Float32_2D  # (N, numbers)
    entries: Float32_1D  # values of all samples where they are compressed sparse rows, see `csr`
    entry_columns: Uint32_1D  # the feature of each
    entry_starts: Int64_1D  # (N + 1,), where the values of each sample begin
    identity: Int64_1D  # 0, 1, 2, ...: the row numbers of a hidden layer
    train_rows: Int64_1D  # (n_train + TILE_ROWS,) sample numbers, padded by repeats
    validation_rows: Int64_1D  # (n_validation + TILE_ROWS,)
    weights: Float32_1D  # (N,), of every sample; empty where each counts once
    levels: Float32_1D  # levels of the quantiles that are learnt; empty for other objectives


class Work(NamedTuple):
    """What one thread writes while it trains."""

    params: Float32_2D  # (1 + states, P): parameters, then the optimizer's states
    floats: Float32_1D  # workspace, see `layout`
    scratch: Float32_2D  # (threads, .), gradient tiles on their way to an update rule
    bits: Uint8_1D  # activity and dropout bits
    lists: Uint8_1D  # active outputs of the hidden layers
    begins: Int64_1D  # see `layout.MARKS`
    ends: Int64_1D
    listed: Int64_1D  # (L,), 1 where the outputs of a hidden layer have lists in this step
    samples: Uint16_3D  # (threads, PAIRS_IN_BLOCK, capacity), samples of the batch per feature pair
    sample_values: Float32_4D  # (threads, PAIRS_IN_BLOCK, capacity, PAIR)
    counts: Int64_2D  # (threads, PAIRS_IN_BLOCK)
    sums: Float32_1D  # of the numbers' rows of weights, as long as those, see `encoded`
    codes: Uint16_2D  # (numbers + categories, B), the row of its weights that each column gives a sample
    shares: Float32_2D  # (numbers + categories, B), the number's fraction, 1 for a category
    listed_begins: Uint32_1D  # (rows of encoded columns + 1 for each column), see `encoded`
    listed_samples: Uint32_2D  # (numbers + categories, B)
    gathered: Uint32_3D  # (threads, 4, .), the values of a batch by feature, see `csr`
    heads: Uint32_1D  # (F,), 0 between two steps
    steps: Uint32_1D  # (F,), how many of the passed steps the weights of a feature have made
    passed: Int64_1D  # (1,), steps since all weights of the first layer were up to date
    history: Float32_2D  # (steps, N_HYPER), `hyper` of the passed steps
    nothing: Float32_1D  # (ld,), zeros: the gradient of a feature that no sample of a batch has
    order: Int64_1D  # (n_train + TILE_ROWS,), this epoch's order
    hyper: Float32_2D  # (2, N_HYPER), see `update`
    dropout: Float64_2D  # (L, 3), see `THRESHOLD`
    state: Float64_1D  # (N_STATE,): see below


FIRST_FORWARD, FIRST_UPDATE, FIRST_FINISH = range(3)
"""Places in `Net.first`: the outputs of a batch, the update by it, what remains to be done at the end of an epoch."""

SPREAD, FOLD = range(2)
"""Places in `Net.several`: from the first layer's sums to the outputs that each head sees, and back."""

POWER1, POWER2, START_LOSS, LOSS, SCORE, READY_EPOCH, READY_LOSS, SUMMED = range(8)
"""Entries of `Work.state`: Adam's beta1^t and beta2^t, the first batch's loss, the loss and score that a stage found,
and the epoch whose first batch has gone forward already (-1 for none), with its summed loss; and 1
where `Work.sums` belong to the weights."""
N_STATE = 8

THRESHOLD, TRAIN_SCALE, SCALE = range(3)
"""Columns of `Work.dropout`: the threshold below which outputs of a layer are dropped, in 1/65536 (0 for no dropout),
and their factors in training and in evaluation."""


class Trial(NamedTuple):
    """What distinguishes one network of a pack, besides `Work.hyper` and `Work.dropout`: random stream, step size."""

    seed: Annotated[int, types.uint64]
    stream: int
    learning_rate: float  # where no schedule changes it
    beta1: float
    beta2: float
    decoupled: float = 0.0  # AdamW's weight decay, 0 for the other rules, whose decay is in `hyper`
    scheduler: int = 0  # address of `update.scheduler`, 0 for a constant learning rate
    schedule: int = 0  # see `schedule`
    warmup_epochs: float = 0.0
    step_epochs: int = 1
    step_factor: float = 1.0
    epochs: int = 1  # of the whole training, however many of them are trained at a time
    label_smoothing: float = 0.0
    huber_delta: float = 1.0
    train_score: int = 0  # see `step.EXACT`


class Job(NamedTuple):
    """Trials to train by several threads: T trials of any architectures, E epochs in total. See `pack`."""

    order: Int64_1D  # (R,), which trials to train now, the costliest first
    kinds: Int64_1D  # (T,), which of a thread's contexts a trial wants
    trials: Int64_2D  # (T, .), its `Trial` as in a context
    hypers: Float32_3D  # (T, 2, N_HYPER), its `Work.hyper`
    dropouts: Float64_3D  # (T, L, 3), its `Work.dropout`, L that of the deepest
    states: Float64_2D  # (T, N_STATE), its `Work.state` between two calls
    kept: Int64_1D  # (T,), address of its `Work.params` between two calls and at the end, 0 if not wanted
    control: Int64_1D  # (2,), shared with the caller: see `pack.NEXT`
    curves: Float32_3D  # (T, 4, E), written: training loss and score, validation loss and score
    seconds: Float64_1D  # (T,), added to
    epochs_done: Int64_1D  # (T,), written
    status: Int64_1D  # (T,), written last of all
    patience: Int64_1D  # (T,), epochs without a better one after which it ends; 0 to train all epochs
    best_epochs: Int64_1D  # (T,), written where there is patience: its best epoch, from 1; 0 for none
    best: Int64_1D  # (T,), where to copy its parameters of that epoch; 0 if not wanted
    stalled: Int64_1D  # (T,), written where there is patience: epochs since one was better by more than the tolerance
    initialise: int  # address, see `pack.initialise_stage`
    first: int  # epochs to train: from `first`, 0 for a new network,
    end: int  # up to `end`, not included
    watched: int  # row of the curves that decides which epoch is better
    better: float  # 1 if a higher value is better, -1 if a lower one is
    tolerance: float  # by how much an epoch must be better to end the waiting


_ARRAY_PLACES = 5
_NUMBERS: dict[Any, Any] = {int: types.int64, float: types.float64}


def _kinds_of(bundle: type[Any]) -> dict[str, Any]:
    """Return the Numba type of every field."""
    hints = get_type_hints(bundle, include_extras=True)
    return {name: _NUMBERS.get(hint) or hint.__metadata__[0] for name, hint in hints.items()}


def _places_of(*bundles: type[Any]) -> tuple[dict[str, int], int]:
    """Return the place of every field in a row, and the length of the row."""
    places: dict[str, int] = {}
    n = 0
    for bundle in bundles:
        for name, kind in _kinds_of(bundle).items():
            assert name not in places, name
            places[name] = n
            n += _ARRAY_PLACES if isinstance(kind, types.Array) else 1
    return places, n


_PLACES, N_PLACES = _places_of(Net, Data, Work, Trial)
_JOB_PLACES, _N_JOB_PLACES = _places_of(Job)

FIRST_OF_TRIAL = _PLACES["seed"]
"""Where the entries of `Trial` begin; they are the last ones of a context, in the order of its fields."""


def job_row(job: Job) -> np.ndarray:
    """Write a job as `open_job` reads it; the caller keeps its arrays alive."""
    row = np.zeros(_N_JOB_PLACES, np.int64)
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


def _opener(bundle: type[Any], places: dict[str, int] = _PLACES) -> Any:
    """Make the intrinsic that reads a bundle from the context at a byte address."""
    kinds = _kinds_of(bundle)
    bundle_type = types.NamedTuple(list(kinds.values()), bundle)

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
            values = [read(context, builder, args[0], *field) for field in kinds.items()]
            return context.make_tuple(builder, bundle_type, values)

        return bundle_type(types.int64), generate

    return open_bundle


open_net = _opener(Net)
open_data = _opener(Data)
open_work = _opener(Work)
open_trial = _opener(Trial)
open_job = _opener(Job, _JOB_PLACES)
