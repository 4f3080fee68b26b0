"""Labels: the classes they name, and which class of a model or data set a label means.

A class has a value, as the user gave it (a whole number, a float without a fraction, a truth value or a text), a name,
which is a text, and a position among the classes, which is what the kernels compute with. Labels are matched to classes
by value and, where the two are of different kinds, by appearance: 1, 1.0, "1" and True may mean the same class.
"""

from __future__ import annotations

import numbers
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.data.coerce import as_array
from fastnet.errors import DataError

MAX_CLASSES = 65_536

_EXACT_IN_FLOAT64 = 2.0**53
_LARGEST = np.iinfo(np.int64).max
_WHOLE = re.compile(r"\s*[+-]?[0-9]+(\.0*)?\s*")
_TRUTH = {"false": 0, "true": 1}
_MISSING = ("NoneType", "NAType", "NaTType")  # of Python, and of pandas, which need not be installed


def as_labels(
    y: ArrayLike, y_test: ArrayLike | None, class_names: Sequence[str] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None, NDArray[Any], tuple[str, ...]]:
    """Turn the labels of a data set into positions, and find its classes.

    Parameters
    ----------
    y, y_test : array_like, shape (N,) or (N, 1)
        See `label_values`. Without `class_names` the classes are the distinct values of both, sorted.
    class_names : sequence of str, optional
        Names of the classes in order. Numbers are then positions in it, text labels must occur in it.

    Returns
    -------
    y, y_test : ndarray, shape (N,), int64 in [0, K)
        Positions of the labels' classes; `y_test` is None if none was given.
    classes : ndarray, shape (K,), int64, float64, bool or str
        Distinct values of the classes, of the kind of `y`.
    class_names : tuple of str

    Raises
    ------
    DataError
        If a label is missing, continuous or of another kind, one lies outside `class_names`, or there are fewer than 2
        or more than 65,536 classes.

    Examples
    --------
    >>> positions, _, classes, names = as_labels([-1.0, 1.0, -1.0], None, None)
    >>> positions.tolist(), classes.tolist(), names
    ([0, 1, 0], [-1.0, 1.0], ('-1', '1'))
    """
    train = label_values(y, "y")
    test = None if y_test is None else label_values(y_test, "y_test")
    if test is not None and (test.dtype.kind == "U") != (train.dtype.kind == "U"):
        raise DataError("y and y_test are of different kinds: both must hold text or both must hold whole numbers")
    if class_names is not None:
        names = _checked_names(class_names)
        found = np.asarray(names) if train.dtype.kind == "U" else np.arange(len(names))
    else:
        found = np.unique(_plain(train) if test is None else np.concatenate([_plain(train), _plain(test)]))
        names = names_of(found)
    if len(names) < 2:
        raise DataError(f"all {len(train)} labels of y are {names[0]!r}: at least 2 classes are needed")
    if len(names) > MAX_CLASSES:
        raise DataError(
            f"y holds {len(names)} different labels: at most {MAX_CLASSES} classes are allowed, "
            "and continuous targets are not supported"
        )
    positions = _positions(_plain(train), found, "y")
    test_positions = None if test is None else _positions(_plain(test), found, "y_test")
    return positions, test_positions, _in_kind(found, train, test), names


def positions_of(
    labels: ArrayLike, classes: NDArray[Any], class_names: tuple[str, ...], *, name: str = "y", n: int | None = None
) -> NDArray[np.int64]:
    """Find which of K classes, with these values and names, each of N labels means, (N,) int64.

    `name` stands for the labels in errors; `n`, if given, is the number of labels required. Raises `DataError` if the
    number is wrong or a label is none of the classes; the message names the first such label.

    Notes
    -----
    Numbers are compared with numbers as numbers, text first with the names; then a text that looks like a whole number
    or a truth value is compared as that number. One of these ways must fit all labels.

    Examples
    --------
    >>> positions_of(["3", "1", "1"], np.array([1, 2, 3]), ("1", "2", "3")).tolist()
    [2, 0, 0]
    >>> positions_of([False, True], np.array(["0", "1"]), ("0", "1")).tolist()
    [0, 1]
    """
    values = label_values(labels, name, n)
    if n is not None and len(values) != n:
        raise lengths_differ(n, len(values), "x", name)
    distinct, inverse = np.unique(values, return_inverse=True)
    given = distinct.tolist()
    ways: list[tuple[Callable[[Any], Any], Mapping[Any, int]]] = [(_number_of, _by_number(classes))]
    if values.dtype.kind == "U":
        ways.insert(0, (str, {class_name: position for position, class_name in enumerate(class_names)}))
    for key, known in ways:
        found = [known.get(key(value)) for value in given]
        if None not in found:
            return np.array(found, dtype=np.int64)[inverse.reshape(-1)]
    key, known = ways[0]
    unknown = np.array([known.get(key(value)) is None for value in given])[inverse.reshape(-1)]
    raise DataError(_unknown(values, unknown, classes, class_names, name))


