"""MNIST and Fashion-MNIST: where their files are, in a folder that is given or in the cache, and their download."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fastnet.data.dataset import Dataset
from fastnet.data.download import Progress, fetch
from fastnet.data.readers.failure import unreadable
from fastnet.data.readers.idx import IDX_NAMES, find_idx_files, read_idx_folder
from fastnet.errors import DataError, warn
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


def load_images(name: str, data_dir: str | os.PathLike[str] | None, progress: Progress | None) -> Dataset:
    """Read a set from the folder that is given, or from the cache, into which it is downloaded if it is not there."""
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


def find_images(name: str, data_dir: str | os.PathLike[str] | None) -> Path | None:
    """Return the folder that `load_images` would read a set from; None if it would have to be downloaded.

    Raises
    ------
    DataError
        If the folder of data does not exist, or contains none of the files.
    """
    folder = _given_folder(name, data_dir) or cache_folder() / name
    return folder if len(find_idx_files(folder)) == len(IDX_NAMES) else None


def cache_folder() -> Path:
    """Return the folder of downloaded data sets, with a subfolder for each."""
    folder = user_cache()
    if folder is None:
        raise DataError(
            "no home folder was found for this user to keep downloaded data in; give the folder of the files as "
            f"data_dir or in {DATA_DIR_VARIABLE}, or set XDG_CACHE_HOME"
        )
    return folder / "data"


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
