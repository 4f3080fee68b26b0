"""The range of the training samples' features, and whether other samples have the same units.

The check must stay silent on ordinary data: single samples, samples outside the training range, pixels that are nearly
always dark. It is meant for other units: bytes and fractions of 255, metres and kilometres, seconds and milliseconds,
standardised or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.data.coerce import blocks, nearly_equal

LOOKED_AT = 200
"""Number of samples checked, evenly spread."""

SMALLER, SMALLER_IMAGES = 32, 12
"""Factor by which the largest value of all samples must be smaller than in any training sample to be noticed; images of
grey levels from 0 to 16 are 16 times darker than those of 0 to 255."""

FEW, FAR_OF_FEW = 5, 30.0
"""With fewer samples than this, a feature must lie that many times its range outside it, otherwise once. With 10 times,
four in a thousand rows of a table with long tails would be noticed, each alone, after training on 20 others."""

SHARE = 0.05
"""Share of the varying features, at least one, that must lie outside in more than half of the samples."""

_BYTE = 255


@dataclass(frozen=True, slots=True, eq=False)
class Extent:
    """The range of features.

    Attributes
    ----------
    low, high : ndarray, shape (F,), or (1,) for images
        Smallest and largest value of each feature; for images, of all pixels.
    reach : float
        Largest absolute value of a sample, for the sample where it is smallest.
    """

    low: NDArray[np.floating[Any]]
    high: NDArray[np.floating[Any]]
    reach: float


def extent_of(x: NDArray[Any]) -> Extent:
    """Measure (N, F) features of a `Dataset`.

    Examples
    --------
    >>> extent = extent_of(np.float32([[-1, 5], [3, 0]]))
    >>> extent.low.tolist(), extent.high.tolist(), extent.reach
    ([-1.0, 0.0], [3.0, 5.0], 3.0)
    """
    low, high, reach = x[0], x[0], np.inf
    for rows in blocks(*x.shape):
        block = x[rows]
        low, high = np.minimum(low, block.min(axis=0)), np.maximum(high, block.max(axis=0))
        largest = block.max(axis=1) if x.dtype == np.uint8 else np.abs(block).max(axis=1)
        reach = min(reach, float(largest.min()))
    if x.dtype == np.uint8:
        low, high = np.array([low.min()], np.float32), np.array([high.max()], np.float32)
    return Extent(low, high, reach)


def other_units(x: NDArray[Any], extent: Extent | None, *, images: bool) -> str | None:
    """Say how samples differ so much from the training samples that they must be in other units.

    Parameters
    ----------
    x : ndarray, shape (N, F), uint8, float32 or float64
        The samples.
    extent : Extent or None
        That of the training samples; None if it is not known.
    images : bool
        Whether the training samples were images of bytes.

    Returns
    -------
    str or None
        The first half of a sentence about x and the remedy, always the same for the same fault; None if nothing is odd.

    Examples
    --------
    >>> print(other_units(np.array([[0.0, 0.25], [0.5, 1.0]]), None, images=True))
    holds values from 0 to 1, where the training samples are images of 0 to 255; if it was divided by 255, ...
    >>> other_units(np.array([[0.0, 128.0]]), None, images=True) is None
    True
    """
    some = x[np.arange(min(len(x), LOOKED_AT)) * len(x) // min(len(x), LOOKED_AT)]
    least, most = float(some.min()), float(some.max())
    size = max(-least, most)
    small = extent is not None and 0 < size * (SMALLER_IMAGES if images else SMALLER) <= extent.reach
    if images:
        return _unlike_images(some, least, size, small, _BYTE if extent is None else float(extent.high[0]))
    if extent is None:
        return None
    if small:
        return (
            f"holds no value as large as {size_of(extent.reach)}, where every training sample has one; give it in the "
            "units of the training samples"
        )
    if x.dtype == np.uint8 and size >= SMALLER_IMAGES and extent.low.min() >= -1 and extent.high.max() <= 1:
        return f"holds bytes, where the training samples are fractions of 1; divide it by {_BYTE} if they were"
    return _far_outside(some, extent)


def size_of(value: float) -> str:
    """Write a number to six digits."""
    return f"{value:.6g}"


def _unlike_images(x: NDArray[Any], least: float, size: float, small: bool, brightest: float) -> str | None:
    bytes_ = f"where the training samples are images of 0 to {_BYTE}"
    fractions = x.dtype.kind == "f" and 0 < size <= 1 < brightest and bool((np.floor(x) != x).any())
    if (small or fractions) and least < 0:
        return f"holds values around 0, {bytes_}; give the images as they were before they were scaled"
    if fractions or (small and size <= 1):
        return f"holds values from 0 to 1, {bytes_}; if it was divided by {_BYTE}, multiply it by {_BYTE}"
    if small:
        return f"holds small values only, {bytes_}; give the images as they were before they were scaled"
    if least < -1 and least < -size / 4:
        return f"holds negative values, {bytes_}; add what was subtracted from them, or read them as uint8"
    if size > 2 * _BYTE:
        return f"holds values beyond {2 * _BYTE}, {bytes_}; bring them to that range"
    return None


def _far_outside(x: NDArray[Any], extent: Extent) -> str | None:
    """Find features that mostly lie far outside their range in the training samples."""
    low, high = extent.low.astype(np.float64), extent.high.astype(np.float64)
    margin = (high - low) * (FAR_OF_FEW if len(x) < FEW else 1.0)
    varies = ~nearly_equal(low, high)
    outside = ((x < low - margin) | (x > high + margin)).mean(axis=0) > 0.5
    off = np.flatnonzero(outside & varies)
    if len(off) < max(1.0, SHARE * np.count_nonzero(varies)):
        return None
    first = int(off[0])
    others = " and others" if len(off) > 1 else ""
    return (
        f"has values of feature {first}{others} far outside the range of the training samples, {size_of(low[first])} "
        f"to {size_of(high[first])}; give it in the units of the training samples, or expect little of the predictions"
    )
