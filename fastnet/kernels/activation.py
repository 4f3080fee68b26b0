"""The activations that are not epilogues of the tile: all but ReLU, with their derivatives.

The forward product leaves ``z = x @ w + b``. A stage of this module, compiled for the network's activation and called
through its address, overwrites it with ``scale * f(z)`` and in training also writes ``scale * f'(z)`` elsewhere, both
zero where dropout closed the unit. The input gradient is then multiplied by these derivatives.

A formula takes a vector of z and returns the vectors of f and f'. All use one exponential of our own (libm's bits
differ between machines) in fused multiply-adds. Over all of float32, values are within 2^-21 of themselves, derivatives
within 2^-21 of themselves or, where they cross zero, of 1. Results below 2e-36 may become zero. Infinities give the
limits, NaN stays NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnet.kernels import _jit
from fastnet.kernels._jit import kernel, one_at_a_time
from fastnet.kernels.host import LANE_BYTES, LANES, MASK_BYTES
from fastnet.kernels.operands import Matrix, Span, signature
from fastnet.kernels.vector import (
    at_least,
    at_most,
    first_lanes,
    fused,
    load_vector,
    magnitude,
    power_of_two,
    round_even,
    splat,
    store_vector,
    where_bits,
    where_positive,
    with_sign,
)

SLOPE = np.float32(0.01)
"""Slope of the leaky ReLU below zero."""

APPLY, MULTIPLY = 0, 1
"""Places in what `stages` returns."""

_ONE, _HALF, _TWO, _FOUR = np.float32(1.0), np.float32(0.5), np.float32(2.0), np.float32(4.0)
_LOG2E = np.float32(1.44269504)
_LN2_HIGH, _LN2_LOW = np.float32(0.693147182), np.float32(-1.90465421e-9)
_FARTHEST = np.float32(87.0)
"""e^-87 is nearly the smallest normal number of float32; beyond it everything is taken to be as small."""

_E2, _E3, _E4 = np.float32(0.49999997), np.float32(0.166665465), np.float32(0.0416674353)
_E5, _E6 = np.float32(0.00836627278), np.float32(0.00138707075)
"""e^r - 1 = r + r² (E2 + E3 r + ...) to 2^-26 of it for |r| <= ln 2 / 2; fitted for the least largest error."""

_TAIL_LIMIT = np.float32(13.19)
"""Where e^(-a² / 2) is e^-87."""
_TAIL_STEP = np.float32(0.265625)
_T1, _T2, _T3 = np.float32(0.105988704), np.float32(0.105537042), np.float32(0.102573283)
_T4, _T5, _T6 = np.float32(0.0618205257), np.float32(0.13418889), np.float32(-0.110621832)
_T7, _T8, _T9 = np.float32(0.212153271), np.float32(-0.142309457), np.float32(0.0306695793)
"""The normal distribution beyond a >= 0 is e^(-a² / 2) (T1 u + ... + T9 u⁹) with u = 1 / (1 + 0.265625 a), to 2^-26 of
it up to the limit above; fitted in the same way."""
_ROOT = np.float32(0.398942280)
"""1 / sqrt(2 π)."""


@kernel
def _exponentials(x: Any, rest: Any) -> tuple[Any, Any]:
    """Return e^(x + rest) and the same minus one, accurate to the last places, for -87 <= x <= 0 and a tiny `rest`.

    Cody and Waite's reduction x = n ln 2 + r; one is subtracted before the multiplication by the power of two, so that
    nothing is lost near zero.
    """
    n = round_even(x * splat(_LOG2E))
    r = fused(n, splat(-_LN2_HIGH), x)
    r = fused(n, splat(-_LN2_LOW), r) + rest
    p = fused(splat(_E6), r, splat(_E5))
    p = fused(p, r, splat(_E4))
    p = fused(p, r, splat(_E3))
    p = fused(p, r, splat(_E2))
    q = fused(r * r, p, r)
    power = power_of_two(n)
    return fused(power, q, power), fused(power, q, power - splat(_ONE))


@kernel
def leaky_relu(z: Any) -> tuple[Any, Any]:
    """Return z above zero and `SLOPE` z elsewhere (Maas, Hannun and Ng 2013)."""
    return where_positive(z, z, splat(SLOPE) * z), where_positive(z, splat(_ONE), splat(SLOPE))


@kernel
def tanh(z: Any) -> tuple[Any, Any]:
    """Return (1 - e) / (1 + e) with z's sign, e = e^(-2 |z|), and 4 e / (1 + e)²."""
    e, less_one = _exponentials(at_least(splat(-_TWO) * magnitude(z), -_FARTHEST), splat(np.float32(0.0)))
    share = splat(_ONE) / (e + splat(_ONE))
    return with_sign(less_one * share, z), splat(_FOUR) * e * (share * share)


@kernel
def _logistic(z: Any) -> tuple[Any, Any]:
    """Return 1 / (1 + e^-z), as 1 / (1 + e) above zero and e / (1 + e) below, e = e^-|z|, and e / (1 + e)²."""
    e, _ = _exponentials(at_least(splat(-_ONE) * magnitude(z), -_FARTHEST), splat(np.float32(0.0)))
    share = splat(_ONE) / (e + splat(_ONE))
    return where_positive(z, share, e * share), e * share * share


