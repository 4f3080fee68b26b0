"""Data sets by name, or by the path of a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastnet.config.reading import reading_of
from fastnet.data.dataset import Dataset, DataSource, as_dataset
from fastnet.data.download import Progress
from fastnet.data.image_sets import IMAGE_SETS, find_images, load_images
from fastnet.data.readers.npz import read_npz, read_samples
from fastnet.data.readers.sparse import OPTIONS, is_sparse_file, read_sparse, read_sparse_samples
from fastnet.data.readers.svmlight import SUFFIXES, is_svmlight
from fastnet.data.readers.table import read_table
from fastnet.data.samples import Samples, samples_of
from fastnet.data.splitting import split
from fastnet.data.tables.table import STANDARD_INPUT, is_table, suffix_of
from fastnet.errors import ConfigError, DataError
from fastnet.files import as_path


class Reader(NamedTuple):
    """The functions that read the files of one format: a data set, and samples for an existing model.

    The first takes those fields of `Reading` that are among the `options`.
    """

    dataset: Callable[..., Dataset]
    samples: Callable[[Path, str | None, bool], Samples]
    options: tuple[str, ...] = ()


SPARSE = Reader(read_sparse, read_sparse_samples, OPTIONS)

READERS = {".npz": Reader(read_npz, read_samples), **dict.fromkeys(SUFFIXES, SPARSE)}
"""By the suffix of a file; one without a known suffix is taken for the first. An .npz file can hold a sparse array."""

NAMES = ("mnist5k", "digits", *IMAGE_SETS)
"""Data sets that `load` knows by name: images in ten classes, 8 x 8 in ``digits`` and 28 x 28 in the others."""

DIGITS_TEST = 0.2
"""Share of ``digits`` that is its test set, the same in every class."""


def load(
    name_or_path: Any,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **reading: Any,
) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    name_or_path : str or path
        ``"mnist5k"`` (5,000 real MNIST images inside the package), ``"digits"`` (1,797 images of 8 x 8 inside
        scikit-learn), ``"mnist"``, ``"fashion-mnist"``, or the path of an .npz file with the arrays x and y, or x_train
        and y_train, and optionally x_test, y_test and class_names. Or a file of sparse samples: .svm, .svmlight or
        .libsvm, also compressed by gzip or bzip2, or a sparse array in an .npz file as ``scipy.sparse.save_npz``
        writes it, with the targets as the array y. Or a table: a file in CSV, Parquet or Arrow format,
        a list or folder of such files, ``"-"`` for standard input, or a table in memory (pandas, polars, Arrow, or a
        dict of columns).
    data_dir : path, optional
        Folder with the four IDX files of a named set, directly, in a subfolder of that name, or where torchvision puts
        them (``MNIST/raw``). Defaults to the environment variable ``FASTNET_DATA_DIR``. Without either, the files are
        taken from the user's cache; those that are missing there are downloaded once and verified.
    progress : callable, optional
        Called during a download as ``progress(file_name, bytes_done, bytes_total)``; the total is 0 if unknown.
    **reading
        Of a table: what to predict (`target`), from what, and how to read it; see `fastnet.config.reading.Reading`.
        Of sparse samples: `test`, `task` and `numbers`.

    Returns
    -------
    Dataset
        The named sets have uint8 images, shape (N, 784) or, for ``digits``, (N, 64), and a test set.

    Raises
    ------
    DataError
        If the name or file is unknown, `data_dir` lacks files of the set, the data are damaged, or the download
        fails.

    Examples
    --------
    >>> load("mnist5k")
    Dataset('mnist5k': 4000 samples, 784 features, 10 classes, 1000 test samples)
    """
    dataset = _loaded(name_or_path, data_dir, progress, reading)
    if is_table(name_or_path):
        return dataset
    several = not isinstance(name_or_path, (str, bytes, os.PathLike))
    data = [_place(each) for each in name_or_path] if several else _place(name_or_path)
    folder = None if data_dir is None else _place(data_dir)
    return replace(dataset, source=DataSource(data, folder, dict(reading) or None))


def _place(data: str | bytes | os.PathLike[str]) -> str:
    """Return the name of a data set, or the absolute path of a file."""
    text = os.fsdecode(data)
    return text if text in (*NAMES, STANDARD_INPUT) else str(Path(text).expanduser().absolute())


def _loaded(
    name_or_path: Any, data_dir: str | os.PathLike[str] | None, progress: Progress | None, reading: Mapping[str, Any]
) -> Dataset:
    if is_source_of_table(name_or_path):
        check_files(name_or_path)
        return read_table(name_or_path, reading_of(reading))
    text = os.fsdecode(name_or_path)
    if reading and text and Path(text).is_dir():
        return read_table(text, reading_of(reading))  # which says that no table is in this folder
    path = _file_of(text)
    reader = None if path is None else _reader_of(path)
    _check_options(reading, text, reader)
    if text == "mnist5k":
        return read_npz(Path(__file__).with_name(f"{text}.npz"))
    if text == "digits":
        return _load_digits()
    if text in IMAGE_SETS:
        return load_images(text, data_dir, progress)
    if path is None or reader is None:
        *others, last = READERS
        files = f"{', '.join(others)} or {last} file"
        raise DataError(
            f"unknown data set {text!r}: give one of {', '.join(NAMES)}, or the path of a {files}, or of a table in "
            "CSV, Parquet or Arrow format"
        )
    return reader.dataset(path, **reading)


