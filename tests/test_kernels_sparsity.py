"""Lists of non-zero values: complete, in order, and small enough for their entries."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from buffers import checked
from cases import SIZES, LayerShape
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import active_bytes, call, pack_bits
from properties import examples

from fastnet.kernels import layout, panels, sparsity
from fastnet.kernels.host import round_up

seeds = st.integers(0, 2**32 - 1)
thorough = settings(max_examples=examples(60))


def draw_samples(seed: int, shape: LayerShape, filled: float) -> tuple[np.ndarray, np.ndarray]:
    """More samples than the batch takes, some of their values zero, and the batch's rows, with repeats."""
    random = np.random.default_rng((seed, 1))
    values = random.normal(size=(shape.batch + 2, shape.n_in)) * (random.random((shape.batch + 2, shape.n_in)) < filled)
    return values.astype(np.float32), random.integers(0, shape.batch + 2, shape.batch)


@thorough
@given(st.sampled_from(SIZES), st.sampled_from([*SIZES, 784]), seeds, st.sampled_from([0.0, 0.2, 1.0]))
def test_lists_of_samples_hold_all_non_zero_values(n_samples, n_features, seed, filled):
    values, _ = draw_samples(seed, LayerShape(n_samples, n_features, 1), filled)
    for group in (1, panels.PAIR):
        lists, kept, starts = sparsity.non_zero_lists(values, group)
        n_blocks = sparsity.n_input_blocks(n_features)
        assert len(starts) == len(values) * n_blocks + 1 and (lists.dtype, kept.shape) == (
            np.uint8,
            (len(lists), group),
        )
        again = np.zeros((len(values), round_up(n_features, group)), np.float32)
        for mark, (begin, end) in enumerate(pairwise(starts.tolist())):
            places = lists[begin:end].astype(np.int64)
            first = mark % n_blocks * sparsity.INPUT_BLOCK // group
            assert (np.diff(places) > 0).all() and (places < sparsity.INPUT_BLOCK // group).all()
            again.reshape(len(values), -1, group)[mark // n_blocks, first + places] = kept[begin:end]
        assert (again[:, :n_features] == values).all() and (kept != 0).any(axis=1).all()


@thorough
@given(st.sampled_from(SIZES), st.sampled_from(SIZES), seeds, st.sampled_from([0.0, 0.3, 1.0]))
def test_lists_of_active_outputs_name_every_set_bit_in_order(n_rows, n_columns, seed, share):
    mask = np.random.default_rng(seed).random((n_rows, n_columns)) < share
    n_bytes, n_blocks = active_bytes(n_columns), -(-n_columns // layout.LIST_BLOCK)
    capacity = int(layout.layout((1, n_columns), n_rows).table[0, layout.CAPACITY])
    with checked() as buffers:
        bits = buffers.input(pack_bits(mask, n_bytes, pad=False)).reshape(-1)
        lists = buffers.output(n_rows * capacity, np.uint8)
        marks = [buffers.output(n_rows * n_blocks, np.int64) for _ in range(2)]
        total = call(sparsity.list_active, bits, n_bytes, n_rows, capacity, n_blocks, lists, *marks)
    assert total == np.count_nonzero(mask)
    for mark, (begin, end) in enumerate(zip(*marks, strict=True)):
        row, block = divmod(mark, n_blocks)
        first = block * layout.LIST_BLOCK
        assert lists[begin:end].tolist() == np.flatnonzero(mask[row, first : first + layout.LIST_BLOCK]).tolist()
