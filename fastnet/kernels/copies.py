"""Copies of operands in the order in which the dense products read them.

A panel of a wide matrix is a few vectors in each of many rows, a page or more apart. If every tile reads it in place,
it misses the first-level cache, whose sets its rows share unevenly, and the table of recent pages, which is shorter
than the panel. Copied once into consecutive lines, `COPIED_ROWS` rows at a time, it stays there while all rows of a
batch stream past. Sums over longer k wait in the result between blocks, so each stays one chain in the order of k.
"""

from __future__ import annotations

from fastnet.kernels._jit import kernel
from fastnet.kernels.host import COPIED_ROWS, LANE_BYTES, LANES, PANEL_VECTORS, TILE_ROWS, TILE_VECTORS
from fastnet.kernels.memory import load_i64, store_i64
from fastnet.kernels.vector import load_vector, store_vector

MIN_ROWS = 24
"""Smallest batch for which copying a panel pays."""

MIN_PANELS = 4
"""Smallest number of panels of a result for which the weight gradient of more than `COPIED_ROWS` inputs copies its
operands: 784 x 100 rose from 0.53 to 0.58 of the peak, 100 x 100 gained nothing."""

MAX_BATCH = 4096
"""Largest batch for which the weight gradient copies its operands: the memory for them grows with it."""

COLUMNS = 32 * TILE_ROWS
"""Largest number of input columns that the weight gradient copies at a time."""

LEAST_COLUMNS = 16 * TILE_ROWS
COLUMN_BYTES = 128 * 1024
"""Preferred size of that copy: with 16 lanes, 1024 x 1024 at batch 512 rose from 0.82 to 0.845 of the peak with a copy
of fewer than 32 tiles, and 512 x 512 at batch 256 by 0.01; at batch 128 fewer are slower."""

TILE_SCRATCH = TILE_ROWS * PANEL_VECTORS * LANES
"""Floats at the front of a thread's scratch: a gradient tile for an update rule."""


def scratch_size(batch_size: int) -> int:
    """Return the number of floats of scratch that one thread needs."""
    rows = batch_size if batch_size <= MAX_BATCH else 0
    return TILE_SCRATCH + max(COPIED_ROWS, rows) * TILE_VECTORS * LANES + rows * COLUMNS


@kernel
def k_block(n: int, n_rows: int) -> int:
    """Return the length of a block of a sum over `n` for `n_rows` rows: all of it if copying panels would not pay."""
    if n <= COPIED_ROWS or n_rows < MIN_ROWS:
        return n
    n_blocks = (n + COPIED_ROWS - 1) // COPIED_ROWS
    return (n + n_blocks - 1) // n_blocks


@kernel
def copies_operands(n_in: int, n_rows: int, n_panels: int) -> bool:
    """Whether the weight gradient of `n_in` inputs and `n_rows` rows copies its operands."""
    return MIN_ROWS <= n_rows <= MAX_BATCH and n_in > COPIED_ROWS and n_panels >= MIN_PANELS


@kernel
def columns_at_once(n_rows: int) -> int:
    """Return the number of columns of `n_rows` inputs that the weight gradient copies at a time."""
    n_tiles = COLUMN_BYTES // (4 * TILE_ROWS * n_rows)
    return max(LEAST_COLUMNS, min(n_tiles * TILE_ROWS, COLUMNS))


@kernel
def copy_panel(source: int, stride: int, n_rows: int, vectors: int, target: int) -> None:
    """Copy a panel, `vectors` wide with rows `stride` bytes apart, to consecutive rows."""
    width = vectors * LANE_BYTES
    for k in range(n_rows):
        row = source + k * stride
        for v in range(0, width, LANE_BYTES):
            store_vector(load_vector(row + v), target + v)
        target += width


@kernel
def copy_columns(x: int, rows: int, ldx: int, n_rows: int, n_columns: int, target: int) -> None:
    """Copy columns of chosen rows tile by tile: for each `TILE_ROWS` columns all rows, `TILE_ROWS` floats each."""
    tile_bytes = 4 * TILE_ROWS
    for k in range(n_rows):
        source = x + load_i64(rows + 8 * k) * ldx
        place = target + k * tile_bytes
        for _ in range(0, n_columns, TILE_ROWS):
            for part in range(0, tile_bytes, 8):
                store_i64(place + part, load_i64(source + part))
            source += tile_bytes
            place += n_rows * tile_bytes
