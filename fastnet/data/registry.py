"""Data sets by name, or by the path of a file."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastnet.config.reading import reading_of
from fastnet.data.dataset import Dataset, DataSource, as_dataset, split
from fastnet.data.download import Progress, fetch
from fastnet.data.readers.failure import unreadable
from fastnet.data.readers.idx import IDX_NAMES, find_idx_files, read_idx_folder
from fastnet.data.readers.npz import read_npz, read_samples
from fastnet.data.readers.sparse import OPTIONS, is_sparse_file, read_sparse, read_sparse_samples
from fastnet.data.readers.svmlight import SUFFIXES, is_svmlight
from fastnet.data.readers.table import read_table
from fastnet.data.samples import Samples, samples_of
from fastnet.data.tables.table import STANDARD_INPUT, is_table, suffix_of
from fastnet.errors import ConfigError, DataError, warn
from fastnet.files import as_path, user_cache
from fastnet.trust import distrust, distrust_file

DATA_DIR_VARIABLE = "FASTNET_DATA_DIR"


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Four IDX files that can be downloaded.

    Attributes
    ----------
    class_names : tuple of str
    mirrors : tuple of str
        Addresses to which the file names are appended, in the order in which they are tried.
    sha256 : tuple of str
        SHA-256 of each of the `IDX_NAMES`, decompressed.
    folders : tuple of str
        Names that others give its folder, in lower case, letters only; torchvision's is ``FashionMNIST``.
    """

    class_names: tuple[str, ...]
    mirrors: tuple[str, ...]
    sha256: tuple[str, ...]
    folders: tuple[str, ...]


IMAGE_SETS = {
    "mnist": ImageSet(
        class_names=tuple("0123456789"),
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        sha256=(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        folders=("mnist",),
    ),
    "fashion-mnist": ImageSet(
        class_names=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        mirrors=(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        sha256=(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        folders=("fashionmnist", "fashion"),
    ),
}


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
        return _load_images(text, data_dir, progress)
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


def cache_folder() -> Path:
    """Return the folder of downloaded data sets, with a subfolder for each."""
    folder = user_cache()
    if folder is None:
        raise DataError(
            "no home folder was found for this user to keep downloaded data in; give the folder of the files as "
            f"data_dir or in {DATA_DIR_VARIABLE}, or set XDG_CACHE_HOME"
        )
    return folder / "data"


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
    folder = _given_folder(name, data_dir) or cache_folder() / name
    return folder if len(find_idx_files(folder)) == len(IDX_NAMES) else None


def _given_folder(name: str, data_dir: str | os.PathLike[str] | None) -> Path | None:
    """Return where the files of an image set are in the folder that the user gives; None if none is given."""
    named_folder = os.environ.get(DATA_DIR_VARIABLE) or None if data_dir is None else data_dir
    if named_folder is None:
        return None
    folder = as_path(named_folder, "data_dir")
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; data_dir and {DATA_DIR_VARIABLE} name a folder of data")
    for places in (_own_folders(folder, name), [folder, folder / "raw"]):
        counts = {place: len(find_idx_files(place)) for place in places}
        if any(counts.values()):
            return max(counts, key=lambda place: counts[place])
    raise DataError(
        f"{folder}: contains no file of {name}, nor do {name} and MNIST/raw below it; needed are "
        f"{', '.join(IDX_NAMES)}, each also with .gz. Without data_dir and {DATA_DIR_VARIABLE} they are taken from the "
        "cache or downloaded once"
    )


def _own_folders(folder: Path, name: str) -> list[Path]:
    """Return the folders below `folder` that are named after an image set, ours first, then other spellings."""
    try:
        below = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        raise unreadable(folder, error) from None
    usual = IMAGE_SETS[name].folders
    others = [path for path in below if "".join(filter(str.isalpha, path.name.lower())) in usual]
    return [place for path in (folder / name, *others) for place in (path, path / "raw")]


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


def _load_images(name: str, data_dir: str | os.PathLike[str] | None, progress: Progress | None) -> Dataset:
    if folder := _given_folder(name, data_dir):
        return _read_images(folder, name)
    cached = cache_folder() / name
    if reason := _distrusted(cached):
        warn(f"the cache of downloaded data is not used ({reason}); {name} is downloaded for this run alone")
        with tempfile.TemporaryDirectory(prefix="fastnet-") as made:
            _fetch_images(name, Path(made), progress)
            return _read_images(Path(made), name)
    _fetch_images(name, cached, progress)
    try:
        return _read_images(cached, name)
    except DataError as error:
        raise DataError(f"{error} (delete {cached} to download {name} again)") from None


def _distrusted(folder: Path) -> str:
    """Return why the files in the cache are not used: nobody checks them again once they are downloaded."""
    if reason := distrust(folder):
        return reason
    found = ((path, distrust_file(path.stat())) for path in find_idx_files(folder).values())
    return next((f"{path}: {reason}" for path, reason in found if reason), "")


def _fetch_images(name: str, folder: Path, progress: Progress | None) -> None:
    """Download those files of an image set that a folder lacks."""
    images, present = IMAGE_SETS[name], find_idx_files(folder)
    for file, sha256 in zip(IDX_NAMES, images.sha256, strict=True):
        if file not in present:
            fetch(f"{file}.gz", sha256, mirrors=images.mirrors, folder=folder, progress=progress)


def _read_images(folder: Path, name: str) -> Dataset:
    """Read a named set; refuse it if its labels are those of another, because the files have the same names."""
    dataset = read_idx_folder(folder, name=name, class_names=IMAGE_SETS[name].class_names)
    header = struct.pack(">2xBBI", 0x08, 1, dataset.n_samples)
    sha256 = hashlib.sha256(header + dataset.y.astype("u1").tobytes()).hexdigest()
    for other, images in IMAGE_SETS.items():
        if other != name and sha256 == images.sha256[1]:
            raise DataError(f"{folder}: contains {other}, not {name}; keep each data set in a folder of its own name")
    return dataset
