"""The microkernels of a first layer that reads compressed sparse rows, one column panel at a time; see `csr`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnet.kernels import _jit
from fastnet.kernels.host import LANE_BYTES
from fastnet.kernels.memory import invoke, load_f32, load_i64, load_u32
from fastnet.kernels.operands import End, Entries, Gathered, Matrix, Rule, Span, signature
from fastnet.kernels.tile import (
    finish,
    load_row,
    rank1,
    rank1_strided,
    store,
    store_sgd,
    zeros,
)


def forward_entries(vectors: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of the forward product of compressed sparse rows, one sample at a time."""

    def forward(span: Span, x: Entries, w: Matrix, bias: int, y: Matrix, end: End) -> None:
        """Compute y = end(x @ w + bias): rows of B, a panel of O, the values that the samples have."""
        for r in range(span.first, span.last):
            starts = x.starts + 8 * load_i64(x.rows + 8 * r)
            out = y.at + r * y.ld
            tile = load_row(zeros(1, vectors), bias)
            for p in range(load_i64(starts), load_i64(starts + 8)):
                tile = rank1_strided(tile, x.values + 4 * p, 4, w.at + load_u32(x.columns + 4 * p) * w.ld)
            bits = r * end.ld
            finish(tile, out, y.ld, end.kind, end.scale, end.active + bits, end.ld, end.keep + bits)

    return signature(Span, Entries, Matrix, int, Matrix, End), forward


def weight_gradient_entries(vectors: int) -> tuple[Any, Callable[..., None]]:
    """Return signature and source of the weight gradient of the features that a batch has."""
    row_bytes = _jit.typed(vectors * LANE_BYTES)

    def weight_gradient(n_columns: int, x: Gathered, dy: Matrix, w: Matrix, rule: Rule, scratch: int) -> None:
        """Compute dw for `n_columns` features, a panel of O, and update their rows of w by it."""
        for c in range(n_columns):
            tile = zeros(1, vectors)
            p, stop = load_u32(x.begins + 4 * c), load_u32(x.begins + 4 * c + 4)
            while p < stop:
                tile = rank1(tile, (load_f32(x.values + 4 * p),), dy.at + load_u32(x.samples + 4 * p) * dy.ld)
                p += 1
            out = w.at + load_u32(x.columns + 4 * c) * w.ld
            if rule.update == 0:
                store_sgd(tile, out, w.ld, load_f32(rule.hyper), load_f32(rule.hyper + 4))
            else:
                store(tile, scratch, row_bytes)
                invoke(rule.update, 1, row_bytes // 4, scratch, row_bytes, out, w.ld, rule.offset, rule.hyper)

    return signature(int, Gathered, Matrix, Matrix, Rule, int), weight_gradient