@kernel
def logistic(z: Any) -> tuple[Any, Any]:
    """Return 1 / (1 + e^-z) and its derivative."""
    return _logistic(z)


@kernel
def silu(z: Any) -> tuple[Any, Any]:
    """Return z s and s + z s' with s the logistic function (Elfwing, Uchibe and Doya 2018)."""
    s, slope = _logistic(z)
    near = at_least(z, -_FARTHEST)
    return near * s, fused(at_most(near, _FARTHEST), slope, s)


@kernel
def gelu(z: Any) -> tuple[Any, Any]:
    """Return z Φ(z) and Φ(z) + z φ(z) with the normal distribution Φ and its density φ (Hendrycks and Gimpel 2016).

    The exact form, not the one by tanh. The rounding error of z² / 2 enters the exponential separately: it would cost
    up to 80 units in the last place.
    """
    near = at_least(z, -_TAIL_LIMIT)
    a = magnitude(at_most(near, _TAIL_LIMIT))
    minus_half = splat(-_HALF) * a
    x = a * minus_half
    e, _ = _exponentials(x, fused(a, minus_half, splat(-_ONE) * x))
    u = splat(_ONE) / fused(a, splat(_TAIL_STEP), splat(_ONE))
    p = fused(splat(_T9), u, splat(_T8))
    p = fused(p, u, splat(_T7))
    p = fused(p, u, splat(_T6))
    p = fused(p, u, splat(_T5))
    p = fused(p, u, splat(_T4))
    p = fused(p, u, splat(_T3))
    p = fused(p, u, splat(_T2))
    p = fused(p, u, splat(_T1))
    beyond = e * (p * u)
    below = where_positive(z, splat(_ONE) - beyond, beyond)
    return near * below, fused(with_sign(a, z), e * splat(_ROOT), below)


FORMULAS = {"leaky-relu": leaky_relu, "tanh": tanh, "logistic": logistic, "gelu": gelu, "silu": silu}
"""Keyed by the names in `fastnet.config.network.ACTIVATIONS`; ReLU, an epilogue of the tile, is not among them."""

formula = leaky_relu
"""What `_apply` calls; `stages` compiles it with another activation under this name."""


@kernel
def _clear_beyond(row: int, n_columns: int) -> None:
    """Set what lies beyond `n_columns` in the last vector of a row to zero: a logistic function of zero is not zero."""
    begin = n_columns // LANES * LANES
    if begin < n_columns:
        here = row + 4 * begin
        store_vector(first_lanes(load_vector(here), n_columns - begin), here)


def _apply(span: Span, n_out: int, y: Matrix, slopes: int, keep: int, ld_keep: int, scale: float) -> None:
    """Overwrite rows of z (B, O) at `y` with scale f(z); write scale f'(z) to `slopes` unless that is 0.

    Both have the same layout. Units whose bit at `keep` is clear become zero; a `keep` of 0 keeps all of them.
    """
    factor = splat(scale)
    for r in range(span.first, span.last):
        row, beside, bits = y.at + r * y.ld, slopes + r * y.ld, keep + r * ld_keep
        for v in range((n_out + LANES - 1) // LANES):
            here = row + v * LANE_BYTES
            value, slope = formula(load_vector(here))
            value, slope = factor * value, factor * slope
            if keep != 0:
                value, slope = where_bits(value, bits + v * MASK_BYTES), where_bits(slope, bits + v * MASK_BYTES)
            store_vector(value, here)
            if slopes != 0:
                store_vector(slope, beside + v * LANE_BYTES)
        _clear_beyond(row, n_out)
        if slopes != 0:
            _clear_beyond(beside, n_out)


def _multiply(span: Span, n_in: int, dx: Matrix, slopes: int) -> None:
    """Multiply rows of dx (B, I) by those at `slopes`, which have the same layout."""
    for r in range(span.first, span.last):
        row, beside = dx.at + r * dx.ld, slopes + r * dx.ld
        for j in range(0, 4 * n_in, LANE_BYTES):
            store_vector(load_vector(row + j) * load_vector(beside + j), row + j)
        _clear_beyond(row, n_in)


_COMPILED: dict[str, Any] = {}


@one_at_a_time
def stages(name: str) -> np.ndarray:
    """Compile the two stages of an activation, once, and return their addresses, int64; two zeros for ReLU."""
    if name not in FORMULAS:
        return np.zeros(2, np.int64)
    if "multiply" not in _COMPILED:
        _COMPILED["multiply"] = _jit.micro(signature(Span, int, Matrix, int), _multiply, "activation")
    if name not in _COMPILED:
        source = _jit.with_names(_apply, {"formula": FORMULAS[name]})
        _COMPILED[name] = _jit.micro(signature(Span, int, Matrix, int, int, int, float), source, f"activation-{name}")
    return np.array([_COMPILED[name].address, _COMPILED["multiply"].address], np.int64)
