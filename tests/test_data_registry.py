from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mirrors import Mirror

from fastnet.data import NAMES, Dataset, as_dataset, load, registry, take_first
from fastnet.data.dataset import DataSource
from fastnet.data.download import unpacked_sha256
from fastnet.data.given import as_given
from fastnet.data.readers.idx import IDX_NAMES
from fastnet.data.samples import Samples, samples_of
from fastnet.errors import ConfigError, DataError, FastnetWarning

FolderMaker = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(registry, "cache_folder", lambda: folder)
    monkeypatch.delenv(registry.DATA_DIR_VARIABLE, raising=False)
    return folder


@pytest.fixture
def served_set(mirror: Mirror, idx_folder: FolderMaker, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    """Let fashion-mnist be twenty small images on the local server."""
    folder = idx_folder("served")
    mirror.files = {path.name: path.read_bytes() for path in folder.iterdir()}
    sha256 = tuple(unpacked_sha256(folder / f"{name}.gz") for name in IDX_NAMES)
    small = replace(registry.IMAGE_SETS["fashion-mnist"], mirrors=(mirror.url("good"),), sha256=sha256)
    monkeypatch.setitem(registry.IMAGE_SETS, "fashion-mnist", small)
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
        monkeypatch.setenv(registry.DATA_DIR_VARIABLE, str(folder))
    with pytest.raises(DataError, match=r"wrong: contains no file of fashion-mnist.*idx3-ubyte,"):
        load("fashion-mnist", data_dir=folder if how == "argument" else None)
    assert served_set.requests == []


def test_an_empty_variable_does_not_name_a_folder(served_set: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.DATA_DIR_VARIABLE, "")
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


@pytest.mark.parametrize("name", ["cifar", "MNIST", "", "no/such/file"])
def test_load_lists_the_known_names(name: str) -> None:
    with pytest.raises(DataError) as caught:
        load(name)
    assert str(caught.value) == (
        f"unknown data set {name!r}: give one of mnist5k, digits, mnist, fashion-mnist, or the path of a .npz, .svm, "
        ".svmlight or .libsvm file, or of a table in CSV, Parquet or Arrow format"
    )


def test_load_reads_an_npz_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, x=np.eye(4), y=[0, 1, 0, 1])
    assert load(path).name == load(str(path)).name == "mine"
    with pytest.raises(DataError, match="no such file"):
        load(tmp_path / "other.npz")
    (tmp_path / "table").write_text("a,b\n")
    with pytest.raises(DataError, match=r"not an .npz file"):
        load(tmp_path / "table")
    with pytest.raises(DataError, match="is a folder; give a file, or one of mnist, fashion-mnist"):
        load(tmp_path)


def test_a_format_is_one_row_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path) -> Dataset:
        x, y = np.loadtxt(path, ndmin=2)[:, :-1], np.loadtxt(path, ndmin=2)[:, -1]
        return as_dataset(x, y, name=path.stem)

    def samples(path: Path, part: str | None, labels: bool) -> Samples:
        return samples_of(read(path), part)

    monkeypatch.setitem(registry.READERS, ".txt", registry.Reader(read, samples))
    path = tmp_path / "mine.txt"
    path.write_text("0.5 1 0\n2.5 3 1\n")
    assert load(path).x.tolist() == [[0.5, 1.0], [2.5, 3.0]]
    assert registry.load_samples(path).name == as_given(str(path), "data").name == "mine"
    with pytest.raises(DataError, match=r"unknown data set 'x': .* \.libsvm or \.txt file, or of a table"):
        load("x")


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
    folder = registry.cache_folder()
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
    for file, sha256 in zip(IDX_NAMES, registry.IMAGE_SETS[name].sha256, strict=True):
        assert unpacked_sha256(shared_data / name / f"{file}.gz") == sha256


def test_load_refuses_real_digits_under_the_name_of_fashion(shared_data: Path) -> None:
    with pytest.raises(DataError, match="contains mnist, not fashion-mnist"):
        load("fashion-mnist", data_dir=shared_data / "mnist")


def test_names_are_those_that_load_knows() -> None:
    assert NAMES == ("mnist5k", "digits", "mnist", "fashion-mnist")


def test_digits_are_images_with_a_fixed_stratified_test_set() -> None:
    from sklearn.datasets import load_digits

    data = load("digits")
    assert data.x_test is not None and data.y_test is not None
    assert (data.name, data.x.shape, data.x_test.shape, data.x.dtype) == ("digits", (1438, 64), (359, 64), np.uint8)
    assert np.abs(np.bincount(data.y_test) - 0.2 * np.bincount(np.concatenate([data.y, data.y_test]))).max() < 1
    pixels, labels = load_digits(return_X_y=True)
    together = np.concatenate([data.x, data.x_test])
    order = np.lexsort(together.T), np.lexsort(pixels.T)
    np.testing.assert_allclose(together[order[0]] * (16 / 255), pixels[order[1]], atol=0.04)
    np.testing.assert_array_equal(np.concatenate([data.y, data.y_test])[order[0]], labels[order[1]])
    assert data.fingerprint() == "151ee4d8fb76fbceed85da77e42b7c210cb6c0c9f903355e2946f96823f53634", (
        "studies would no longer be carried on"
    )
    assert len(np.unique(data.y[:100])) == 10, "the first samples are of every class"


def test_digits_are_found_without_being_read() -> None:
    place = registry.find("digits")
    assert place is not None and place.is_file()


def test_load_of_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"a": [k / 2 for k in range(20)], "b": ["x", "y"] * 10}
    expected = load(table, target="b", test="none")
    assert (expected.n_samples, expected.class_names, expected.x_test) == (20, ("x", "y"), None)
    text = "a,b\n" + "".join(f"{a},{b}\n" for a, b in zip(*table.values(), strict=True))
    (tmp_path / "t").mkdir()
    path = tmp_path / "t" / "t.csv"
    path.write_text(text)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    for source in (path, str(path), path.parent, [path], "-"):
        assert load(source, target="b", test="none").fingerprint() == expected.fingerprint()


def test_load_refuses_what_is_not_of_tables(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="target is given for digits, which is no table: it has its own targets"):
        load("digits", target="a")
    with pytest.raises(ConfigError, match="unknown setting 'goal' of a table; choose among target, features"):
        load({"a": [1, 2]}, goal="a")
    with pytest.raises(DataError, match="no target is given: name the column to be predicted as target, such as 'y'"):
        load({"y": [1, 2], "a": [1, 2]})


def test_a_data_set_knows_where_it_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", x=np.arange(12.0).reshape(6, 2), y=[0, 1] * 3)
    data = load(Path("a.npz"))
    assert data.source == DataSource(str(tmp_path / "a.npz"))
    first = take_first(data, 4)
    assert first.source == DataSource(str(tmp_path / "a.npz"), samples=4)
    assert load("mnist5k").source == DataSource("mnist5k")
    for name in "bc":
        Path(f"{name}.csv").write_text("size,kind\n" + "1,x\n2,y\n" * 6)
    several = load(["b.csv", Path("c.csv")], target="kind")
    assert several.source == DataSource([str(tmp_path / "b.csv"), str(tmp_path / "c.csv")], None, {"target": "kind"})
    assert as_dataset(data.x, data.y).fingerprint() == data.fingerprint(), "where it came from does not count"
    assert pickle.loads(pickle.dumps(several)).source == several.source
