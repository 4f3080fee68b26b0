"""Check and coerce what a user hands over: the features and the labels of a data set.

`fastnet.data.dataset.as_dataset` is the one caller. Integers and floats of any width become float32 (rounding is
accepted, overflow is not), uint8 stays as it is, and whatever would lose information silently is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.errors import DataError

MAX_CLASSES = 65_536
BLOCK_VALUES = 2**22
"""Values converted at a time, so that no temporary array grows with the data (16 MiB of float32)."""

_EXACT_IN_FLOAT64 = 2.0**53


def as_features(values: ArrayLike, name: str) -> NDArray[Any]:
    """Turn a table or a stack of images into the features of N samples.

    Parameters
    ----------
    values : array_like of numbers, shape (N, ...) with at least two dimensions
        Everything after the first axis is flattened: (N, 28, 28) becomes (N, 784).
    name : str
        What to call the array in an error.

    Returns
    -------
    ndarray, shape (N, F), uint8 or float32, C-contiguous
        uint8 where `values` is uint8, float32 otherwise; `values` itself where it already has that form.

    Raises
    ------
    DataError
        If the values are not numbers, a dimension is missing or empty, or a value is NaN, infinite or too large for
        float32; the first such place is named.

    Examples
    --------
    >>> as_features([[[1, 2], [3, 4]]], "x")
    array([[1., 2., 3., 4.]], dtype=float32)
    """
    array = _as_array(values, name)
    if array.ndim < 2:
        raise DataError(
            f"{name} has shape {array.shape}: features need a row per sample, shape (N, F); "
            "a single feature is written x.reshape(-1, 1)"
        )
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name} has dtype {array.dtype}: features must be numbers (integer, float or boolean)")
    if array.size == 0:
        raise DataError(f"{name} has shape {array.shape}: at least one sample and one feature are needed")
    flat = array.reshape(len(array), -1)
    if flat.dtype == np.uint8:
        return np.ascontiguousarray(flat)
    return _as_float32(flat, name, array.shape)


def as_labels(
    y: ArrayLike, y_test: ArrayLike | None, class_names: Sequence[str] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None, tuple[str, ...]]:
    """Turn labels into class indices and the names of the classes.

    Parameters
    ----------
    y, y_test : array_like of int or str, shape (N,)
        Without `class_names` the classes are the distinct values of both, sorted; floats count as integers where all
        of them are whole.
    class_names : sequence of str, optional
        Names of the classes in order. Integer labels are then indices into it, text labels must occur in it.

    Returns
    -------
    y, y_test : ndarray, shape (N,), int64 in [0, number of classes)
        `y_test` is None where none was given.
    class_names : tuple of str

    Raises
    ------
    DataError
        If the labels are continuous or of another kind, one lies outside `class_names`, or there are fewer than 2 or
        more than 65,536 classes.

    Examples
    --------
    >>> as_labels(["cat", "ant", "cat"], None, None)
    (array([1, 0, 1]), None, ('ant', 'cat'))
    """
    train = _label_values(y, "y")
    test = None if y_test is None else _label_values(y_test, "y_test")
    if test is not None and test.dtype.kind != train.dtype.kind:
        raise DataError("y and y_test are of different kinds: both must hold text or both must hold whole numbers")
    if class_names is None:
        classes = np.unique(train if test is None else np.concatenate([train, test]))
        names = tuple(str(value) for value in classes.tolist())
    else:
        names = _checked_names(class_names)
        classes = np.asarray(names) if train.dtype.kind == "U" else np.arange(len(names))
    if len(names) < 2:
        raise DataError(f"all {len(train)} labels of y are {names[0]!r}: at least 2 classes are needed")
    if len(names) > MAX_CLASSES:
        raise DataError(
            f"y holds {len(names)} different labels: at most {MAX_CLASSES} classes are allowed, "
            "and continuous targets are not"
        )
    return _indices(train, classes, "y"), None if test is None else _indices(test, classes, "y_test"), names


def _as_array(values: ArrayLike, name: str) -> NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray):
        raise DataError(f"{name} is a masked array: fill or drop its masked values first")
    try:
        array = np.asarray(values)
    except (ValueError, TypeError):
        raise DataError(f"{name} is not a regular array: every row must have the same length") from None
    if array.dtype.hasobject:
        raise DataError(
            f"{name} has dtype {array.dtype}: convert it to numbers or text first, such as with .astype(np.float32)"
        )
    return array


def _as_float32(flat: NDArray[Any], name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    done = flat.dtype == np.float32 and flat.flags.c_contiguous and flat.dtype.isnative
    out = flat if done else np.empty(flat.shape, dtype=np.float32)
    rows = max(1, BLOCK_VALUES // flat.shape[1])
    for start in range(0, len(flat), rows):
        block = slice(start, start + rows)
        if not done:
            with np.errstate(over="ignore", under="ignore"):
                out[block] = flat[block]
        bad = ~np.isfinite(out[block])
        if bad.any():
            _refuse_value(flat, start * flat.shape[1] + int(bad.argmax()), name, shape)
    return out


def _refuse_value(flat: NDArray[Any], position: int, name: str, shape: tuple[int, ...]) -> None:
    place = ", ".join(str(int(i)) for i in np.unravel_index(position, shape))
    value = flat[divmod(position, flat.shape[1])]
    if np.isfinite(value):
        raise DataError(f"{name}[{place}] is {value:g}: too large for float32, whose largest number is 3.4e+38")
    raise DataError(f"{name}[{place}] is {value}: features must be finite; remove that sample or fill the value in")


def _label_values(labels: ArrayLike, name: str) -> NDArray[Any]:
    """Return the labels as int64 or text, shape (N,)."""
    array = _as_array(labels, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        hint = "; one-hot rows become labels by y.argmax(axis=1)" if array.ndim == 2 else ""
        raise DataError(f"{name} has shape {array.shape}: one label per sample is needed, shape (N,){hint}")
    if len(array) == 0:
        raise DataError(f"{name} is empty: one label per sample is needed")
    kind = array.dtype.kind
    if kind == "S":
        try:
            return np.char.decode(array, "utf-8")
        except UnicodeDecodeError:
            raise DataError(
                f"{name} holds bytes that are not UTF-8 text: give the labels as text or integers"
            ) from None
    if kind in "UT":
        return array.astype(np.str_)
    if kind in "bi":
        return array.astype(np.int64)
    if kind in "uf":
        return _whole_numbers(array, name)
    raise DataError(f"{name} has dtype {array.dtype}: labels must be whole numbers or text")


def _whole_numbers(array: NDArray[Any], name: str) -> NDArray[np.int64]:
    whole = array <= np.iinfo(np.int64).max if array.dtype.kind == "u" else _is_whole(array)
    if not whole.all():
        first = int(np.argmin(whole))
        raise DataError(
            f"{name}[{first}] is {array[first]}: labels must be whole numbers or text "
            "(continuous targets cannot be classified)"
        )
    return array.astype(np.int64)


def _is_whole(array: NDArray[Any]) -> NDArray[np.bool_]:
    with np.errstate(all="ignore"):
        wide = array.astype(np.float64)
        whole: NDArray[np.bool_] = (np.abs(wide) <= _EXACT_IN_FLOAT64) & (np.floor(wide) == wide)
    return whole


def _checked_names(class_names: Sequence[str]) -> tuple[str, ...]:
    names = () if isinstance(class_names, str) else tuple(class_names)
    if len(names) < 2 or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise DataError(f"class_names={class_names!r}: give at least 2 different names, each a text")
    return tuple(str(name) for name in names)


def _indices(labels: NDArray[Any], classes: NDArray[Any], name: str) -> NDArray[np.int64]:
    order = np.argsort(classes, kind="stable")
    ordered = classes[order]
    places = np.minimum(np.searchsorted(ordered, labels), len(classes) - 1)
    wrong = ordered[places] != labels
    if wrong.any():
        first = int(np.argmax(wrong))
        if labels.dtype.kind == "U":
            allowed = "one of the class names"
        else:
            allowed = f"from 0 to {len(classes) - 1}, one for each class name"
        raise DataError(f"{name}[{first}] is {labels[first].item()!r}: labels must be {allowed}")
    return np.ascontiguousarray(order[places], dtype=np.int64)
