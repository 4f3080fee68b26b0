"""Targets that are numbers: brought to one scale for training, and predictions brought back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnet.data.task import as_numbers
from fastnet.errors import DataError

Float64 = npt.NDArray[np.float64]

LARGEST_TARGET = 1e250
"""Largest number that can be a target: float64 holds the difference of two, and whatever a float32 network answers."""

FARTHEST = 1e18
"""Largest standardised target: float32 holds its square, and so every loss and score."""


@dataclass(frozen=True, slots=True, eq=False)
class TargetScaler:
    """The scale of K targets, learnt from training rows.

    Attributes
    ----------
    mean, scale : (K,) float64
        A network learns ``(target - mean) / scale``.
    low, high : (K,) float64
        Range of the training targets, in their own units; predictions are kept within it.
    log : bool
        Whether ``log(1 + target)`` is what is scaled.
    """

    mean: Float64
    scale: Float64
    low: Float64
    high: Float64
    log: bool = False

    def apply(self, y: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Bring targets, (N, K), to the scale that networks learn, float32.

        Raises
        ------
        DataError
            If one is so far from the training samples that float32 could not hold its squared error.

        Examples
        --------
        >>> scaler = fit_targets(np.array([[1.0], [3.0]]), np.arange(2))
        >>> scaler.apply(np.array([[1.0], [2.0], [5.0]])).ravel().tolist()
        [-1.0, 0.0, 3.0]
        """
        numbers = np.log1p(y) if self.log else y
        with np.errstate(over="ignore"):
            scaled = (numbers - self.mean) / self.scale
        far = ~(np.abs(scaled) <= FARTHEST)
        if far.any():
            row, target = divmod(int(far.argmax()), scaled.shape[1])
            raise DataError(
                f"y[{row}] holds {y[row, target]:g}: too far from the training samples to be learnt within float32; "
                "correct it or leave that sample out"
            )
        return scaled.astype(np.float32)

    def invert(self, outputs: npt.NDArray[Any]) -> Float64:
        """Bring predictions back to the units of the targets and into the range of the training targets.

        Of (N, K * Q) outputs, the first Q belong to the first target.

        Examples
        --------
        >>> scaler = fit_targets(np.array([[1.0], [3.0]]), np.arange(2))
        >>> scaler.invert(np.array([[0.5], [9.0]])).ravel().tolist()
        [2.5, 3.0]
        """
        each = outputs.shape[1] // len(self.mean)
        mean, scale, low, high = (np.repeat(a, each) for a in (self.mean, self.scale, self.low, self.high))
        numbers = outputs.astype(np.float64) * scale + mean
        clamped: Float64 = np.clip(np.expm1(numbers) if self.log else numbers, low, high)
        return clamped

    def to_parts(self) -> tuple[dict[str, Any], dict[str, Float64]]:
        """Return what a file keeps: a description, ready for JSON, and arrays by name."""
        arrays = {"mean": self.mean, "scale": self.scale, "low": self.low, "high": self.high}
        return {"log": self.log}, {f"targets.{name}": array for name, array in arrays.items()}

    @classmethod
    def from_parts(cls, header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> TargetScaler:
        """Build a scaler from what `to_parts` returned."""
        mean, scale, low, high = (arrays[f"targets.{name}"] for name in ("mean", "scale", "low", "high"))
        return cls(mean=mean, scale=scale, low=low, high=high, log=bool(header["log"]))


def unit_of(scaler: TargetScaler | None) -> float:
    """Return the size of 1 on the standardised scale in the units of the target.

    It is 1 for several targets, for logarithms, and for units in which float32 could not hold an error.

    Examples
    --------
    >>> unit_of(fit_targets(np.array([[10.0], [30.0]]), np.arange(2))), unit_of(None)
    (10.0, 1.0)
    """
    if scaler is None or scaler.log or len(scaler.scale) > 1:
        return 1.0
    unit = float(scaler.scale[0])
    return unit if 1e-30 < unit < 1e30 else 1.0


def fit_targets(
    y: npt.NDArray[Any],
    rows: npt.NDArray[np.int64],
    weights: npt.NDArray[Any] | None = None,
    *,
    standardise: bool = True,
    log: bool = False,
) -> TargetScaler:
    """Learn mean and scale of each target from some rows, with `weights` for all rows if samples have them.

    Rows of the weight 0 do not count. A target that is constant there keeps a scale of 1. Without `standardise`,
    targets stay as they are.

    Raises
    ------
    DataError
        If a target is larger than `LARGEST_TARGET`.

    Examples
    --------
    >>> fit_targets(np.array([[1.0], [3.0], [99.0]]), np.array([0, 1])).scale.tolist()
    [1.0]
    """
    if weights is not None:
        rows = rows[weights[rows] > 0]
    learnt = np.asarray(y, np.float64)[rows]
    low, high = learnt.min(axis=0), learnt.max(axis=0)
    n_targets = learnt.shape[1]
    if not standardise:
        return TargetScaler(np.zeros(n_targets), np.ones(n_targets), low, high, log)
    numbers = np.log1p(learnt) if log else learnt
    of_rows = None if weights is None else np.asarray(weights, np.float64)[rows]
    largest = np.maximum(np.abs(numbers).max(axis=0), np.finfo(np.float64).tiny)
    if largest.max() > LARGEST_TARGET:
        raise DataError(
            f"y holds numbers up to {largest.max():.2g}: the most is {LARGEST_TARGET:g}; give them in another unit"
        )
    # Only where squares would leave float64, since any other unit may change the last bit.
    unit = np.where((largest > 1e150) | (largest < 1e-150), largest, 1.0)
    numbers = numbers / unit
    mean = np.average(numbers, axis=0, weights=of_rows)
    deviation = np.sqrt(np.average(np.square(numbers - mean), axis=0, weights=of_rows))
    # Of a constant target, the mean may be off by a rounding.
    varies = deviation > 1e-12 * (largest / unit)
    return TargetScaler(mean * unit, np.where(varies, deviation * unit, 1.0), low, high, log)


def as_targets(y: npt.ArrayLike, n_targets: int, n: int, *, labels: bool = False) -> Float64:
    """Check numbers, or labels of 0 and 1, to measure predictions of `n` samples with; return (n, K) float64.

    Raises
    ------
    DataError
        If they are not finite numbers, or labels are not 0 and 1, or there are not `n_targets` for each sample.

    Examples
    --------
    >>> as_targets([1, 2.5], 1, 2).tolist()
    [[1.0], [2.5]]
    """
    numbers = as_numbers(y, "y", labels=labels)
    if numbers.shape != (n, n_targets):
        raise DataError(f"y has shape {np.shape(y)}: {n} samples of {n_targets} targets need shape {(n, n_targets)}")
    return numbers