def label_values(labels: ArrayLike, name: str, n: int | None = None) -> NDArray[Any]:
    """Check labels and return them as (N,) int64, float64 without fractions, bool or str.

    Parameters
    ----------
    labels : array_like, shape (N,) or (N, 1)
        Whole numbers of any type, truth values, text as str or bytes, or Python objects of these kinds, as a list, an
        array or anything NumPy converts to one, such as a pandas column. Numbers among texts become text.
    name : str
        Name of the labels in errors.
    n : int, optional
        Number of samples, if known; any shape that holds one label per sample is then accepted.

    Raises
    ------
    DataError
        If a label is missing, continuous or of another kind, or the shape is not one label per sample.

    Examples
    --------
    >>> label_values(np.array(["oak", 7, b"elm"], dtype=object), "y").tolist()
    ['oak', '7', 'elm']
    """
    array = as_array(labels, name)
    if isinstance(labels, (list, tuple)) and array.dtype.kind in "US":
        array = np.array(labels, dtype=object)  # NumPy writes a missing value between texts as the text nan
    array = _as_vector(array, name, n)
    kind = array.dtype.kind
    if kind == "T":
        array, kind = array.astype(object), "O"
    if kind == "O":
        array = _from_objects(array.tolist(), name)
        kind = array.dtype.kind
    if kind == "S":
        return _decoded(array, name)
    if kind in "Ub":
        return array
    if kind == "i":
        return array.astype(np.int64)
    if kind == "u":
        return _whole(array, array <= _LARGEST, name).astype(np.int64)
    if kind == "f":
        return _whole(array, _is_whole(array), name).astype(np.float64)
    raise DataError(f"{name} has dtype {array.dtype}: labels must be whole numbers or text")


def names_of(classes: NDArray[Any]) -> tuple[str, ...]:
    """Return the default names of classes: their values as text, numbers without a point.

    Examples
    --------
    >>> names_of(np.array([-1.0, 1.0])), names_of(np.array([False, True])), names_of(np.array(["a"]))
    (('-1', '1'), ('0', '1'), ('a',))
    """
    return tuple(str(value) for value in _plain(classes).tolist())


def named_labels(positions: NDArray[np.int64], classes: NDArray[Any], class_names: tuple[str, ...]) -> NDArray[Any]:
    """Return labels that identify their classes anywhere: names if they were given, else values.

    Examples
    --------
    >>> named_labels(np.array([1, 0]), np.array([0, 1]), ("cat", "dog")).tolist()
    ['dog', 'cat']
    >>> named_labels(np.array([1, 0]), np.array([3, 5]), ("3", "5")).tolist()
    [5, 3]
    """
    given = class_names != names_of(classes)
    labels: NDArray[Any] = (np.asarray(class_names) if given else classes)[positions]
    return labels


def classes_from(names: Sequence[str]) -> NDArray[Any]:
    """Return the values of classes known only by name: whole numbers if all names are, else text.

    Examples
    --------
    >>> classes_from(("-1", "1")).tolist(), classes_from(("01", "1")).tolist()
    ([-1, 1], ['01', '1'])
    """
    values = [_number_of(name) for name in names]
    if all(str(value) == name and abs(value or 0) <= _LARGEST for value, name in zip(values, names, strict=True)):
        return np.array(values, dtype=np.int64)
    return np.asarray(names, dtype=np.str_)


def lengths_differ(n_samples: int, n_labels: int, x_name: str, y_name: str) -> DataError:
    """Return the error for a number of labels that is not that of the samples."""
    return DataError(
        f"{x_name} holds {n_samples} samples but {y_name} holds {n_labels} labels: there must be one label per sample"
    )


def some(names: Sequence[str]) -> str:
    """Write the first of many names, for a sentence.

    Examples
    --------
    >>> some(["a", "b"]), some("abcdefg")
    ('a, b', 'a, b, c, d, e, ... (7 in all)')
    """
    shown = ", ".join(names[:5])
    return f"{shown}, ... ({len(names)} in all)" if len(names) > 5 else shown


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """Return text as it is, everything else as int64."""
    return values if values.dtype.kind == "U" else values.astype(np.int64)


def _in_kind(classes: NDArray[Any], train: NDArray[Any], test: NDArray[Any] | None) -> NDArray[Any]:
    """Return int64 classes in the type of the labels in which they were found, if it can hold them."""
    kind = train.dtype.kind
    if kind == "b" and (len(classes) > 2 or not (test is None or test.dtype.kind == "b")):
        return classes
    if kind == "f" and np.abs(classes).max() > _EXACT_IN_FLOAT64:
        return classes
    return classes.astype(train.dtype) if kind in "bf" else classes


def _as_vector(array: NDArray[Any], name: str, n: int | None) -> NDArray[Any]:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if n is not None and array.ndim != 1 and array.size == n == max(array.shape, default=1):
        array = array.reshape(n)
    if array.ndim != 1:
        hint = "; one-hot rows become the positions of their classes by y.argmax(axis=1)" if array.ndim == 2 else ""
        raise DataError(f"{name} has shape {array.shape}: one label per sample is needed, shape (N,){hint}")
    if len(array) == 0:
        raise DataError(f"{name} is empty: one label per sample is needed")
    return array


