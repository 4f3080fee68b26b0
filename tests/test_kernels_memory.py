"""Memory by address: every kind of number arrives as it was written, and nothing around it changes."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from buffers import address, checked
from hypothesis import given
from hypothesis import strategies as st
from layers import call

from fastnet.kernels import host, memory

NUMBERS = [
    (memory.load_u8, memory.store_u8, np.uint8, [0, 1, 200, 255]),
    (memory.load_u16, memory.store_u16, np.uint16, [0, 256, 65535]),
    (memory.load_i64, memory.store_i64, np.int64, [0, -1, 2**62, -(2**63)]),
    (memory.load_f32, memory.store_f32, np.float32, [0.0, -1.5, np.inf, 1e-45]),
]


@pytest.mark.parametrize(("load", "store", "kind", "values"), NUMBERS, ids=["uint8", "uint16", "int64", "float32"])
def test_numbers_are_read_as_they_were_written(load, store, kind, values):
    with checked() as buffers:
        out = buffers.output(len(values), kind)
        for place, value in enumerate(values):
            value = np.float32(value) if kind is np.float32 else value
            call(store, address(out) + place * out.itemsize, value)
        found = [call(load, address(out) + place * out.itemsize) for place in range(len(values))]
    assert found == np.array(values, kind).tolist() == out.tolist()


def test_an_integer_that_does_not_fit_loses_its_upper_bits():
    out = np.zeros(4, np.uint8)
    call(memory.store_u8, address(out) + 1, 0x1234)
    assert out.tolist() == [0, 0x34, 0, 0]


def test_numbers_of_four_and_eight_bytes_are_read_and_written_at_any_alignment():
    out = np.zeros(24, np.uint8)
    call(memory.store_i64, address(out) + 3, -2)
    assert out[3:11].view(np.int64).tolist() == [-2] and not out[:3].any() and not out[11:].any()
    assert call(memory.load_u32, address(out) + 5) == 2**32 - 1


def test_an_array_is_made_from_its_address_without_a_copy():
    numbers = np.arange(5)

    @numba.njit
    def double(place, count):
        rows = memory.rows_at(place, count)
        for i in range(rows.shape[0]):
            rows[i] *= 2
        return rows.shape[0]

    assert double(address(numbers), 3) == 3 and numbers.tolist() == [0, 2, 4, 3, 4]
    assert call(memory.address_of, numbers) == address(numbers)


@given(st.integers(0, 2**64 - 1))
def test_set_bits_are_counted(bits):
    assert call(memory.count_bits, np.int64(np.uint64(bits).view(np.int64))) == bits.bit_count()


@given(st.integers(0, 65535), st.integers(0, 2**32 - 1))
def test_equal_numbers_have_their_bits(value, seed):
    numbers = np.random.default_rng(seed).choice([value, value ^ 1, value ^ 0x100], 64).astype(np.uint16)
    bits = call(memory.equal_bits, address(numbers), value)
    assert [bits >> place & 1 for place in range(64)] == (numbers == value).tolist()


@pytest.mark.skipif(not host.COMPRESSES, reason="this processor has no instruction that lists set bits")
@given(st.integers(0, 2**64 - 1), st.integers(0, 191))
def test_set_bits_are_listed_in_order(bits, first):
    out = np.zeros(64, np.uint8)
    call(memory.list_set_bits, np.int64(np.uint64(bits).view(np.int64)), first, address(out))
    expected = [first + bit for bit in range(64) if bits >> bit & 1]
    assert out[: len(expected)].tolist() == expected


def test_a_counter_returns_its_value_from_before_and_is_shared():
    counter = np.array([5])
    assert call(memory.fetch_add, address(counter), 3) == 5
    assert call(memory.fetch_add, address(counter), -8) == 8
    assert counter.tolist() == [0] and call(memory.load_shared, address(counter)) == 0


def test_the_clock_never_goes_back():
    times = [call(memory.clock) for _ in range(100)]
    assert np.isnan(times).all() or (np.diff(times) >= 0).all()


def test_asking_for_memory_changes_none_of_it():
    values = np.arange(64.0)
    call(memory.prefetch, address(values))
    assert values.tolist() == list(range(64))