def _check_options(reading: Mapping[str, Any], text: str, reader: Reader | None) -> None:
    """Raise `ConfigError` if an option is given that these data cannot have."""
    known = () if reader is None else reader.options
    other = next((name for name in reading if name not in known), None)
    if other is not None and text:
        columns = ", and its columns have no names" if reader is SPARSE else ""
        raise ConfigError(f"{other} is given for {text}, which is no table: it has its own targets{columns}")


def is_source_of_table(source: Any) -> bool:
    """Whether data are a table: in memory, standard input, several files, or a file or folder that holds one.

    Examples
    --------
    >>> is_source_of_table("prices.csv"), is_source_of_table("mnist5k")
    (True, False)
    """
    if is_table(source) or (isinstance(source, Sequence) and not isinstance(source, (str, bytes))):
        return True
    text = os.fsdecode(source) if isinstance(source, (str, bytes, os.PathLike)) else ""
    if not text or text in NAMES:
        return False
    path = Path(text)
    if _is_known(path):
        return False
    inside = path.iterdir() if path.is_dir() else ()
    return text == STANDARD_INPUT or bool(suffix_of(path)) or any(suffix_of(each) for each in inside)


def check_files(source: Any) -> None:
    """Raise `DataError` if several data are not all files of tables."""
    several = isinstance(source, Sequence) and not isinstance(source, (str, bytes))
    for each in source if several else ():
        text = os.fsdecode(each)
        if _is_known(Path(text)) or not (is_source_of_table(each) or Path(text).is_file()):
            raise DataError(f"{text}: is no table; several data must be files with the same columns")


def _file_of(text: str) -> Path | None:
    """Return the file of data that have no name; None if neither a suffix nor a file shows that it is one."""
    if text in NAMES:
        return None
    path = as_path(text, "data") if text else Path()
    if text and path.is_dir():
        raise DataError(
            f"{text}: is a folder; give a file, or one of {', '.join(IMAGE_SETS)} with the folder as data_dir"
        )
    return path if _is_known(path) or path.is_file() else None


def _is_known(path: Path) -> bool:
    """Whether a suffix shows that a file has a format of `READERS`."""
    return path.suffix in READERS or is_svmlight(path)


def _reader_of(path: Path) -> Reader:
    return SPARSE if is_sparse_file(path) else READERS.get(path.suffix, READERS[".npz"])


def is_source_like_table(source: Any) -> bool:
    """Whether the usual settings of tables serve for data: for a table, or a file of sparse samples.

    Examples
    --------
    >>> is_source_like_table("prices.csv"), is_source_like_table("news.svm"), is_source_like_table("digits")
    (True, True, False)
    """
    if is_source_of_table(source):
        return True
    text = os.fsdecode(source) if isinstance(source, (str, bytes, os.PathLike)) else ""
    return bool(text) and text not in NAMES and is_sparse_file(Path(text))


def load_samples(
    name_or_path: str | os.PathLike[str],
    *,
    part: str | None = None,
    labels: bool = True,
    data_dir: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Samples:
    """Load samples for an existing model; unlike a data set they may have one class, or no labels.

    `part` is "test" or "train"; by default the test set if there is one, otherwise all samples. Labels that are not
    needed are not read. The other arguments are those of `load`.

    Raises
    ------
    DataError
        If the name, file or part is unknown, labels are needed and missing, or the data are damaged.

    Examples
    --------
    >>> samples = load_samples("mnist5k")
    >>> samples.part, samples.x.shape
    ('test', (1000, 784))
    """
    path = _file_of(os.fsdecode(name_or_path))
    if path is not None:
        return _reader_of(path).samples(path, part, labels)
    return samples_of(load(name_or_path, data_dir=data_dir, progress=progress), part)


def find(name: str, *, data_dir: str | os.PathLike[str] | None = None) -> Path | None:
    """Return the file or folder that `load` would read a named set from; None if it would have to be downloaded.

    Raises
    ------
    DataError
        If the folder of data does not exist, or contains none of the files.

    Examples
    --------
    >>> find("mnist5k").name
    'mnist5k.npz'
    """
    if name == "digits":
        library = find_spec("sklearn")
        file = Path(library.origin or "").parent / "datasets" / "data" / "digits.csv.gz" if library else None
        return file if file and file.is_file() else None
    if name not in IMAGE_SETS:
        return Path(__file__).with_name(f"{name}.npz")
    return find_images(name, data_dir)


def _load_digits() -> Dataset:
    """Return scikit-learn's digits as images: 0 to 16 in each pixel becomes 0 to 255, treated like any other image.

    The test samples are those of the stratified split of seed 0, in that split's order.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = np.rint(pixels * (255 / 16)).astype(np.uint8)
    parts = split(labels, fraction=DIGITS_TEST, seed=0)
    return as_dataset(
        images[parts.train], labels[parts.train], x_test=images[parts.validation], y_test=labels[parts.validation],
        class_names=tuple("0123456789"), name="digits",
    )  # fmt: skip
