"""Where everything of a network lies in flat buffers: one row of integers per layer.

Parameters are ONE flat float32 buffer; columns are padded to whole vectors and rows to whole tiles, so that no kernel
ever meets a remainder. Padding is zero and stays zero. A network of any depth and width is such a table, so the
compiled code is the same for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fastnet.kernels import panels
from fastnet.kernels.host import ALIGNMENT, GROUP, LANES, LIST_ROOM, MASK_BYTES, TILE_ROWS, round_up

(
    N_IN, N_OUT,       # true sizes
    W, B, LDW,         # float offsets of weights and bias in the parameters; floats per row of w, and of y
    Y, ACTIVE,         # float offset of the output in the workspace, byte offset of its activity bits
    LD_ACTIVE,         # bytes per row of activity bits
    LISTS, MARKS,      # offsets of the lists of active outputs and of their begins and ends
    N_BLOCKS,          # blocks of such a list
    CAPACITY,          # entries of a row's list: every column, and room for surplus entries written at the end
    PANELS,            # then (count, wide count, wide width) for each product of `panels`
) = range(13)  # fmt: skip
N_FIELDS = PANELS + 3 * panels.N_PRODUCTS

LIST_BLOCK = 128 if LANES == 16 else 64
"""Columns of one block of a list: 64 rows of w in a panel of 14 AVX2 vectors are 28 kB, which the first-level cache
holds; there, walking all 100 rows at once took a quarter longer. Processors with 16 lanes wait less for the second
level: 128 at once shortened a whole trial from 60.4 to 56.5 ms."""

MIN_LISTED = 32
"""Smallest number of result columns for which lists of hidden outputs are used: for the ten logits of the book's
network a walk took 8 microseconds and the dense product 4."""

MIN_UNITS = 64
"""Smallest width of a hidden layer whose active units are listed. Whole trials without any lists, AdamW, batch 32, took
0.89 of the time at width 16 on AVX2 and on AVX-512, 0.91 and 0.82 at width 32, 1.00 and 0.90 at width 48, 1.06 and 0.97
at width 64, and the lists gain as fewer units become active."""

_LINE = ALIGNMENT // 4


def leading(n: int) -> int:
    """Return the floats per row of a matrix of `n` columns: whole vectors, and whole tiles if columns become rows."""
    return round_up(round_up(n, TILE_ROWS), LANES)


def aligned(shape: int | tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
    """Return zeros that start on a cache line."""
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(count + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + count].view(dtype).reshape(shape)


@dataclass(frozen=True, slots=True)
class Layout:
    """The table of a network and the sizes of its buffers.

    Attributes
    ----------
    table : (L, N_FIELDS) int64
        One row per weight layer.
    n_parameters : int
        Floats in the parameter buffer, padding included; each optimizer state has the same size.
    n_rows : int
        Rows of every activation buffer: batch or evaluation block, whichever is larger, in whole tiles.
    n_floats, n_bytes, n_lists, n_marks : int
        Size of one thread's workspace: floats (outputs, two gradients, a transposed weight, and if wanted the
        derivatives of the hidden outputs), activity bits, lists of active outputs, and their begins (the number of ends
        is the same).
    gradient, gradient_size, transposed : int
        Float offsets in the workspace of the first gradient, from it to the second, and of wᵀ.
    keep : int
        Byte offset of the dropout bits in the activity buffer.
    slopes : int
        Floats from a hidden output to its derivatives.
    """

    table: np.ndarray
    n_parameters: int
    n_rows: int
    n_floats: int
    n_bytes: int
    n_lists: int
    n_marks: int
    gradient: int
    gradient_size: int
    transposed: int
    keep: int
    slopes: int

    @property
    def offsets(self) -> np.ndarray:
        """Offsets that the kernels read in addition to the table, int64: see `GRADIENT` and the other places."""
        return np.array([self.gradient, self.gradient_size, self.transposed, self.keep, self.slopes], np.int64)


GRADIENT, GRADIENT_SIZE, TRANSPOSED, KEEP, SLOPES = range(5)


def layout(sizes: tuple[int, ...], n_rows: int, *, slopes: bool = False) -> Layout:
    """Lay out a network of these layer sizes for blocks of up to `n_rows` samples.

    With `slopes` there is room for the derivatives of the hidden outputs, which all activations but ReLU need in
    training.
    """
    n_rows = round_up(n_rows, TILE_ROWS)
    table = np.zeros((len(sizes) - 1, N_FIELDS), np.int64)
    parameters = floats = bits = lists = marks = 0
    for row, n_in, n_out in zip(table, sizes[:-1], sizes[1:], strict=True):
        ldw, vectors = leading(n_out), -(-n_out // LANES)
        n_bytes, n_blocks = vectors * MASK_BYTES, -(-n_out // LIST_BLOCK)
        capacity = n_bytes * GROUP + LIST_ROOM
        bias = parameters + leading(n_in) * ldw
        row[:PANELS] = n_in, n_out, parameters, bias, ldw, floats, bits, n_bytes, lists, marks, n_blocks, capacity
        for product in range(panels.N_PRODUCTS):
            to_inputs = product in (panels.INPUT_GRADIENT, panels.INPUT_GRADIENT_ACTIVE)
            cut = panels.widths(-(-n_in // LANES) if to_inputs else vectors, product)
            row[PANELS + 3 * product : PANELS + 3 * product + 3] = cut
        parameters = round_up(bias + ldw, _LINE)
        floats += round_up(n_rows * ldw, _LINE)
        bits += round_up(n_rows * n_bytes, ALIGNMENT)
        lists += n_rows * capacity
        marks += n_rows * n_blocks
    gradient_size = round_up(n_rows * int(table[:, LDW].max()), _LINE)
    transposed = max((round_up(o, LANES) * leading(i) for i, o in pairwise(sizes[1:])), default=0)
    n_floats = floats + 2 * gradient_size + round_up(transposed, _LINE)
    return Layout(
        table=table,
        n_parameters=parameters,
        n_rows=n_rows,
        n_floats=n_floats + (int(table[-1, Y]) if slopes else 0),
        n_bytes=bits + round_up(n_rows * int(table[:, LD_ACTIVE].max()), ALIGNMENT),
        n_lists=lists,
        n_marks=marks,
        gradient=floats,
        gradient_size=gradient_size,
        transposed=floats + 2 * gradient_size,
        keep=bits,
        slopes=n_floats,
    )


def panels_of(
    table: np.ndarray, *, listed_inputs: bool, listed_hidden: bool, training: bool, encoded: bool = False,
    sparse: bool = False,
) -> set[tuple[int, int]]:  # fmt: skip
    """Return the microkernels (product, vectors) that a network calls, for `panels.compile_panels`.

    `listed_inputs` means that the first layer skips zeros, `listed_hidden` that the others may, `encoded` that the
    first layer reads encoded columns, `sparse` that it reads compressed sparse rows and nothing else.
    """
    wanted: set[tuple[int, int]] = set()
    for index, row in enumerate(table):
        first = index == 0
        dense = not (first and (listed_inputs or sparse))
        listed = first and listed_inputs
        products = {
            panels.FORWARD: dense,
            panels.FORWARD_PACKED: listed,
            panels.FORWARD_ENCODED: first and encoded,
            panels.FORWARD_ENTRIES: first and sparse,
            panels.FORWARD_ACTIVE: (
                not first and listed_hidden and row[N_IN] >= MIN_UNITS and row[N_OUT] >= MIN_LISTED
            ),
        }
        if training:
            products |= {panels.WEIGHT_GRADIENT: dense, panels.WEIGHT_GRADIENT_LISTED: listed}
            products |= {panels.WEIGHT_GRADIENT_ENCODED: first and encoded}
            products |= {panels.WEIGHT_GRADIENT_ENTRIES: first and sparse}
            below_logits = index < len(table) - 1
            products |= {
                panels.INPUT_GRADIENT: not first,
                panels.INPUT_GRADIENT_ACTIVE: (
                    not first and listed_hidden and below_logits and row[N_OUT] >= MIN_UNITS and row[N_IN] >= MIN_LISTED
                ),
            }
        wanted |= {(product, v) for product, used in products.items() if used for v in _widths(row, product)}
    return wanted


def _widths(row: np.ndarray, product: int) -> set[int]:
    count, n_wide, wide = (int(value) for value in row[PANELS + 3 * product : PANELS + 3 * product + 3])
    return {wide} if n_wide == count else {wide, wide - 1}


def pack_parameters(table: np.ndarray, weights: list[np.ndarray], biases: list[np.ndarray], flat: np.ndarray) -> None:
    """Copy (I, O) weights and (O,) biases into the padded buffer; the padding is left as it is."""
    for row, weight, bias in zip(table, weights, biases, strict=True):
        _matrix(row, flat)[...] = weight
        flat[row[B] : row[B] + row[N_OUT]] = bias


def unpack_parameters(table: np.ndarray, flat: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Copy the weights and biases out of the padded buffer."""
    weights = [_matrix(row, flat).copy() for row in table]
    biases = [flat[row[B] : row[B] + row[N_OUT]].copy() for row in table]
    return weights, biases


def _matrix(row: np.ndarray, flat: np.ndarray) -> np.ndarray:
    padded = flat[row[W] : row[W] + row[N_IN] * row[LDW]].reshape(row[N_IN], row[LDW])
    return padded[:, : row[N_OUT]]
