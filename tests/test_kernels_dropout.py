"""Dropout's bits in the kernels: those of the reference, and nothing written elsewhere."""

from __future__ import annotations

import numpy as np
from buffers import checked
from cases import SIZES
from hypothesis import example, given, settings
from hypothesis import strategies as st
from layers import active_bytes, call, unpack_bits
from properties import examples

from fastnet import reference
from fastnet.config.training import TrainConfig
from fastnet.kernels.context import THRESHOLD
from fastnet.kernels.dropout import Draw, keep_bits
from fastnet.network.hyperparameters import trial_of

seeds = st.integers(0, 2**64 - 1)
streams = st.integers(0, 2**32 - 1)
sizes = st.sampled_from(SIZES)
thorough = settings(max_examples=examples(40))


def threshold_of(dropout: float) -> int:
    return int(trial_of(TrainConfig(dropout=dropout), 0).dropout[0, THRESHOLD])


@thorough
@given(
    *(seeds, streams, st.integers(0, 1000), st.integers(0, 2**31 - 1)),
    *(sizes, sizes, st.sampled_from([1e-5, 0.1, 0.25, 0.5, 0.9, 0.99999999])),
)
@example(0, 0, 0, 0, 100, 100, 0.5)
def test_keep_bits_are_the_reference(seed, stream, layer, step, n_rows, n_units, dropout):
    ld = active_bytes(n_units)
    with checked() as buffers:
        keep = buffers.output((n_rows, ld), np.uint8)
        draw = Draw(np.uint64(seed), stream, layer, step)
        call(keep_bits, draw, n_rows, n_units, threshold_of(dropout), ld, keep.reshape(-1))
    expected = reference.rng.keep_mask(seed, stream, layer, step, n_rows, n_units, dropout)
    assert (unpack_bits(keep)[:, :n_units] == expected).all()
