"""Copies of operands: the same numbers in the order in which the products read them."""

from __future__ import annotations

import numpy as np
import pytest
from buffers import address, checked
from hypothesis import given
from hypothesis import strategies as st
from layers import call

from fastnet.kernels import copies
from fastnet.kernels.host import COPIED_ROWS, LANE_BYTES, LANES, TILE_ROWS, TILE_VECTORS


@pytest.mark.parametrize("vectors", range(1, TILE_VECTORS + 1))
@pytest.mark.parametrize("n_rows", [1, 5, 17])
def test_a_panel_is_copied_row_after_row(vectors, n_rows):
    width = vectors * LANES
    wide = np.random.default_rng(n_rows).normal(size=(n_rows, width + 2 * LANES)).astype(np.float32)
    with checked() as buffers:
        source, target = buffers.input(wide), buffers.output((n_rows, width))
        call(copies.copy_panel, address(source) + LANE_BYTES, wide.strides[0], n_rows, vectors, address(target))
    np.testing.assert_array_equal(target, wide[:, LANES : LANES + width])


@pytest.mark.parametrize("n_tiles", [1, 2, 5])
def test_columns_of_chosen_rows_are_copied_tile_by_tile(n_tiles):
    x = np.random.default_rng(0).normal(size=(9, TILE_ROWS * n_tiles + TILE_ROWS)).astype(np.float32)
    rows = np.array([4, 0, 8, 8, 3])
    with checked() as buffers:
        source, numbers = buffers.input(x), buffers.input(rows)
        target = buffers.output((n_tiles, len(rows), TILE_ROWS))
        call(
            copies.copy_columns,
            address(source), address(numbers), x.strides[0], len(rows), TILE_ROWS * n_tiles, address(target),
        )  # fmt: skip
    for tile in range(n_tiles):
        np.testing.assert_array_equal(target[tile], x[rows, TILE_ROWS * tile : TILE_ROWS * (tile + 1)])


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_blocks_of_a_sum_fit_the_copied_panel_and_are_nearly_equal(n, n_rows):
    block = call(copies.k_block, n, n_rows)
    if n <= COPIED_ROWS or n_rows < copies.MIN_ROWS:
        assert block == n
    else:
        n_blocks = -(-n // block)
        assert block <= COPIED_ROWS and n_blocks == -(-n // COPIED_ROWS)
        assert n - (n_blocks - 1) * block > 0, "the last block is not empty"


@given(st.integers(1, copies.MAX_BATCH))
def test_columns_copied_at_once_are_whole_tiles_within_their_limits(n_rows):
    columns = call(copies.columns_at_once, n_rows)
    assert columns % TILE_ROWS == 0 and copies.LEAST_COLUMNS <= columns <= copies.COLUMNS
    if columns > copies.LEAST_COLUMNS:
        assert 4 * columns * n_rows <= copies.COLUMN_BYTES


@given(st.integers(1, 3 * copies.MAX_BATCH))
def test_scratch_holds_a_tile_a_panel_and_the_columns_of_a_batch(batch_size):
    needed = copies.TILE_SCRATCH + COPIED_ROWS * TILE_VECTORS * LANES
    if call(copies.copies_operands, COPIED_ROWS + 1, batch_size, copies.MIN_PANELS):
        columns = call(copies.columns_at_once, batch_size)
        needed = copies.TILE_SCRATCH + batch_size * (TILE_VECTORS * LANES + columns)
    assert copies.scratch_size(batch_size) >= needed
