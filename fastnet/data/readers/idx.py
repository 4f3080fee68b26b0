"""IDX files, the format of MNIST, plain or gzipped: one by one, or a folder of four."""

from __future__ import annotations

import gzip
import math
import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastnet.data.bounds import check_room, unpacking
from fastnet.data.dataset import Dataset, as_dataset
from fastnet.data.readers.failure import unreadable
from fastnet.data.readers.npz import MOST_DIMENSIONS
from fastnet.errors import DataError
from fastnet.files import as_path

IDX_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
"""The four files of MNIST and its relatives; each may end in .gz. `find_idx_files` knows other spellings."""

BROKEN_FILE_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)
"""Exceptions that reading a damaged gzip file can raise."""

_IDX_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CHUNK = 1 << 20
_CHECK_BYTES = 1 << 27
"""Bytes after which it is asked whether there is memory for as many again."""


def open_gzip_or_plain(path: Path) -> BinaryIO:
    """Open a file for reading; decompress it if it begins with the two magic bytes of gzip.

    The name does not count, because some servers decompress what they send.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return unpacking(gzip.open(path, "rb"), path) if packed else path.open("rb")


def read_idx(path: str | os.PathLike[str], *, dimensions: int | None = None) -> NDArray[Any]:
    """Read one IDX file, plain or gzipped, in the shape and type that it states, in the machine's byte order.

    `dimensions`, if given, is the number it must have: 3 for images, 1 for labels.

    Raises
    ------
    DataError
        If the file is missing, is not IDX, has another number of dimensions, or holds less or more than it states.

    Notes
    -----
    An IDX file is two zero bytes, a type code, the number of dimensions, each size as a big-endian 32-bit integer,
    and the values in row-major order (http://yann.lecun.com/exdb/mnist/, "the IDX file format").
    """
    path = as_path(path, "path")
    try:
        with open_gzip_or_plain(path) as file:
            dtype, shape = _idx_header(file, path, dimensions)
            expected = math.prod(shape) * dtype.itemsize
            content = _read_at_most(file, expected + 1, path)
    except BROKEN_FILE_ERRORS:
        raise DataError(f"{path}: the gzip file is truncated or damaged; get a new copy") from None
    except OSError as error:
        raise unreadable(path, error) from None
    if len(content) != expected:
        problem = "is truncated: it ends after" if len(content) < expected else "holds more than"
        amount = len(content) if len(content) < expected else expected
        sizes = " x ".join(str(size) for size in shape)
        raise DataError(f"{path}: {problem} {amount} bytes, where its header states {sizes} values; get a new copy")
    values: NDArray[Any] = np.frombuffer(content, dtype=dtype).reshape(shape)
    return values if dtype.isnative else values.astype(dtype.newbyteorder("="))


def find_idx_files(folder: Path) -> dict[str, Path]:
    """Return the path of each of the four `IDX_NAMES` that a folder holds; the .gz file if both exist.

    Where the exact name is missing, usual variants count: ``train-images.idx3-ubyte`` as Kaggle names it, a file in a
    folder of that name, other separators, ``test`` for ``t10k``, upper case.
    """
    found = {}
    for name in IDX_NAMES:
        for path in (folder / f"{name}.gz", folder / name):
            if path.is_file():
                found[name] = path
                break
    if len(found) < len(IDX_NAMES) and folder.is_dir():
        try:
            for other in sorted(_files_named_like_idx(folder)):
                found.setdefault(_idx_name(other.name), other)
        except OSError as error:
            raise unreadable(folder, error) from None
    return {name: found[name] for name in IDX_NAMES if name in found}


def _files_named_like_idx(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if _idx_name(path.name):
            if path.is_dir():
                yield from (file for file in path.iterdir() if _idx_name(file.name) and file.is_file())
            elif path.is_file():
                yield path


def _idx_name(name: str) -> str:
    """Return which of `IDX_NAMES` a file name is another spelling of; empty if none.

    >>> _idx_name("Train-Images.idx3-ubyte.gz"), _idx_name("test_labels.idx"), _idx_name("train-images.png")
    ('train-images-idx3-ubyte', 't10k-labels-idx1-ubyte', '')
    """
    words = re.split(r"[-._ ]+", name.lower().removesuffix(".gz"))
    endings = {"images": {"idx", "idx3", "ubyte"}, "labels": {"idx", "idx1", "ubyte"}}
    if len(words) < 3 or words[1] not in endings or not set(words[2:]) <= endings[words[1]]:
        return ""
    begin = f"{'t10k' if words[0] == 'test' else words[0]}-{words[1]}-"
    return next((name for name in IDX_NAMES if name.startswith(begin)), "")


def read_idx_folder(folder: str | os.PathLike[str], *, name: str, class_names: Sequence[str]) -> Dataset:
    """Read the four IDX files of MNIST or a relative: flattened uint8 images with their test set.

    The labels are positions in `class_names`. Raises `DataError` if a file is missing or cannot be read, or if images
    and labels do not belong together.
    """
    folder = as_path(folder, "folder")
    files = find_idx_files(folder)
    missing = [file for file in IDX_NAMES if file not in files]
    if missing:
        there = ", ".join(path.name for path in files.values()) or "none of the four"
        raise DataError(
            f"{folder}: {', '.join(missing)} missing (found: {there}); "
            "images and labels of both parts belong in one folder"
        )
    x, y = _read_idx_pair(files[IDX_NAMES[0]], files[IDX_NAMES[1]])
    x_test, y_test = _read_idx_pair(files[IDX_NAMES[2]], files[IDX_NAMES[3]])
    try:
        return as_dataset(x, y, x_test=x_test, y_test=y_test, class_names=class_names, name=name)
    except DataError as error:
        raise DataError(f"{folder}: {error}") from None


def _idx_header(file: BinaryIO, path: Path, dimensions: int | None) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _IDX_DTYPES or magic[3] == 0:
        start = magic.hex() or "nothing"
        raise DataError(f"{path}: not an IDX file: it starts with {start}, not with 0000, a type and a dimension count")
    if dimensions is not None and magic[3] != dimensions:
        kind = {1: "labels (1 dimension)", 3: "images (3 dimensions)"}.get(dimensions, f"{dimensions} dimensions")
        raise DataError(f"{path}: an IDX file of {magic[3]} dimensions (magic {magic.hex()}), where {kind} are needed")
    if magic[3] > MOST_DIMENSIONS:
        raise DataError(f"{path}: an IDX file of {magic[3]} dimensions, where at most {MOST_DIMENSIONS} can be read")
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(f"{path}: is truncated: it ends within its header; get a new copy")
    shape = struct.unpack(f">{magic[3]}I", sizes)
    if 0 in shape:
        raise DataError(f"{path}: its header states {' x '.join(map(str, shape))} values: it holds no sample")
    return np.dtype(_IDX_DTYPES[magic[2]]), shape


def _read_at_most(file: BinaryIO, limit: int, path: Path) -> bytearray:
    """Read in pieces, so that a header that states a wrong size cannot claim memory for it."""
    content, checked = bytearray(), _CHECK_BYTES
    while len(content) < limit and (piece := file.read(min(_CHUNK, limit - len(content)))):
        content += piece
        if len(content) > checked:
            check_room(str(path), min(limit, 2 * len(content)) - len(content), "the rest of its values takes up to")
            checked = 2 * len(content)
    return content


def _read_idx_pair(images: Path, labels: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    x, y = read_idx(images, dimensions=3), read_idx(labels, dimensions=1)
    if len(x) != len(y):
        raise DataError(
            f"{images} holds {len(x)} images but {labels} holds {len(y)} labels: they do not belong together"
        )
    return x, y
