"""Several heads on one network: the first hidden layer with other signs for each, and an output layer of their own.

Head m sees ``signs[m] * (x @ w + b)`` instead of the first layer's sums. The signs are rows of a Hadamard matrix, so
any two heads agree on half of the units. From there on a batch of B samples has M B rows, head after head, and the
other hidden layers treat them as samples. The output layer holds the columns of all heads side by side, M K; of a row
of head m its own K count. What the network answers is the mean of the heads' outputs.

The products stay those of any network: the first layer reads each sample once, and below a vector's width the columns
of the other heads cost nothing. What is added are the stages of this module.

Weights that are shared among members in this way are those of BatchEnsemble (Wen, Tran and Ba 2020) and TabM
(Gorishniy, Kotelnikov and Babenko 2025), which learn their factors; here they are fixed.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from fastnet.kernels import _jit
from fastnet.kernels._jit import kernel, one_at_a_time
from fastnet.kernels.context import Net, open_net
from fastnet.kernels.host import LANE_BYTES, MASK_BYTES
from fastnet.kernels.layout import LDW, N_OUT, leading
from fastnet.kernels.memory import address_of, invoke, load_f32, store_f32
from fastnet.kernels.operands import Curve, End, Matrix, Span, signature
from fastnet.kernels.tile import finish, load, zeros
from fastnet.kernels.vector import fused, load_vector, store_vector


@cache
def signs_of(n_heads: int, width: int) -> np.ndarray:
    """Return the signs of the first hidden layer's units for each head, (M, ld) float32, zero in the padding.

    The array is kept and read-only: every prediction asks for it, and 128 units take 11 us for one head, 45 for four.

    Examples
    --------
    >>> signs_of(4, 4)[:, :4].astype(int).tolist()
    [[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]
    """
    signs = np.zeros((n_heads, leading(width)), np.float32)
    for m in range(n_heads):
        signs[m, :width] = [1 - 2 * ((m & unit).bit_count() % 2) for unit in range(width)]
    signs.flags.writeable = False
    return signs


def _spread(c: int, n_rows: int, y: Matrix, end: End, curve: Curve) -> None:
    """Turn B rows of sums of the first layer at `y` into the outputs of M B rows."""
    net = open_net(c)
    n_heads, n_out = net.signs.shape[0], net.layers[0, N_OUT]
    for r in range(n_rows):
        for v in range((4 * n_out + LANE_BYTES - 1) // LANE_BYTES):
            z = load_vector(y.at + r * y.ld + v * LANE_BYTES)
            for before in range(n_heads):  # head 0 last: its row is the one that is read
                m = n_heads - 1 - before
                row = m * n_rows + r
                out, bits = y.at + row * y.ld + v * LANE_BYTES, row * end.ld + v * MASK_BYTES
                store_vector(z * load_vector(_sign(net, m, v)), out)
                tile = load(zeros(1, 1), out, y.ld)
                finish(tile, out, y.ld, end.kind, end.scale, end.active + bits, end.ld, end.keep + bits)
    if curve.stage != 0:
        span = Span(np.int64(0), n_heads * n_rows)
        invoke(curve.stage, span, n_out, y, curve.slopes, curve.keep, end.ld, end.scale)


@kernel
def _sign(net: Net, m: int, v: int) -> int:
    """Return where the signs of head `m` for vector `v` of the units lie."""
    return address_of(net.signs) + 4 * m * net.signs.shape[1] + v * LANE_BYTES


def _fold(c: int, n_rows: int, dy: Matrix) -> None:
    """Sum the gradients of M B rows of the first layer into the B rows of its sums; one chain, head after head."""
    net = open_net(c)
    for r in range(n_rows):
        for v in range((4 * net.layers[0, N_OUT] + LANE_BYTES - 1) // LANE_BYTES):
            at = dy.at + r * dy.ld + v * LANE_BYTES
            total = load_vector(at) * load_vector(_sign(net, np.int64(0), v))
            for m in range(1, net.signs.shape[0]):
                total = fused(load_vector(at + m * n_rows * dy.ld), load_vector(_sign(net, m, v)), total)
            store_vector(total, at)


@kernel
def mean_of_heads(net: Net, n_rows: int, outputs: int, target: int) -> None:
    """Write the means of the heads' outputs, (B, K) with zeros beyond K, to `target`, which may be `outputs`."""
    n_heads, last = net.signs.shape[0], net.layers[net.layers.shape[0] - 1]
    ld, n_out = 4 * last[LDW], net.n_outputs
    share = np.float32(1.0) / np.float32(n_heads)
    for r in range(n_rows):
        for j in range(n_out):
            total = load_f32(outputs + r * ld + 4 * j)
            for m in range(1, n_heads):
                total += load_f32(outputs + (m * n_rows + r) * ld + 4 * (m * n_out + j))
            store_f32(target + r * ld + 4 * j, share * total)
        for j in range(n_out, last[N_OUT]):
            store_f32(target + r * ld + 4 * j, np.float32(0.0))


@kernel
def keep_own(row: int, first: int, n_out: int, n_columns: int) -> None:
    """Move `n_out` columns of a row from column `first` to its beginning, and clear the others."""
    for j in range(n_out):
        store_f32(row + 4 * j, load_f32(row + 4 * (first + j)))
    for j in range(n_out, n_columns):
        store_f32(row + 4 * j, np.float32(0.0))


@kernel
def put_back(row: int, first: int, n_out: int, n_columns: int, share: float) -> None:
    """Move the first `n_out` columns of a row to column `first` on, multiplied by `share`, and clear the others."""
    for j in range(n_out):
        store_f32(row + 4 * (first + j), share * load_f32(row + 4 * j))
    for j in range(n_columns):
        if j < first or j >= first + n_out:
            store_f32(row + 4 * j, np.float32(0.0))


_SOURCES: tuple[tuple[Any, Any], ...] = (
    (signature(int, int, Matrix, End, Curve), _spread),
    (signature(int, int, Matrix), _fold),
)
_COMPILED: list[Any] = []


@one_at_a_time
def stages(n_heads: int) -> np.ndarray:
    """Compile the stages of a network with several heads, once, and return their addresses, int64; zeros for one."""
    if n_heads == 1:
        return np.zeros(2, np.int64)
    if not _COMPILED:
        _COMPILED.extend(_jit.stages(_SOURCES, {}))
    return np.array([compiled.address for compiled in _COMPILED], np.int64)
