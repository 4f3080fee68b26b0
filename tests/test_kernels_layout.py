"""The layout of a network: nothing overlaps, everything starts on a cache line, and what is packed comes out again."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from cases import NETWORKS, SIZES
from hypothesis import given
from hypothesis import strategies as st

from fastnet.kernels import layout, panels
from fastnet.kernels.host import ALIGNMENT, LANES, TILE_ROWS

networks = st.lists(st.sampled_from(SIZES), min_size=2, max_size=6).map(tuple)
LINE = ALIGNMENT // 4


@given(st.sampled_from(SIZES))
def test_rows_are_whole_vectors_and_hold_whole_tiles(n):
    ld = layout.leading(n)
    assert ld % LANES == 0 and ld >= -(-n // TILE_ROWS) * TILE_ROWS and ld - n < LANES + TILE_ROWS


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
@pytest.mark.parametrize("shape", [1, 7, (3, 5), (2, 3, 4, 5)])
def test_aligned_arrays_are_zeros_on_a_cache_line(shape, dtype):
    array = layout.aligned(shape, dtype)
    assert array.shape == (shape if isinstance(shape, tuple) else (shape,)) and array.dtype == dtype
    assert not array.any() and array.ctypes.data % ALIGNMENT == 0 and array.flags.c_contiguous


def assert_apart(places: list[tuple[int, int]], size: int) -> None:
    """Fail unless the (begin, length) given follow each other without overlap, within a size."""
    ends = [begin + length for begin, length in places]
    assert all(end <= begin for end, (begin, _) in zip(ends, places[1:], strict=False)) and ends[-1] <= size


@given(networks, st.sampled_from(SIZES), st.booleans())
def test_nothing_overlaps_and_everything_begins_on_a_line(sizes, n_rows, slopes):
    plan = layout.layout(sizes, n_rows, slopes=slopes)
    assert plan.n_rows % TILE_ROWS == 0 and 0 <= plan.n_rows - n_rows < TILE_ROWS
    table = plan.table
    n_in, ldw = table[:, layout.N_IN], table[:, layout.LDW]
    assert table[:, [layout.N_IN, layout.N_OUT]].tolist() == [list(pair) for pair in pairwise(sizes)]
    parameters = []
    for row in table:
        parameters += [(row[layout.W], row[layout.N_IN] * row[layout.LDW]), (row[layout.B], row[layout.LDW])]
    assert_apart(parameters, plan.n_parameters)
    outputs = [(row[layout.Y], plan.n_rows * row[layout.LDW]) for row in table]
    gradients = [(plan.gradient + i * plan.gradient_size, plan.n_rows * int(ldw.max())) for i in range(2)]
    transposed = max((layout.leading(i) * o for i, o in zip(n_in[1:], sizes[2:], strict=True)), default=0)
    floats = [*outputs, *gradients, (plan.transposed, transposed)]
    if slopes:
        floats += [(plan.slopes + row[layout.Y], plan.n_rows * row[layout.LDW]) for row in table[:-1]]
    assert_apart(floats, plan.n_floats)
    bits = [(row[layout.ACTIVE], plan.n_rows * row[layout.LD_ACTIVE]) for row in table]
    assert_apart([*bits, (plan.keep, plan.n_rows * int(table[:, layout.LD_ACTIVE].max()))], plan.n_bytes)
    assert_apart([(row[layout.LISTS], plan.n_rows * row[layout.CAPACITY]) for row in table], plan.n_lists)
    assert_apart([(row[layout.MARKS], plan.n_rows * row[layout.N_BLOCKS]) for row in table], plan.n_marks)
    assert (table[:, layout.CAPACITY] >= table[:, layout.N_OUT]).all()
    assert all(begin % LINE == 0 for begin, _ in (*outputs, *gradients)) and (table[:, layout.W] % LINE == 0).all()


@given(networks)
def test_parameters_come_out_as_they_went_in_and_the_padding_stays(sizes):
    plan = layout.layout(sizes, 10)
    random = np.random.default_rng(1)
    shapes = list(pairwise(sizes))
    weights = [random.normal(size=shape).astype(np.float32) for shape in shapes]
    biases = [random.normal(size=n_out).astype(np.float32) for _, n_out in shapes]
    flat = np.full(plan.n_parameters, np.nan, np.float32)
    layout.pack_parameters(plan.table, weights, biases, flat)
    found = layout.unpack_parameters(plan.table, flat)
    for expected, arrays in zip((weights, biases), found, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(expected, arrays, strict=True))
    n_numbers = sum(n_in * n_out + n_out for n_in, n_out in shapes)
    assert np.isnan(flat).sum() == len(flat) - n_numbers


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_panels_are_those_of_the_products_that_a_network_calls(network):
    table = layout.layout((network.n_features, *network.hidden, network.n_classes), 30).table

    def products(**how: bool) -> set[int]:
        how = {"listed_inputs": False, "listed_hidden": False, "training": True} | how
        return {int(product) for product, _ in layout.panels_of(table, **how)}

    deep = len(network.hidden) > 0
    forward, gradients = {int(panels.FORWARD)}, {int(panels.WEIGHT_GRADIENT)}
    assert products(training=False) == forward
    assert products() == forward | gradients | ({int(panels.INPUT_GRADIENT)} if deep else set())
    listed = products(listed_inputs=True)
    assert {int(panels.FORWARD_PACKED), int(panels.WEIGHT_GRADIENT_LISTED)} <= listed
    assert (int(panels.WEIGHT_GRADIENT) in listed) == deep, "only the first layer skips the zeros of inputs"
    sizes = pairwise((*network.hidden, network.n_classes))
    wide = any(n_in >= layout.MIN_UNITS and n_out >= layout.MIN_LISTED for n_in, n_out in sizes)
    assert (int(panels.FORWARD_ACTIVE) in products(listed_hidden=True)) == wide
