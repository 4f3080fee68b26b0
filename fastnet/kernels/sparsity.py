"""Which inputs are not zero: lists made once per data set, so that the first layer skips the zeros, exactly.

Images and one-hot tables are mostly zeros (MNIST: 81 %). A zero adds nothing to a chain of fused multiply-adds, so
leaving it out gives the same bits (for finite weights) and less work. The forward product walks each sample's non-zero
features; the weight gradient walks, for each pair of neighbouring features, the samples of the batch in which either is
not zero. Both lists of a sample are fixed; only the second has to be turned around for every batch.
"""

from __future__ import annotations

import numpy as np

from fastnet.kernels._jit import kernel
from fastnet.kernels.panels import SPARSE_ROWS

MAX_INDEX = 65_535
"""Lists hold uint16: wider data take the dense path."""

MAX_DENSITY = 0.5
"""Share of non-zero inputs up to which skipping pays. A constant, never measured at run time: for weights that are no
longer finite the two paths differ, and a study must not depend on the machine."""


def non_zero_lists(x: np.ndarray, group: int) -> tuple[np.ndarray, np.ndarray]:
    """List, for every sample, the groups of `group` neighbouring features that are not all zero.

    Parameters
    ----------
    x : (N, F) array
        Samples.
    group : int
        Features per group.

    Returns
    -------
    lists : uint16
        Group numbers, ascending, sample after sample.
    starts : (N + 1,) int64
        Where each sample's list begins.
    """
    n_samples, n_features = x.shape
    filled = np.zeros((n_samples, -(-n_features // group) * group), np.bool_)
    np.not_equal(x, 0, out=filled[:, :n_features])
    groups = filled.reshape(n_samples, -1, group).any(axis=2)
    starts = np.zeros(n_samples + 1, np.int64)
    np.cumsum(groups.sum(axis=1), out=starts[1:])
    return np.nonzero(groups)[1].astype(np.uint16), starts


@kernel
def samples_of_pairs(
    rows: np.ndarray, n_rows: int, lists: np.ndarray, starts: np.ndarray, samples: np.ndarray, counts: np.ndarray
) -> None:
    """Turn the pair lists of a batch around: which of its samples have something in a pair.

    rows     (>= n_rows,) int64, read                      lists, starts   of `non_zero_lists(x, SPARSE_ROWS)`, read
    samples  (pairs, capacity) uint16, written: positions in the batch, ascending     counts  (pairs,) int64, written
    """
    counts.fill(0)
    for r in range(n_rows):
        for p in range(starts[rows[r]], starts[rows[r] + 1]):
            q = np.int64(lists[p])
            n = counts[q]
            samples[q, n] = np.uint16(r)
            counts[q] = n + 1


def n_pairs(n_features: int) -> int:
    """Groups of the weight gradient in `n_features` features."""
    return -(-n_features // SPARSE_ROWS)
