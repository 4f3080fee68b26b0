"""Check the features of a data set and convert them to the types that fastnet works in.

Integers and floats of any width become float32, or float64 where float32 would lose what distinguishes the samples;
uint8 stays uint8. Conversions that would silently lose information are refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastnet.errors import DataError, warn

BLOCK_VALUES = 2**22
"""Values converted at a time, so that no temporary array grows with the data (16 MiB of float32)."""

TOLERANCE = 2.0**-16
"""Largest error of rounding to float32, as a share of a feature's standard deviation. Rounding after the scaling costs
2**-24 and more; so a feature stays float64 where its values are more than a few hundred times its spread: Unix times,
dates such as 20240131, coordinates within a city."""

EQUAL = 2.0**-44
"""Range, as a share of the largest value, within which a float64 feature counts as constant: a few hundred times the
last bit, which is the error that a sum of a hundred terms can have."""

_EXACT = 2**53
"""Largest whole number up to which float64 has all."""
_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


def as_features(values: ArrayLike, name: str, dtype: DTypeLike | None = None, *, missing: bool = False) -> NDArray[Any]:
    """Turn a table or a stack of images into the features of N samples.

    Parameters
    ----------
    values : array_like of numbers, shape (N, ...) with at least two dimensions
        Everything after the first axis is flattened: (N, 28, 28) becomes (N, 784). Python objects that convert to
        numbers are accepted.
    name : str
        Name of the array in errors.
    dtype : float32 or float64, optional
        Result type of everything but uint8. By default float32, or float64 if a feature has values beyond float32 or
        ones that rounding would move by more than `TOLERANCE`.
    missing : bool
        Whether NaN is allowed, for a missing value.

    Returns
    -------
    ndarray, shape (N, F), uint8, float32 or float64, C-contiguous
        uint8 where `values` is uint8; `values` itself where it already has that form.

    Raises
    ------
    DataError
        If the values are not numbers, a dimension is missing or empty, or a value is NaN, infinite or too large for
        `dtype`; the message names the first such place.

    Examples
    --------
    >>> as_features([[[1, 2], [3, 4]]], "x")
    array([[1., 2., 3., 4.]], dtype=float32)
    >>> as_features([[1700000001], [1700000002]], "x").dtype
    dtype('float64')
    """
    array = as_array(values, name)
    if array.ndim < 2:
        raise DataError(
            f"{name} has shape {array.shape}: features need a row per sample, shape (N, F); a single sample is written "
            f"{name}.reshape(1, -1), a single feature {name}.reshape(-1, 1)"
        )
    if array.dtype.hasobject:
        array = _from_objects(array, name)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name} has dtype {array.dtype}: features must be numbers (integer, float or boolean)")
    if array.size == 0:
        raise DataError(f"{name} has shape {array.shape}: at least one sample and one feature are needed")
    flat = array.reshape(len(array), -1)
    if flat.dtype == np.uint8 and not missing:
        return np.ascontiguousarray(flat)
    _look_at_whole(flat, name)
    wanted = np.dtype(dtype) if dtype else np.dtype(np.float64 if _needs_float64(flat) else np.float32)
    return _as_floats(flat, wanted, name, array.shape, missing)


def _look_at_whole(flat: NDArray[Any], name: str) -> None:
    """Warn of a feature whose whole numbers are too large for float64 to tell apart."""
    if flat.dtype.kind not in "iu" or flat.dtype.itemsize < 8 or max(int(flat.max()), -int(flat.min())) <= _EXACT:
        return
    for column, values in enumerate(flat.T):
        if max(int(values.max()), -int(values.min())) <= _EXACT:
            continue
        different = np.unique(values)
        lost = len(different) - len(np.unique(different.astype(np.float64)))
        if lost:
            warn(
                f"{name}[:, {column}] has whole numbers beyond 2^53, of which {lost:,} become equal to another one; "
                "subtract the smallest of them, or encode them if they are no quantity"
            )


def as_array(values: ArrayLike, name: str) -> NDArray[Any]:
    """Make a regular array of a caller's values, of Python objects if need be; refuse masked, sparse or ragged ones."""
    if isinstance(values, np.ma.MaskedArray):
        raise DataError(f"{name} is a masked array: fill or drop its masked values first")
    if hasattr(values, "toarray") and hasattr(values, "nnz"):
        raise DataError(f"{name} is a sparse array: give it as {name}.toarray()")
    try:
        return np.asarray(values)
    except (ValueError, TypeError):
        raise DataError(f"{name} is not a regular array: every row must have the same length") from None


