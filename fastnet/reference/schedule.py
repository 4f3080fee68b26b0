"""Schedules of the learning rate; equal to the kernels' to the last bit, by float64 arithmetic without libm."""

from __future__ import annotations

import math

_SINE = tuple((-1.0) ** k / math.factorial(2 * k + 1) for k in range(9))


def rate_factor(
    step: int,
    n_steps: int,
    epochs: int,
    schedule: str,
    warmup_epochs: float = 0.0,
    step_epochs: int = 20,
    step_factor: float = 0.1,
) -> float:
    """Return the factor on the learning rate in a step, in [0, 1]; steps count from 0 over the whole training.

    "step" is `step_factor` to the power of the number of times that `step_epochs` epochs have passed; "cosine" is
    ``(1 + cos(π p)) / 2`` with p the share of the steps after the warm-up that have passed. During `warmup_epochs`,
    whole or not, that is multiplied by ``(step + 1) / (warmup_epochs n_steps)``, at most 1.

    >>> [rate_factor(step, 2, 3, "step", step_epochs=1, step_factor=0.5) for step in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    >>> [rate_factor(step, 2, 4, "constant", warmup_epochs=2) for step in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    warm = float(warmup_epochs) * n_steps
    rise = (step + 1) / warm if step + 1 < warm else 1.0
    if schedule == "step":
        return rise * power(step_factor, step // n_steps // step_epochs)
    if schedule == "cosine" and step > warm:
        return rise * half_cosine((step - warm) / (epochs * n_steps - warm))
    return rise


def power(base: float, exponent: int) -> float:
    """Compute ``base**exponent`` for whole exponents from 0, by squaring.

    >>> power(0.5, 10) == 0.5**10
    True
    """
    result = 1.0
    while exponent:
        if exponent % 2:
            result *= base
        base *= base
        exponent //= 2
    return result


def half_cosine(x: float) -> float:
    """Compute ``(1 + cos(π x)) / 2`` for x in [0, 1] as ``1 - sin²(π x / 2)``, or ``sin²(π (1 - x) / 2)`` from 1/2 on.

    The sine is its Taylor series; at π / 4 the first term left out is below 2e-19.

    >>> half_cosine(0.0), round(half_cosine(0.5), 15), half_cosine(1.0)
    (1.0, 0.5, 0.0)
    """
    y = 0.5 * math.pi * min(x, 1.0 - x)
    series = 0.0
    for coefficient in reversed(_SINE):
        series = series * (y * y) + coefficient
    sine = y * series
    return 1.0 - sine * sine if x < 0.5 else sine * sine