def _from_objects(values: list[Any], name: str) -> NDArray[Any]:
    """Convert Python objects to a common dtype: text if any is text, else truth values, whole numbers or floats."""
    types = {type(value) for value in values}
    strange = {kind for kind in types if not _is_label_type(kind)}
    for row, value in enumerate(values):
        if type(value) in strange and type(value).__name__ not in _MISSING:
            raise DataError(f"{name}[{row}] is a {type(value).__name__}: labels must be whole numbers or text")
        if type(value) in strange or value != value:
            raise _missing(name, row, value)
    if any(issubclass(kind, (str, bytes)) for kind in types):
        return np.array([_as_text(value, name) for value in values], dtype=np.str_)
    if all(issubclass(kind, (bool, np.bool_)) for kind in types):
        return np.array(values, dtype=np.bool_)
    if all(issubclass(kind, (int, np.integer, np.bool_)) for kind in types):
        for row, value in enumerate(values):
            if abs(int(value)) > _LARGEST:
                raise DataError(f"{name}[{row}] is {value}: too large for a label; give the labels as text")
        return np.array([int(value) for value in values], dtype=np.int64)
    return np.array([float(value) for value in values], dtype=np.float64)


def _is_label_type(kind: type) -> bool:
    if issubclass(kind, np.timedelta64) or (issubclass(kind, numbers.Complex) and not issubclass(kind, numbers.Real)):
        return False
    return issubclass(kind, (str, bytes, np.bool_, numbers.Number))  # Decimal is a Number only


def _as_text(value: Any, name: str) -> str:
    if isinstance(value, bytes):
        return str(_decoded(np.array([value]), name)[0])
    if isinstance(value, (str, bool, np.bool_)):
        return str(value)
    number = float(value)
    return str(int(value)) if number.is_integer() else str(value)


def _decoded(array: NDArray[Any], name: str) -> NDArray[Any]:
    try:
        return np.char.decode(array, "utf-8")
    except UnicodeDecodeError:
        raise DataError(f"{name} holds bytes that are not UTF-8 text: give the labels as text or integers") from None


def _whole(array: NDArray[Any], whole: NDArray[np.bool_], name: str) -> NDArray[Any]:
    if not whole.all():
        first = int(np.argmin(whole))
        if np.isnan(array[first]):
            raise _missing(name, first, array[first])
        raise DataError(
            f"{name}[{first}] is {array[first]}: labels must be whole numbers or text "
            "(continuous targets cannot be classified)"
        )
    return array


def _is_whole(array: NDArray[Any]) -> NDArray[np.bool_]:
    with np.errstate(all="ignore"):
        wide = array.astype(np.float64)
        whole: NDArray[np.bool_] = (np.abs(wide) <= _EXACT_IN_FLOAT64) & (np.floor(wide) == wide)
    return whole


def _missing(name: str, row: int, value: Any) -> DataError:
    return DataError(
        f"{name}[{row}] is {value}: every sample needs a label; leave that sample out or give it a label of its own"
    )


def _checked_names(class_names: Sequence[str]) -> tuple[str, ...]:
    names = () if isinstance(class_names, str) else tuple(class_names)
    if len(names) < 2 or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise DataError(f"class_names={class_names!r}: give at least 2 different names, each a string")
    return tuple(str(name) for name in names)


def _positions(labels: NDArray[Any], classes: NDArray[Any], name: str) -> NDArray[np.int64]:
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


def _number_of(value: Any) -> int | None:
    """Return the whole number that a label is or looks like."""
    if not isinstance(value, str):
        return int(value)
    if value.strip().lower() in _TRUTH:
        return _TRUTH[value.strip().lower()]
    return int(value.partition(".")[0]) if _WHOLE.fullmatch(value) else None


def _by_number(classes: NDArray[Any]) -> dict[int | None, int]:
    """Return the positions of the classes that are or look like a number, by that number, where no two share it."""
    found: dict[int | None, int] = {}
    twice: set[int | None] = {None}
    for position, value in enumerate(classes.tolist()):
        number = _number_of(value)
        twice |= {number} & found.keys()
        found[number] = position
    return {number: position for number, position in found.items() if number not in twice}


def _unknown(
    values: NDArray[Any], unknown: NDArray[np.bool_], classes: NDArray[Any], names: tuple[str, ...], name: str
) -> str:
    first, count = int(unknown.argmax()), int(unknown.sum())
    value, more = values[first].item(), f" (as {count} of {len(values)} labels are)" if count > 1 else ""
    way_out = "leave such samples out" if count < len(values) else "give labels of these classes"
    known = some(names) if names != names_of(classes) else some([str(item) for item in classes.tolist()])
    sentence = f"{name}[{first}] is {value!r}{more}, none of the known classes {known}; {way_out}"
    if values.dtype.kind != "U" and values.min() >= 0 and values.max() < len(classes):
        sentence += f", or give model.classes[{name}] if these are positions"
    return sentence
