"""Schedules of the learning rate: a factor that is a pure function of the step number.

Plain float64 by `+ - * /` (no libm), so that `reference` and every processor agree to the last bit. It depends only on
the trial's own settings, never on how many epochs are trained at a time: a trial continued later is not changed.
"""

from __future__ import annotations

import math

from fastnet.kernels._jit import kernel
from fastnet.kernels.context import Trial

CONSTANT, STEP, COSINE = range(3)
"""Codes of the schedules."""

_S = [(-1.0) ** k / math.factorial(2 * k + 1) for k in range(9)]
_S0, _S1, _S2, _S3, _S4, _S5, _S6, _S7, _S8 = _S
"""Taylor series of sin(y) / y in powers of y^2; up to pi / 4 the first term left out is below 2e-19."""

_HALF_PI = 0.5 * math.pi


@kernel
def rate_factor(trial: Trial, step: int, n_steps: int) -> float:
    """Return the factor on the learning rate in a step, counted from 0, where an epoch has `n_steps`.

    Warm-up rises linearly to 1 over `warmup_epochs`. With or without it, `STEP` multiplies by `step_factor` every
    `step_epochs` epochs from the beginning; `COSINE` falls from the end of the warm-up to 0 at the end of `epochs`.

    One function and no loop over coefficients: in pieces it took twice as long to compile.
    """
    warm = trial.warmup_epochs * n_steps
    factor = 1.0
    if step + 1 < warm:
        factor = (step + 1) / warm
    if trial.schedule == STEP:  # step_factor^changes by squaring: a million epochs cost twenty rounds
        changes = step // n_steps // trial.step_epochs
        power, square = 1.0, trial.step_factor
        while changes > 0:
            if changes & 1:
                power *= square
            square *= square
            changes >>= 1
        return factor * power
    if trial.schedule == COSINE and step > warm:  # (1 + cos(pi x)) / 2 by the sine of at most pi / 4
        x = (step - warm) / (trial.epochs * n_steps - warm)
        first = x < 0.5
        y = _HALF_PI * (x if first else 1.0 - x)
        z = y * y
        series = (((((((_S8 * z + _S7) * z + _S6) * z + _S5) * z + _S4) * z + _S3) * z + _S2) * z + _S1) * z + _S0
        sine = y * series
        return factor * (1.0 - sine * sine if first else sine * sine)
    return factor
