"""Lists of non-zero values, with which products skip the zeros exactly.

A zero adds nothing to a chain of fused multiply-adds, so omitting it gives the same bits (for finite weights) with less
work. Two things are mostly or half zero: the inputs (MNIST has 81 % of zeros, one-hot tables more), whose lists are
made once per data set, and the outputs of hidden layers after ReLU and dropout, whose lists are made from the activity
bits that the forward product leaves.

Whether lists are used depends on the data alone, never on the machine: for weights that are no longer finite the two
ways differ, and a study must not. The length of their blocks may depend on the machine: it changes no chain.
"""

from __future__ import annotations

import numpy as np

from fastnet.kernels import _jit
from fastnet.kernels._jit import kernel
from fastnet.kernels.host import COMPRESSES, GROUP, LANES
from fastnet.kernels.layout import LIST_BLOCK
from fastnet.kernels.memory import address_of, count_bits, list_set_bits, load_i64, load_u8, store_i64, store_u16
from fastnet.kernels.operands import Pairs, Turned
from fastnet.kernels.panels import PAIR

MAX_BATCH = 65_535
"""Positions in a batch are uint16: larger batches take the dense path."""

MAX_INPUT_DENSITY = 0.5
"""Largest share of non-zero inputs for which lists are used."""

MAX_ACTIVE = 0.6
"""Largest share of active hidden outputs for which lists are used. Measured for width 100 on AVX2: 17 microseconds with
lists against 22 without at one half, equal at two thirds."""

INPUT_BLOCK = 196 if LANES == 16 else 112
"""Features of one block of a sample's list: their weights in a panel fill the first-level cache once and are then used
by every sample of the batch (47 microseconds for the book's first layer on AVX2, against 85 in one piece; with 16 lanes
196 shortened a whole trial from 56.5 to 55.6 ms)."""

PAIRS_IN_BLOCK = INPUT_BLOCK // PAIR

_EACH_BYTE = _jit.typed(0x0101010101010101)

_SET_BITS = np.zeros((256, 8), np.uint8)
for _byte in range(256):
    _set = [bit for bit in range(8) if _byte >> bit & 1]
    _SET_BITS[_byte, : len(_set)] = _set
_N_SET = np.array([_byte.bit_count() for _byte in range(256)], np.uint8)


def non_zero_lists(x: np.ndarray, group: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List, for each of N samples, the groups of `group` neighbouring features that are not all zero, and their values.

    Parameters
    ----------
    x : (N, F) float32
    group : int
        Features per group: 1 or `PAIR`.

    Returns
    -------
    lists : (n,) uint8
        Group numbers within their block, ascending, block after block and sample after sample.
    values : (n, group) float32
        The features of those groups.
    starts : (N * blocks + 1,) int64
        Where the list of each block of each sample begins; a block is `INPUT_BLOCK` features.
    """
    n_samples, n_features = x.shape
    n_blocks = n_input_blocks(n_features)
    lists, values, counts = [], [], [np.zeros(1, np.int64)]
    for begin in range(0, n_samples, _SAMPLES_AT_ONCE):
        some = x[begin : begin + _SAMPLES_AT_ONCE]
        padded = np.zeros((len(some), n_blocks * INPUT_BLOCK), np.float32)
        padded[:, :n_features] = some
        groups = padded.reshape(len(some), -1, group)
        filled = (groups != 0).any(axis=2)
        lists.append((np.nonzero(filled)[1] % (INPUT_BLOCK // group)).astype(np.uint8))
        values.append(groups[filled])
        counts.append(filled.reshape(len(some) * n_blocks, -1).sum(axis=1))
    if n_samples == 0:
        return np.zeros(0, np.uint8), np.zeros((0, group), np.float32), np.zeros(1, np.int64)
    return np.concatenate(lists), np.concatenate(values), np.cumsum(np.concatenate(counts))


_SAMPLES_AT_ONCE = 4096


def n_input_blocks(n_features: int) -> int:
    """Return the number of blocks of a sample's list."""
    return -(-n_features // INPUT_BLOCK)


@kernel
def samples_of_pairs(pairs: Pairs, thread: int, block: int, n_blocks: int) -> Turned:
    """Transpose one block of a batch's pair lists, in a thread's memory: for each pair, the samples with a value in it.

    One block at a time, its lists stay in the first-level cache: 27 microseconds a batch fell by a third.
    """
    samples, counts = pairs.samples[thread], pairs.counts[thread]
    for q in range(PAIRS_IN_BLOCK):
        counts[q] = 0
    capacity = samples.shape[1]
    list_base, value_base = address_of(pairs.lists), address_of(pairs.values)
    count_base, sample_base = address_of(counts), address_of(samples)
    copy_base = address_of(pairs.sample_values[thread])
    rows, starts = pairs.rows, pairs.starts
    for r in range(rows.shape[0]):
        mark = rows[r] * n_blocks + block
        for p in range(starts[mark], starts[mark + 1]):
            q = load_u8(list_base + p)
            n = load_i64(count_base + 8 * q)
            place = q * capacity + n
            store_u16(sample_base + 2 * place, r)
            store_i64(copy_base + 8 * place, load_i64(value_base + 8 * p))  # two floats at once
            store_i64(count_base + 8 * q, n + 1)
    return Turned(sample_base, copy_base, capacity, count_base)


@kernel
def list_active(
    bits: np.ndarray, ld: int, n_rows: int, capacity: int, n_blocks: int, lists: np.ndarray, begins: np.ndarray,
    ends: np.ndarray,
) -> int:  # fmt: skip
    """List the set bits of every row, in blocks of `LIST_BLOCK` columns, and return their number.

    bits    (n_rows * ld,) uint8, a byte per `GROUP` columns, read
    lists   (n_rows * capacity,) uint8, columns within their block, row r from r * capacity on, written
    begins, ends  (n_rows * n_blocks,) int64, written

    Up to `LIST_ROOM` columns become entries at once, and that number of entries is always written: the next ones
    overwrite the surplus. Entries of one byte, not two, halve what a step writes and reads of them.
    """
    per_block = LIST_BLOCK // GROUP
    total = 0
    set_bits, n_set, out = address_of(_SET_BITS), address_of(_N_SET), address_of(lists)
    begin, end, source = address_of(begins), address_of(ends), address_of(bits)
    for r in range(n_rows):
        place = r * capacity
        for block in range(n_blocks):
            first = block * per_block
            store_i64(begin, place)
            last = min(ld - first, per_block)
            if COMPRESSES:
                for byte in range(0, last, 8):
                    left = last - byte
                    found = load_i64(source + first + byte)
                    found = found if left >= 8 else found & (1 << 8 * left) - 1
                    list_set_bits(found, byte * GROUP, out + place)
                    place += count_bits(found)
            else:
                for byte in range(last):
                    found = load_u8(source + first + byte)
                    store_i64(out + place, load_i64(set_bits + 8 * found) + byte * GROUP * _EACH_BYTE)
                    place += load_u8(n_set + found)
            store_i64(end, place)
            begin, end = begin + 8, end + 8
        total += place - r * capacity
        source += ld
    return total
