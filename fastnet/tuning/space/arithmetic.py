"""The arithmetic of ranges, with the same bits on every machine: rounding, logarithms and exponentials."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

# ln 2 in two parts: the first has few enough bits that k * _LN2_HIGH is exact for every exponent k that occurs.
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10

_POWERS = np.array([10.0**k for k in range(23)])


def round_to_six_digits(values: Iterable[float] | Floats) -> Floats:
    """Round each value to 6 significant digits, to the nearest double of that decimal number.

    Examples
    --------
    >>> round_to_six_digits([0.00123456789, 2.0]).tolist()
    [0.00123457, 2.0]
    """
    given = np.asarray(values, dtype=np.float64)
    usual = (np.abs(given) > 1e-15) & (np.abs(given) < 1e15)
    places = 5 - np.floor(np.log10(np.abs(np.where(usual, given, 1.0)))).astype(np.int64)
    # Powers of ten up to 10**22 are doubles, so the quotient below is the nearest double to the decimal number.
    up, down = _POWERS[np.maximum(places, 0)], _POWERS[np.maximum(-places, 0)]
    digits = np.where(usual, given, 1.0) * up / down
    rounded: Floats = np.rint(digits) * down / up
    # Near a half, the product's own rounding could decide; there, and far from 1, the decimal text does.
    doubtful = ~usual | (np.abs(np.abs(digits - np.floor(digits)) - 0.5) < 1e-6)
    rounded[doubtful] = [float(f"{value:.6g}") for value in given[doubtful].tolist()]
    return rounded


def snapped(value: float) -> float:
    """Undo the rounding of a product that should be whole: 0.7 * 10 is 7.000000000000001."""
    whole = round(value)
    return float(whole) if math.isclose(value, whole, rel_tol=1e-9, abs_tol=1e-9) else value


def log_ratio(low: float, high: float) -> float:
    """Return the logarithm of high / low, computed in 40 digits."""
    with localcontext() as context:
        context.prec = 40
        return float((Decimal(high) / Decimal(low)).ln())


def scaled_exp(scale: float, t: Floats) -> Floats:
    """Compute scale * exp(t) to about 2 ulp from operations that IEEE 754 rounds alike on every machine."""
    k = np.floor(t / (_LN2_HIGH + _LN2_LOW) + 0.5)
    r = (t - k * _LN2_HIGH) - k * _LN2_LOW
    total = np.ones_like(r)
    for term in range(15, 0, -1):  # Horner's scheme of the Taylor series; |r| <= ln(2)/2 leaves 2e-20 after r^15
        total = 1.0 + total * r / term
    result: Floats = np.ldexp(scale * total, k.astype(np.int64))
    return result
