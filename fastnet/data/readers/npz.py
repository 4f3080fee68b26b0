"""NPZ files: samples as NumPy saves them."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastnet.data.bounds import check_room, check_unpacked
from fastnet.data.dataset import Dataset, as_dataset
from fastnet.data.labels import label_values, positions_of
from fastnet.data.readers.failure import unreadable
from fastnet.data.samples import Samples, no_test_set
from fastnet.errors import DataError
from fastnet.files import as_path, shown_path

NPZ_KEYS = "x and y, or x_train and y_train (with x_test and y_test for a test set)"

MOST_DIMENSIONS = 32
"""Most dimensions of an array in any version of NumPy."""


def read_npz(path: str | os.PathLike[str]) -> Dataset:
    """Read a data set from a NumPy archive, as written by ``numpy.savez``; its name is that of the file.

    The archive contains x and y, or x_train and y_train; optionally x_test and y_test, and class_names. Pickled
    (object) arrays are refused, so a file from a stranger cannot run code.

    Raises
    ------
    DataError
        If the file is missing or damaged, lacks those arrays, or they do not make a data set (see `as_dataset`).
    """
    path = as_path(path, "path")
    arrays = npz_arrays(path, _npz_keys)
    suffix = "_train" if "x_train" in arrays else ""
    class_names = None if "class_names" not in arrays else np.ravel(arrays["class_names"]).tolist()
    try:
        return as_dataset(
            arrays[f"x{suffix}"],
            arrays[f"y{suffix}"],
            x_test=arrays.get("x_test"),
            y_test=arrays.get("y_test"),
            class_names=class_names,
            name=shown_path(path.stem),
        )
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def read_samples(path: str | os.PathLike[str], part: str | None = None, labels: bool = True) -> Samples:
    """Read samples for an existing model from a NumPy archive.

    It contains x, x_train or x_test and, if `labels` are needed, the array with y in front; optionally class_names, in
    which numeric labels are positions. `part` is "test" or "train"; by default the test set if there is one, otherwise
    all samples.

    Raises
    ------
    DataError
        If the file is missing or damaged, or lacks the arrays.
    """
    path = as_path(path, "path")
    arrays = npz_arrays(path, partial(_sample_keys, part=part, labels=labels))
    (x_name, x), *others = arrays.items()
    given, chosen = None, "test" if x_name == "x_test" else "train" if part else "all"
    try:
        if labels:
            given = others[0][1] if _are_numbers(others[0][1]) else label_values(others[0][1], others[0][0])
            if "class_names" in arrays and given.dtype.kind != "U":
                names = np.ravel(arrays["class_names"]).tolist()
                given = np.asarray(names)[positions_of(given, np.arange(len(names)), (), name=others[0][0])]
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return Samples(x, given, shown_path(path.stem), chosen)


def _are_numbers(y: NDArray[Any]) -> bool:
    """Whether targets are numbers with fractions, or several for each sample, which only a model can check."""
    several = y.ndim == 2 and y.shape[1] > 1
    return y.dtype.kind in "biuf" and (several or (y.dtype.kind == "f" and bool((np.floor(y) != y).any())))


def npz_arrays(path: Path, choose: Callable[[Path, Sequence[str]], list[str]]) -> dict[str, NDArray[Any]]:
    """Read the arrays of an archive that `choose` returns, from the path and the names of all that there are.

    Raises
    ------
    DataError
        If the file is missing or damaged, or holds pickled objects.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                raise DataError(f"{path}: not an .npz file; write one with numpy.savez(path, x=..., y=...)")
            file.seek(0)
            return _unpacked(path, file, choose)
    except OSError as error:
        raise unreadable(path, error) from None


