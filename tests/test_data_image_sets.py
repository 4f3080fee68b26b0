"""MNIST and Fashion-MNIST: their files where others put them, the cache, and downloads from a mirror served here."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mirrors import Mirror

from fastnet.data import image_sets, load, registry
from fastnet.data.download import unpacked_sha256
from fastnet.data.readers.idx import IDX_NAMES
from fastnet.errors import DataError, FastnetWarning

FolderMaker = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(image_sets, "cache_folder", lambda: folder)
    monkeypatch.delenv(image_sets.DATA_DIR_VARIABLE, raising=False)
    return folder


@pytest.fixture
def served_set(mirror: Mirror, idx_folder: FolderMaker, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    """Let fashion-mnist be twenty small images on the local server."""
    folder = idx_folder("served")
    mirror.files = {path.name: path.read_bytes() for path in folder.iterdir()}
    sha256 = tuple(unpacked_sha256(folder / f"{name}.gz") for name in IDX_NAMES)
    small = replace(image_sets.IMAGE_SETS["fashion-mnist"], mirrors=(mirror.url("good"),), sha256=sha256)
    monkeypatch.setitem(image_sets.IMAGE_SETS, "fashion-mnist", small)
    return mirror


def test_load_downloads_a_named_set_once(served_set: Mirror, cache: Path) -> None:
    steps: list[str] = []
    data = load("fashion-mnist", progress=lambda name, _done, _total: steps.append(name))
    again = load("fashion-mnist")
    assert data.fingerprint() == again.fingerprint()
    assert data.name == "fashion-mnist"
    assert data.class_names[9] == "Ankle boot"
    assert data.x.shape == (20, 6)
    assert list(dict.fromkeys(steps)) == [f"{name}.gz" for name in IDX_NAMES]
    assert len(served_set.requests) == 4
    assert sorted(os.listdir(cache / "fashion-mnist")) == sorted(f"{name}.gz" for name in IDX_NAMES)


def test_load_downloads_only_missing_files(served_set: Mirror, cache: Path) -> None:
    load("fashion-mnist")
    (cache / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    load("fashion-mnist")
    assert served_set.requests[4:] == ["/good/t10k-labels-idx1-ubyte.gz"]


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no permissions that os.chmod could give")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_load_uses_no_cache_that_others_may_write_to(served_set: Mirror, cache: Path, what: str) -> None:
    whole = load("fashion-mnist").fingerprint()
    folder = cache / "fashion-mnist"
    loose = folder if what == "folder" else folder / "train-labels-idx1-ubyte.gz"
    other = folder / "t10k-labels-idx1-ubyte.gz"
    other.write_bytes(b"planted")
    loose.chmod(0o777)
    with pytest.warns(FastnetWarning, match=r"^the cache of downloaded data is not used \(.*: other users may write"):
        again = load("fashion-mnist")
    assert again.fingerprint() == whole and len(served_set.requests) == 8 and other.read_bytes() == b"planted"


def test_load_says_how_to_repair_the_cache(served_set: Mirror, cache: Path) -> None:
    load("fashion-mnist")
    damaged = cache / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:-5])
    with pytest.raises(
        DataError, match=r"truncated or damaged.*delete .*fashion-mnist to download fashion-mnist again"
    ):
        load("fashion-mnist")


def test_load_prefers_the_named_folder(
    served_set: Mirror, idx_folder: FolderMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, flat = idx_folder("inside/fashion-mnist", packed=False), idx_folder("flat")
    for folder in (inside.parent, flat):
        assert load("fashion-mnist", data_dir=folder).x.shape == (20, 6)
        assert load("fashion-mnist", data_dir=str(folder)).name == "fashion-mnist"
    monkeypatch.setenv("FASTNET_DATA_DIR", str(flat))
    assert load("fashion-mnist").x.shape == (20, 6)
    monkeypatch.setenv("FASTNET_DATA_DIR", str(tmp_path / "nowhere"))
    assert load("fashion-mnist", data_dir=flat).x.shape == (20, 6)
    assert served_set.requests == []


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_load_names_the_files_missing_in_a_given_folder(
    served_set: Mirror, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    load("fashion-mnist")  # the cache has it, but that is not where the user said
    served_set.requests.clear()
    folder = tmp_path / "wrong"
    (folder / "MNIST" / "raw").mkdir(parents=True)
    (folder / "train-images-idx3-ubyte.png").touch()
    (folder / "train-images-idx3-ubyte").mkdir()
    if how == "environment":
        monkeypatch.setenv(image_sets.DATA_DIR_VARIABLE, str(folder))
    with pytest.raises(DataError, match=r"wrong: contains no file of fashion-mnist.*idx3-ubyte,"):
        load("fashion-mnist", data_dir=folder if how == "argument" else None)
    assert served_set.requests == []


def test_an_empty_variable_does_not_name_a_folder(served_set: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(image_sets.DATA_DIR_VARIABLE, "")
    assert load("fashion-mnist").n_samples == 20


KAGGLE = {name: name.replace("-idx", ".idx") for name in IDX_NAMES}
USUAL_NAMES = {
    "as published": {name: f"{name}.gz" for name in IDX_NAMES},
    "unpacked": {name: name for name in IDX_NAMES},
    "Kaggle": KAGGLE,
    "Kaggle, packed": {name: f"{other}.gz" for name, other in KAGGLE.items()},
    "Kaggle's folders": {name: f"{name}/{name}" for name in IDX_NAMES},
    "upper case": {name: f"{name}.GZ".upper() for name in IDX_NAMES},
    "underscores": {name: name.replace("-", "_") for name in IDX_NAMES},
    "test": {name: name.replace("t10k", "test") for name in IDX_NAMES},
    "short": {name: f"{name.partition('-idx')[0]}.idx" for name in IDX_NAMES},
}
PLACES = (".", "fashion-mnist", "FashionMNIST/raw", "fashion_mnist", "fashion", "raw", "Fashion-MNIST/raw")


@pytest.mark.parametrize("names", USUAL_NAMES)
@pytest.mark.parametrize("place", PLACES)
def test_load_finds_the_files_where_others_put_them(
    served_set: Mirror, tmp_path: Path, idx_folder: FolderMaker, place: str, names: str
) -> None:
    source = idx_folder("source", packed=names != "unpacked")
    for name, other in USUAL_NAMES[names].items():
        target = tmp_path / "root" / place / other
        target.parent.mkdir(parents=True, exist_ok=True)
        (source / (name if names == "unpacked" else f"{name}.gz")).rename(target)
    data = load("fashion-mnist", data_dir=tmp_path / "root")
    assert (data.n_samples, data.name) == (20, "fashion-mnist")
    assert served_set.requests == []
    found = registry.find("fashion-mnist", data_dir=tmp_path / "root")
    assert found is not None and found.resolve() == (tmp_path / "root" / place).resolve()


def test_load_prefers_the_right_names_and_the_full_folder(served_set: Mirror, idx_folder: FolderMaker) -> None:
    root = idx_folder("root")
    (root / "train-images.idx3-ubyte").write_bytes(b"another one")
    assert load("fashion-mnist", data_dir=root).n_samples == 20
    (root / "fashion").mkdir()
    (root / "fashion" / "train-images-idx3-ubyte").write_bytes(b"half a copy")
    with pytest.raises(DataError, match=r"fashion: train-labels-.* missing \(found: train-images-idx3-ubyte\)"):
        load("fashion-mnist", data_dir=root)
    full = idx_folder("root/FashionMNIST/raw")
    assert registry.find("fashion-mnist", data_dir=root) == full
    assert served_set.requests == []


def test_load_refuses_an_incomplete_folder(served_set: Mirror, idx_folder: FolderMaker) -> None:
    folder = idx_folder("half")
    (folder / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError, match="train-images-idx3-ubyte missing"):
        load("fashion-mnist", data_dir=folder)
    assert served_set.requests == []


def test_load_refuses_one_set_under_the_name_of_another(served_set: Mirror, cache: Path) -> None:
    load("fashion-mnist")
    with pytest.raises(DataError, match="contains fashion-mnist, not mnist"):
        load("mnist", data_dir=cache / "fashion-mnist")


def test_load_refuses_a_missing_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no such folder; data_dir and FASTNET_DATA_DIR"):
        load("mnist", data_dir=tmp_path / "nowhere")
    monkeypatch.setenv("FASTNET_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="no such folder; data_dir and FASTNET_DATA_DIR"):
        load("mnist")


@pytest.mark.parametrize("answer", ["~/.cache/fastnet", RuntimeError("could not determine the home directory")])
def test_downloads_need_a_home_folder(monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    def user_cache_path(*name: str, **options: object) -> Path:
        if isinstance(answer, Exception):
            raise answer
        return Path(str(answer))

    monkeypatch.undo()  # the folder of the other tests
    monkeypatch.setattr("platformdirs.user_cache_path", user_cache_path)
    monkeypatch.delenv("FASTNET_DATA_DIR", raising=False)
    with pytest.raises(DataError, match="no home folder was found for this user"):
        load("mnist")


def test_cache_folder_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    folder = image_sets.cache_folder()
    assert folder.is_absolute()
    assert folder.name == "data"
    assert "fastnet" in folder.parts


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_load_real_images(shared_data: Path, name: str) -> None:
    data = load(name, data_dir=shared_data)
    assert (data.name, data.x.shape, data.x.dtype) == (name, (60000, 784), np.uint8)
    assert data.x_test is not None
    assert data.x_test.shape == (10000, 784)
    assert np.bincount(data.y).min() > 5000
    assert load(name, data_dir=shared_data / name).fingerprint() == data.fingerprint()
    for file, sha256 in zip(IDX_NAMES, image_sets.IMAGE_SETS[name].sha256, strict=True):
        assert unpacked_sha256(shared_data / name / f"{file}.gz") == sha256


def test_load_refuses_real_digits_under_the_name_of_fashion(shared_data: Path) -> None:
    with pytest.raises(DataError, match="contains mnist, not fashion-mnist"):
        load("fashion-mnist", data_dir=shared_data / "mnist")
