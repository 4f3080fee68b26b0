"""Files in the format of svmlight and LIBSVM: a label, then ``index:value`` of what is not zero, on every line."""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import numpy as np
from numpy.typing import NDArray

from fastnet.data.bounds import check_room, unpacking
from fastnet.data.readers.csr import Matrix
from fastnet.data.readers.failure import unreadable
from fastnet.data.sparse import MOST_COLUMNS, as_csr
from fastnet.errors import DataError

SUFFIXES = (".svm", ".svmlight", ".libsvm")
_OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open}
_LARGEST = float(np.finfo(np.float32).max)
_MOST_SHOWN = 30
LONGEST_LINE = 1 << 28
"""Bytes of the longest line."""
_BYTES_OF_LINE, _BYTES_OF_VALUE = 24, 12
"""Memory for a label, a group and the begin of a sample, and for a value and its column."""
_CHECK_BYTES = 1 << 28
"""How often it is asked whether there is so much memory."""


def is_svmlight(path: Path) -> bool:
    """Whether a file has a suffix of this format, also compressed.

    Examples
    --------
    >>> is_svmlight(Path("a9a.svm")), is_svmlight(Path("news20.libsvm.bz2")), is_svmlight(Path("a.csv"))
    (True, True, False)
    """
    return _inner(path).suffix.lower() in SUFFIXES


def stem_of(path: Path) -> str:
    """Return the name of a file without its suffixes."""
    return _inner(path).stem


def _inner(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() in _OPENERS else path


def read_svmlight(path: Path, *, multilabel: bool = False) -> Matrix:
    """Read a file by scikit-learn's ``load_svmlight_file``; column k is what has the index k.

    Indices are not shifted, so that column 0 is empty where they begin with 1. Labels with commas are several labels of
    a sample; each becomes a column of 0 and 1. ``qid`` becomes the group of a sample.

    Raises
    ------
    DataError
        If the file is missing or damaged; the message names the first such line.
    """
    try:
        try:
            x, y, groups = _loaded(path, multilabel=multilabel)
        except DataError:
            raise
        except ValueError:
            if multilabel or not _has_several_labels(path):
                raise
            x, y, groups = _loaded(path, multilabel=True)
        if not (x.shape[0] and np.isfinite(x.data).all() and (isinstance(y, list) or np.isfinite(y).all())):
            raise ValueError
        names = None
        if isinstance(y, list):
            y, names = _columns_of(y)
        elif (np.abs(y) < 2.0**53).all() and (np.floor(y) == y).all():
            y = y.astype(np.int64)
        return Matrix(as_csr(x, "x"), y, names, groups if len(groups) == x.shape[0] else None, open_ended=True)
    except DataError as error:
        message = str(error)
        raise DataError(message if message.startswith(str(path)) else f"{path}: {message}") from None
    except (ValueError, OverflowError):
        raise DataError(f"{path}: {_fault(path)}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(f"{path}: the file is truncated or damaged; write it again") from None
    except MemoryError:
        raise DataError(f"{path}: its samples do not fit into memory") from None
    except OSError as error:
        raise unreadable(path, error) from None


def _opened(path: Path) -> BinaryIO:
    opener = _OPENERS.get(path.suffix.lower())
    plain = path.open("rb") if opener is None else unpacking(opener(path, "rb"), path)
    return cast(BinaryIO, _Lines(plain, str(path)))


class _Lines:
    """The lines of a file as scikit-learn asks for them, none of them endless, and not more values than fit."""

    def __init__(self, stream: BinaryIO, shown: str) -> None:
        self._stream, self._shown = stream, shown

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size)

    def __iter__(self) -> Iterator[bytes]:
        needed, checked = 0, _CHECK_BYTES
        while line := self._stream.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                raise DataError(
                    f"{self._shown}: a line is longer than {LONGEST_LINE / 1e6:.0f} MB; each sample needs its own"
                )
            needed += _BYTES_OF_LINE + _BYTES_OF_VALUE * line.count(b":")
            if needed > checked:
                check_room(self._shown, needed, "its samples take")
                checked = needed + _CHECK_BYTES
            yield line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()


def _loaded(path: Path, *, multilabel: bool) -> tuple[Any, Any, Any]:
    from sklearn.datasets import load_svmlight_file

    with _opened(path) as file, np.errstate(over="ignore"):
        found = load_svmlight_file(file, dtype=np.float32, multilabel=multilabel, zero_based=True, query_id=True)
    return cast("tuple[Any, Any, Any]", found)


def _columns_of(labels: Sequence[tuple[float, ...]]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return the labels of each sample as a row of 0 and 1, and the names of the columns."""
    values = sorted({label for several in labels for label in several})
    places = {value: place for place, value in enumerate(values)}
    y = np.zeros((len(labels), len(values)))
    for row, several in enumerate(labels):
        y[row, [places[label] for label in several]] = 1.0
    return y, tuple(f"{value:.17g}" for value in values)


def _lines(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the number and the words of each line that holds a sample."""
    with _opened(path) as file:
        for number, line in enumerate(file, 1):
            if words := line.partition(b"#")[0].split():
                yield number, words


def _has_several_labels(path: Path) -> bool:
    return any(b"," in words[0] for _, words in _lines(path))


def _fault(path: Path) -> str:
    """Say what is wrong with the first line that cannot be read, or that there is none."""
    for number, (label, *pairs) in _lines(path):
        if b":" in label:
            return f"line {number} begins with {_shown(label)}, where a label is needed, 0 if it is not known"
        for part in label.split(b","):
            if not _is_number(part):
                return f"line {number} has the label {_shown(part)}: labels must be finite numbers"
        last = -1
        for place, pair in enumerate(pairs):
            index, colon, value = pair.partition(b":")
            if index == b"qid" and not place and _is_whole(value):
                continue
            if not (colon and _is_whole(index) and _is_number(value)):
                return f"line {number} has {_shown(pair)}, where index:value with a finite number is needed"
            if not last < int(index) < MOST_COLUMNS:
                return f"line {number} has the index {int(index)}: must be from 0 to {MOST_COLUMNS - 1}, and ascend"
            last = int(index)
    return "no samples; each needs a line with a label and its values, such as '1 3:0.5 7:1.25'"


def _is_number(text: bytes) -> bool:
    try:
        return abs(float(text)) <= _LARGEST
    except ValueError:
        return False


def _is_whole(text: bytes) -> bool:
    return text.lstrip(b"-").isdigit() and len(text) < 20


def _shown(text: bytes) -> str:
    shown = text[:_MOST_SHOWN].decode("utf-8", "replace")
    return repr(shown + "..." if len(text) > _MOST_SHOWN else shown)
