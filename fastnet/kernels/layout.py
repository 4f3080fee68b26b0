"""Where everything of a network lies in flat buffers, for machines: one row of integers per layer.

Parameters are ONE flat float32 buffer; columns are padded to whole vectors and rows to whole tiles, so that no kernel
ever meets a remainder. Padding is zero and stays zero. A network of any depth and width is such a table, so the
compiled code is the same for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastnet.kernels import panels
from fastnet.kernels.host import ALIGNMENT, LANES, MASK_BYTES, PANEL_VECTORS, TILE_ROWS, round_up

(
    N_IN, N_OUT,       # true sizes
    W, B, LDW,         # float offsets of weights and bias in the parameters; floats per row of w, and of y
    Y, ACTIVE,         # float offset of the output in the workspace, byte offset of its activity bits
    LD_ACTIVE,         # bytes per row of activity bits
    PANELS,            # then (count, wide count, wide width) of: columns dense, columns sparse, input gradient
) = range(9)  # fmt: skip
COLUMNS, COLUMNS_SPARSE, INPUTS = PANELS, PANELS + 3, PANELS + 6
N_FIELDS = PANELS + 9

_LINE = ALIGNMENT // 4


def leading(n: int) -> int:
    """Floats per row of a matrix with `n` columns: whole vectors, and whole tiles where columns become rows."""
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
        Floats in the parameter buffer, padding included; each optimizer state is as large.
    n_rows : int
        Rows of every activation buffer: batch or evaluation block, whichever is larger, in whole tiles.
    n_floats, n_bytes : int
        Size of one thread's workspace: floats (outputs, two gradients, a transposed weight, scratch) and activity bits.
    gradient, gradient_size, transposed, scratch : int
        Float offsets in the workspace of the first gradient, from it to the second, of wᵀ, of the tile in transit.
    keep : int
        Byte offset of the dropout bits in the activity buffer.
    """

    table: np.ndarray
    n_parameters: int
    n_rows: int
    n_floats: int
    n_bytes: int
    gradient: int
    gradient_size: int
    transposed: int
    scratch: int
    keep: int

    @property
    def offsets(self) -> np.ndarray:
        """What the kernels read beside the table, as int64 (gradient, gradient_size, transposed, scratch, keep)."""
        return np.array([self.gradient, self.gradient_size, self.transposed, self.scratch, self.keep], np.int64)


GRADIENT, GRADIENT_SIZE, TRANSPOSED, SCRATCH, KEEP = range(5)


def layout(sizes: tuple[int, ...], n_rows: int) -> Layout:
    """Lay out a network of these layer sizes for blocks of up to `n_rows` samples."""
    n_rows = round_up(n_rows, TILE_ROWS)
    table = np.zeros((len(sizes) - 1, N_FIELDS), np.int64)
    parameters = floats = bits = 0
    for row, n_in, n_out in zip(table, sizes[:-1], sizes[1:], strict=True):
        ldw, vectors = leading(n_out), -(-n_out // LANES)
        n_bytes = vectors * MASK_BYTES
        row[: PANELS] = n_in, n_out, parameters, parameters + leading(n_in) * ldw, ldw, floats, bits, n_bytes
        row[COLUMNS : COLUMNS + 3] = panels.widths(vectors, sparse=False)
        row[COLUMNS_SPARSE : COLUMNS_SPARSE + 3] = panels.widths(vectors, sparse=True)
        row[INPUTS : INPUTS + 3] = panels.widths(-(-n_in // LANES), sparse=False)
        parameters = round_up(int(row[B]) + ldw, _LINE)
        floats += round_up(n_rows * ldw, _LINE)
        bits += round_up(n_rows * n_bytes, ALIGNMENT)
    gradient_size = round_up(n_rows * int(table[:, LDW].max()), _LINE)
    transposed = max((round_up(o, LANES) * leading(i) for i, o in zip(sizes[1:-1], sizes[2:], strict=True)), default=0)
    scratch = floats + 2 * gradient_size + round_up(transposed, _LINE)
    return Layout(
        table=table,
        n_parameters=parameters,
        n_rows=n_rows,
        n_floats=scratch + TILE_ROWS * PANEL_VECTORS * LANES,
        n_bytes=bits + round_up(n_rows * int(table[:, LD_ACTIVE].max()), ALIGNMENT),
        gradient=floats,
        gradient_size=gradient_size,
        transposed=floats + 2 * gradient_size,
        scratch=scratch,
        keep=bits,
    )


def panels_of(table: np.ndarray, *, sparse: bool, training: bool) -> set[tuple[int, int]]:
    """Name the microkernels (product, vectors) that a network calls, for `panels.compile_panels`."""
    wanted: set[tuple[int, int]] = set()
    for index, row in enumerate(table):
        first_sparse = sparse and index == 0
        columns = COLUMNS_SPARSE if first_sparse else COLUMNS
        products = [panels.FORWARD_SPARSE if first_sparse else panels.FORWARD]
        if training:
            products.append(panels.WEIGHT_GRADIENT_SPARSE if first_sparse else panels.WEIGHT_GRADIENT)
        wanted |= {(product, v) for product in products for v in _widths(row, columns)}
        if training and index:
            wanted |= {(panels.INPUT_GRADIENT, v) for v in _widths(row, INPUTS)}
    return wanted


def _widths(row: np.ndarray, field: int) -> set[int]:
    count, n_wide, wide = (int(value) for value in row[field : field + 3])
    return {wide} if n_wide == count else {wide, wide - 1}


def pack_parameters(table: np.ndarray, weights: list[np.ndarray], biases: list[np.ndarray], flat: np.ndarray) -> None:
    """Copy (n_in, n_out) weights and (n_out,) biases into the padded buffer; the padding is left as it is."""
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
