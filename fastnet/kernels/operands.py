"""Bundles of operands, results and rules that kernels pass to each other.

Addresses and strides are in bytes. B are the samples of a batch, I a layer's inputs, O its outputs. Bundles are passed
by value, also to functions called through an address: they become the same registers and stack places as their fields
would one by one.
"""

from __future__ import annotations

from typing import Any, NamedTuple, get_type_hints

import numpy as np
from numba import types


class Matrix(NamedTuple):
    """A matrix of float32, rows in whole vectors."""

    at: int  # address
    ld: int  # bytes from one row to the next


class Rows(NamedTuple):
    """The left operand of a product: chosen rows of a matrix."""

    numbers: int  # address, int64 row numbers, whole tiles of them
    at: int  # address of row 0
    ld: int


class Lists(NamedTuple):
    """The non-zero columns of every row of a left operand; see `panels` and `sparsity`."""

    entries: int  # address, uint8: columns counted from the first of their block
    begins: int  # address, int64 per row and block
    ends: int
    n_blocks: int  # 0 where the operand is dense
    block: int  # columns of a block
    packed: int  # 1 where values are packed like the entries, 0 where they lie at their columns


class End(NamedTuple):
    """How a finished tile is stored."""

    kind: int  # see `tile.LINEAR`
    active: int  # address of the activity bits: written by the forward product, read by the input gradient
    keep: int  # address of the dropout bits, read
    ld: int  # bytes per row of both
    scale: float  # float32


class Curve(NamedTuple):
    """How a finished result is transformed where the activation is not an epilogue of the tile; see `activation`."""

    stage: int  # address of the stage that overwrites it, 0 for none
    slopes: int  # address of the derivatives, laid out like it: written in training, then read; 0 where not wanted
    keep: int  # address of the dropout bits, 0 where all units are kept


class Rule(NamedTuple):
    """How weights follow their gradient; see `update`."""

    update: int  # address of the rule's microkernel, 0 for SGD
    offset: int  # from the parameters to the first optimizer state, and from that to the second
    hyper: int  # address, N_HYPER float32


class Layer(NamedTuple):
    """A layer and the memory to compute it in."""

    table: np.ndarray  # (products, widths) int64, addresses of the microkernels, see `panels.TABLE`
    row: np.ndarray  # its row of the layout table
    params: int  # address of the network's parameters
    scratch: np.ndarray  # (threads, .) float32
    identity: int  # address, int64 0, 1, 2, ...: the row numbers of a matrix in its own order


class Span(NamedTuple):
    """Rows [first, last) of a result."""

    first: int
    last: int


class Terms(NamedTuple):
    """The part of its sums that a microkernel computes."""

    n: int  # terms
    begin: int  # 1 where they are the first; otherwise the sums so far are in the result


class Ahead(NamedTuple):
    """The panel to be copied next; each tile prefetches some of it."""

    at: int  # address of the next row to ask for
    n_rows: int  # rows per tile


class Columns(NamedTuple):
    """The columns of a left operand, of which the weight gradient takes a tile at a time."""

    numbers: int  # address, int64 row numbers
    at: int
    ld: int
    tile: int  # bytes from one tile of columns to the next


class Pairs(NamedTuple):
    """The non-zero feature pairs of all samples, and memory to transpose those of a batch; see `sparsity`."""

    rows: np.ndarray  # (B,) int64, the batch
    lists: np.ndarray  # with `values` and `starts` the result of `non_zero_lists(x, PAIR)`
    values: np.ndarray
    starts: np.ndarray
    samples: np.ndarray  # (threads, PAIRS_IN_BLOCK, capacity) uint16, positions in the batch, written
    sample_values: np.ndarray  # (threads, PAIRS_IN_BLOCK, capacity, PAIR) float32, written
    counts: np.ndarray  # (threads, PAIRS_IN_BLOCK) int64, written


class Turned(NamedTuple):
    """A transposed block of pair lists: for each pair of features its samples and their two values."""

    samples: int  # address, uint16: pair q begins at entry q * capacity
    values: int  # address, two float32 per entry
    capacity: int
    counts: int  # address, int64 per pair


class Codes(NamedTuple):
    """The columns of a table, of which a sample has one row of weights each; see `encoded`."""

    rows: int  # address, int64 sample numbers
    dense: int  # address of the dense inputs
    ld: int  # bytes per sample of them
    n_dense: int
    places: int  # address, uint32 per sample and column: rows of the weights; numbers first, then categories
    fractions: int  # address, float32 per sample and number
    sums: int  # address of the sums of the rows before, for numbers; a row more than w for each
    n_numbers: int
    n_levels: int  # number of categories
    n_inputs: int  # I, also the place of a category without an input


class Listed(NamedTuple):
    """The samples of a batch by the row of weights that a column gives them; see `encoded`."""

    begins: int  # address, uint32 per row of weights and one more
    samples: int  # address, uint32 positions in the batch
    shares: int  # address, float32 per sample of the batch


class Entries(NamedTuple):
    """Samples in compressed sparse rows; see `csr`."""

    rows: int  # address, int64 sample numbers
    starts: int  # address, int64 per sample and one more
    columns: int  # address, uint32 per value: its feature
    values: int  # address, float32


class Gathered(NamedTuple):
    """The values of a batch by feature; see `csr`."""

    columns: int  # address, uint32: the features that some sample has
    begins: int  # address, uint32 per such feature and one more
    samples: int  # address, uint32 per value: its position in the batch
    values: int  # address, float32


class Outputs(NamedTuple):
    """The outputs of a network for B samples, and what they are compared with; addresses and strides in bytes."""

    values: int  # address, (B, K) float32
    ld: int  # bytes from one row to the next
    n_out: int  # K
    rows: int  # address, (B,) int64 sample numbers
    n_rows: int  # B
    targets: int  # address of all samples' targets: one int64 class each, or float32 numbers
    weights: int = 0  # address of all samples' weights, float32; 0 where each counts once
    levels: int = 0  # address, float32 levels of the quantiles of every target
    n_levels: int = 0  # 0 where outputs are no quantiles
    delta: float = 1.0  # border of Huber's loss


_NUMBERS: dict[type[Any], Any] = {int: types.int64, float: types.float32}


def signature(*operands: type[Any]) -> Any:
    """Return the Numba signature of a function called by address with these bundles and numbers, without a result."""
    return types.void(*(_NUMBERS.get(operand) or _kind(operand) for operand in operands))


def _kind(bundle: type[Any]) -> Any:
    return types.BaseTuple.from_types([_NUMBERS[kind] for kind in get_type_hints(bundle).values()], bundle)