def _unpacked(
    path: Path, file: BinaryIO, choose: Callable[[Path, Sequence[str]], list[str]]
) -> dict[str, NDArray[Any]]:
    """Read the arrays of an archive.

    A damaged archive can raise more than a closed list of exceptions: zipfile, three decompressors and Python's parser,
    which reads the headers of the arrays, have their own, and some of them warn first.
    """
    damaged = f"{path}: the .npz file is truncated or damaged; write it again"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with np.load(file, allow_pickle=False) as archive:
                chosen = choose(path, archive.files)
                _check_sizes(path, archive, chosen)
                arrays = {key: archive[key] for key in chosen}
    except DataError:
        raise
    except MemoryError:
        raise DataError(f"{path}: its arrays do not fit into memory") from None
    except Exception as error:
        if "Object arrays" in str(error):
            raise DataError(
                f"{path}: holds pickled Python objects, which are never loaded; save arrays of numbers or text"
            ) from None
        raise DataError(damaged) from None
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):  # NumPy returns the bytes of anything else
        raise DataError(damaged)
    for key, array in arrays.items():
        if array.dtype.itemsize == 0:  # values without a byte: a header can state any number of them
            raise DataError(damaged)
        if array.dtype.kind == "U" and not _is_unicode(array):
            raise DataError(f"{path}: {key} holds text that is not Unicode; the file is damaged, write it again")
    return arrays


def _check_sizes(path: Path, archive: Any, chosen: Sequence[str]) -> None:
    """Refuse arrays that claim more memory than is free, or more than their part of the archive can unpack to.

    An array is allocated as its header says before its first value is read.
    """
    needed = 0
    for key in chosen:
        name = key if key in archive.zip.NameToInfo else f"{key}.npy"
        about = archive.zip.getinfo(name)
        with archive.zip.open(name) as member:
            version = np.lib.format.read_magic(member)
            if version[0] > 2:  # of tables with names that are not ASCII, which are no features
                raise ValueError("the third version of the header")
            read = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(member)
        claimed = math.prod(shape) * dtype.itemsize
        check_unpacked(f"{path}: {key}", max(claimed, about.file_size), max(about.compress_size, 1))
        if claimed > about.file_size and not dtype.hasobject:
            raise ValueError("its header states more values than there are")
        needed += claimed
    check_room(str(path), needed, "its arrays take")


def _is_unicode(texts: NDArray[Any]) -> bool:
    """Whether all characters of an array of texts are valid: NumPy accepts any 32 bits, Python does not."""
    native = np.ascontiguousarray(texts.astype(texts.dtype.newbyteorder("=")))
    codes = np.frombuffer(native.tobytes(), dtype=np.uint32)
    return not ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes <= 0xDFFF))).any()


def _listed(names: Sequence[str]) -> str:
    """Write the names in an archive, of any number and with any characters."""
    shown = [name if name.isprintable() else repr(name) for name in names[:10]]
    return ", ".join([*shown, *(["..."] if len(names) > 10 else [])]) or "nothing"


def _npz_keys(path: Path, files: Sequence[str]) -> list[str]:
    suffix = "_train" if "x_train" in files or "y_train" in files else ""
    needed = [f"x{suffix}", f"y{suffix}"]
    if not set(needed) <= set(files):
        raise DataError(f"{path}: holds {_listed(files)}; the arrays {NPZ_KEYS} are needed")
    return needed + [key for key in ("x_test", "y_test", "class_names") if key in files]


def _sample_keys(path: Path, files: Sequence[str], *, part: str | None, labels: bool) -> list[str]:
    """Return the arrays of one part: features, then the labels and the names of the classes if needed."""
    suffix = "_test" if part == "test" or (part is None and "x_test" in files) else ""
    if not suffix and "x_train" in files:
        suffix = "_train"
    if part == "test" and "x_test" not in files and {"x", "x_train"} & set(files):
        raise no_test_set(path.stem)
    if f"x{suffix}" not in files:
        raise DataError(f"{path}: holds {_listed(files)}; the array x, x_train or x_test is needed")
    if not labels:
        return [f"x{suffix}"]
    if f"y{suffix}" not in files:
        raise DataError(
            f"{path}: its samples x{suffix} have no labels y{suffix}, so nothing can be measured on them; add the "
            "labels, or predict them"
        )
    return [f"x{suffix}", f"y{suffix}", *(["class_names"] if "class_names" in files else [])]
