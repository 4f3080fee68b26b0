"""Random numbers of the kernels: to the last bit those of the reference, and nothing written outside."""

from __future__ import annotations

import math

import numpy as np
import pytest
from buffers import checked
from cases import SIZES
from hypothesis import example, given, settings
from hypothesis import strategies as st
from layers import call
from properties import examples

from fastnet import reference
from fastnet.kernels import rng

seeds = st.integers(0, 2**64 - 1)
streams = st.integers(0, 2**32 - 1)
sizes = st.sampled_from(SIZES)
thorough = settings(max_examples=examples(40))


def words(c0: int, c1: int, c2: int, c3: int, seed: int) -> tuple[int, ...]:
    """Call the kernel with the types that the stages use."""
    return tuple(int(word) for word in call(rng.philox, c0, c1, np.int64(c2), c3, np.uint64(seed)))


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((0xFFFFFFFF,) * 4, 2**64 - 1, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), 0x299F31D0A4093822, "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_gives_the_published_answers(counter, key, expected):
    assert " ".join(f"{word:08x}" for word in words(*counter, key)) == expected


@thorough
@given(st.tuples(*(st.integers(0, 2**32 - 1),) * 4), seeds)
def test_philox_is_the_reference(counter, seed):
    expected = reference.rng.philox4x32(*counter, seed & 0xFFFFFFFF, seed >> 32)
    assert words(*counter, seed) == tuple(int(word) for word in expected)


@thorough
@given(seeds, streams, st.integers(0, 1000), sizes, sizes, st.sampled_from(["he", "xavier"]), st.integers(0, 20))
def test_initial_weights_are_the_reference(seed, stream, layer, n_in, n_out, init, extra):
    deviation = math.sqrt(2.0 / {"he": n_in, "xavier": n_in + n_out}[init])
    with checked() as buffers:
        w = buffers.output((n_in, n_out + extra))
        call(rng.initial_weights, np.uint64(seed), stream, layer, n_in, n_out, n_out + extra, deviation, w.reshape(-1))
    expected = reference.rng.initial_weights(seed, stream, layer, n_in, n_out, init)
    assert w[:, :n_out].tobytes() == expected.tobytes()
    assert np.isnan(w[:, n_out:]).all(), "the padding was written"


def test_half_a_million_weights_are_the_reference_far_into_both_tails():
    deviation = math.sqrt(2.0 / 500)
    w = np.empty((500, 1000), np.float32)
    call(rng.initial_weights, np.uint64(3), 1, 0, 500, 1000, 1000, deviation, w.reshape(-1))
    assert w.tobytes() == reference.rng.initial_weights(3, 1, 0, 500, 1000, "he").tobytes()
    assert w.max() > 4.4 * deviation and w.min() < -4.4 * deviation


@pytest.mark.parametrize(
    "p", [2.0**-33, 1e-9, 1e-5, 0.0749999, 0.075, 0.3, 0.5, 0.925, 0.9250001, 1 - 1e-9, 1 - 2**-33]
)
def test_normal_quantile_is_the_reference(p):
    assert call(rng.normal_quantile, p) == float(reference.rng.normal_quantile(np.array([p]))[0])


@thorough
@given(st.floats(1e-300, 1e300))
@example(1.0)
@example(math.sqrt(0.5))
def test_log_is_the_reference(x):
    assert call(rng.log_exact, x) == float(reference.rng.log_exact(np.array([x]))[0])


@thorough
@given(seeds, streams, st.integers(0, 2**31 - 1), st.one_of(sizes, st.just(400), st.just(5)))
def test_shuffle_is_the_reference(seed, stream, epoch, n):
    with checked() as buffers:
        order = buffers.updated(np.arange(n) + 7)
        call(rng.shuffle, np.uint64(seed), stream, epoch, order)
    assert (order == reference.rng.shuffle(seed, stream, epoch, n) + 7).all()


@thorough
@given(seeds, st.lists(streams, max_size=9), st.integers(0, 100))
def test_uniforms_are_the_reference(seed, trials, index):
    with checked() as buffers:
        actual = call(rng.uniforms, np.uint64(seed), buffers.input(np.array(trials, np.int64)), rng.SPACE, index)
    halves = seed & 0xFFFFFFFF, seed >> 32
    drawn = [reference.rng.philox4x32(index, 0, reference.rng.SPACE, trial, *halves)[0] for trial in trials]
    assert actual.tolist() == [float(reference.rng.uniform(word)) for word in drawn]
