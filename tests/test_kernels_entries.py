"""The products of compressed sparse rows, panel by panel, at every width and end."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from fastnet.kernels import host, layout, panels
from fastnet.kernels._jit import entry
from fastnet.kernels.memory import address_of, invoke
from fastnet.kernels.operands import End, Entries, Gathered, Matrix, Rule, Span
from fastnet.kernels.panels import FORWARD_ENTRIES, WEIGHT_GRADIENT_ENTRIES
from fastnet.kernels.tile import LINEAR, RELU, RELU_KEPT
from fastnet.kernels.update import N_HYPER

WIDTHS = sorted({1, 2, host.LIST_VECTORS - 1, host.LIST_VECTORS})
N, F = 11, 40


@entry
def _forward(micro, rows, starts, columns, values, w, bias, y, kind, scale, active, keep):
    x = Entries(address_of(rows), address_of(starts), address_of(columns), address_of(values))
    end = End(kind, address_of(active), address_of(keep), active.shape[1], scale)
    invoke(
        micro, Span(0, rows.shape[0]), x, Matrix(address_of(w), 4 * w.shape[1]), address_of(bias),
        Matrix(address_of(y), 4 * y.shape[1]), end,
    )  # fmt: skip


@entry
def _update(micro, touched, begins, samples, values, dy, w, hyper, scratch):
    x = Gathered(address_of(touched), address_of(begins), address_of(samples), address_of(values))
    invoke(
        micro, touched.shape[0], x, Matrix(address_of(dy), 4 * dy.shape[1]), Matrix(address_of(w), 4 * w.shape[1]),
        Rule(0, 0, address_of(hyper)), address_of(scratch),
    )  # fmt: skip


def draw(vectors: int):
    rng = np.random.default_rng(vectors)
    x = (rng.standard_normal((N, F)) * (rng.random((N, F)) < 0.2)).astype(np.float32)
    x[3] = 0.0
    n_out = vectors * host.LANES
    w, bias = layout.aligned((F, n_out)), layout.aligned((n_out,))
    w[...], bias[...] = rng.standard_normal((F, n_out)), rng.standard_normal(n_out)
    return rng, x, w, bias


def chain(x: np.ndarray, w: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Sum x @ w from `start` in float64, value by value: within a rounding of float32 of any order."""
    return start + x.astype(np.float64) @ w.astype(np.float64)


@pytest.mark.parametrize("vectors", WIDTHS)
@pytest.mark.parametrize("kind", [LINEAR, RELU, RELU_KEPT])
def test_the_forward_product(vectors, kind):
    panels.compile_panels([(FORWARD_ENTRIES, vectors)])
    rng, x, w, bias = draw(vectors)
    rows = np.array([4, 0, 3, 10, 4])
    sparse = csr_array(x)
    y = layout.aligned((len(rows), len(bias)))
    active = np.zeros((len(rows), vectors * host.MASK_BYTES), np.uint8)
    keep = rng.integers(0, 256, active.shape, np.uint8)
    _forward(
        panels.TABLE[FORWARD_ENTRIES, vectors], rows, sparse.indptr.astype(np.int64), sparse.indices.view(np.uint32),
        sparse.data, w, bias, y, kind, np.float32(0.5), active, keep,
    )  # fmt: skip
    full = chain(x[rows], w, bias)
    kept = np.unpackbits(keep[:, :, None], axis=2, bitorder="little")[:, :, : host.GROUP].reshape(len(rows), -1) == 1
    chosen = (full > 0) & (kept if kind == RELU_KEPT else True)
    expected = full if kind == LINEAR else np.where(chosen, 0.5 * full, 0.0)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    if kind != LINEAR:
        bits = np.unpackbits(active[:, :, None], axis=2, bitorder="little")[:, :, : host.GROUP]
        np.testing.assert_array_equal(bits.reshape(len(rows), -1) == 1, y != 0)
    if kind != RELU_KEPT:
        np.testing.assert_array_equal(y[0], y[4])


@pytest.mark.parametrize("vectors", WIDTHS)
def test_the_weight_gradient_and_its_update(vectors):
    panels.compile_panels([(WEIGHT_GRADIENT_ENTRIES, vectors)])
    rng, x, w, _ = draw(vectors)
    by_feature = csr_array(x.T)
    touched = np.flatnonzero(np.diff(by_feature.indptr))
    assert 0 < len(touched) < F
    some = by_feature[touched]
    dy = layout.aligned((N, w.shape[1]))
    dy[...] = rng.standard_normal(dy.shape)
    hyper = np.zeros(N_HYPER, np.float32)
    hyper[:2] = 0.25, 0.5
    before = w.copy()
    _update(
        panels.TABLE[WEIGHT_GRADIENT_ENTRIES, vectors], touched.astype(np.uint32), some.indptr.astype(np.uint32),
        some.indices.astype(np.uint32), some.data, dy, w, hyper, layout.aligned(1024),
    )  # fmt: skip
    expected = before - 0.25 * (x.T.astype(np.float64) @ dy + 0.5 * before)
    np.testing.assert_allclose(w[touched], expected[touched], atol=1e-5)
    others = np.setdiff1d(np.arange(F), touched)
    np.testing.assert_array_equal(w[others], before[others])