def as_reals(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Make an array of a caller's values as float64; ValueError or TypeError where they are no numbers.

    What float64 cannot hold becomes infinite or NaN without a warning, since those who call this refuse both.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # signalling NaN, and numbers of extended precision
        return as_array(values, name).astype(np.float64)


def _from_objects(array: NDArray[Any], name: str) -> NDArray[np.float64]:
    try:
        return array.astype(np.float64)
    except (ValueError, TypeError, OverflowError):
        pass
    for position, value in enumerate(array.reshape(-1).tolist()):
        try:
            float(value)
        except (ValueError, TypeError, OverflowError):
            place = _place(position, array.shape)
            missing = type(value).__name__ in ("NAType", "NaTType")
            way_out = "remove that sample or fill the value in" if missing else "encode that feature or leave it out"
            raise DataError(f"{name}[{place}] is {value!r}: features must be numbers; {way_out}") from None
    raise DataError(f"{name} has dtype {array.dtype}: features must be numbers; convert it with .astype(np.float64)")


def blocks(n_rows: int, n_columns: int) -> list[slice]:
    """Cut a matrix into blocks of rows of at most `BLOCK_VALUES` values each, but at least one row."""
    rows = max(1, BLOCK_VALUES // n_columns)
    return [slice(start, start + rows) for start in range(0, n_rows, rows)]


def _needs_float64(flat: NDArray[Any]) -> bool:
    """Whether rounding to float32 would lose more than scaling does."""
    if np.can_cast(flat.dtype, np.float32, "safe"):
        return False
    n_features = flat.shape[1]
    error, low, high = np.zeros(n_features), np.full(n_features, np.inf), np.full(n_features, -np.inf)
    total, squares = np.zeros(n_features), np.zeros(n_features)
    with np.errstate(all="ignore"):
        first = flat[0].astype(np.float64)
        for rows in blocks(*flat.shape):
            block = flat[rows].astype(np.float64)
            error = np.maximum(error, np.abs(block - block.astype(np.float32)).max(axis=0))
            low, high = np.minimum(low, block.min(axis=0)), np.maximum(high, block.max(axis=0))
        if not error.any():
            return False
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            return True  # and refused later
        for rows in blocks(*flat.shape):
            block = flat[rows].astype(np.float64) - first
            total += block.sum(axis=0)
            squares += np.square(block).sum(axis=0)
        deviation = np.sqrt(np.maximum(squares / len(flat) - np.square(total / len(flat)), 0.0))
        lost = (error > TOLERANCE * deviation) & ~nearly_equal(low, high)
    return bool(lost.any() or max(-low.min(), high.max()) > _LARGEST_FLOAT32)


def nearly_equal(low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.bool_]:
    """Find the float64 features that are constant but for rounding, from the smallest and largest value of each."""
    with np.errstate(over="ignore"):
        equal: NDArray[np.bool_] = high - low <= EQUAL * np.maximum(np.abs(low), np.abs(high))
    return equal


def _as_floats(
    flat: NDArray[Any], dtype: np.dtype[Any], name: str, shape: tuple[int, ...], missing: bool
) -> NDArray[Any]:
    done = flat.dtype == dtype and flat.flags.c_contiguous and flat.dtype.isnative
    out = flat if done else np.empty(flat.shape, dtype=dtype)
    for rows in blocks(*flat.shape):
        if not done:
            with np.errstate(all="ignore"):
                out[rows] = flat[rows]
        bad = np.isinf(out[rows]) if missing else ~np.isfinite(out[rows])
        if bad.any():
            _refuse_value(flat, rows.start * flat.shape[1] + int(bad.argmax()), dtype, name, shape)
    return out


def _refuse_value(flat: NDArray[Any], position: int, dtype: np.dtype[Any], name: str, shape: tuple[int, ...]) -> None:
    place, value = _place(position, shape), flat[divmod(position, flat.shape[1])]
    if np.isfinite(value):
        largest = np.finfo(dtype).max
        raise DataError(f"{name}[{place}] is {value!s}: too large for {dtype}, whose largest number is {largest:.2g}")
    raise DataError(f"{name}[{place}] is {value}: features must be finite; remove that sample or fill the value in")


def _place(position: int, shape: tuple[int, ...]) -> str:
    return ", ".join(str(int(i)) for i in np.unravel_index(position, shape))
