from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import fastnet.data
from fastnet.data import load

FILE = Path(fastnet.data.__file__).with_name("mnist5k.npz")


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    path = Path(__file__).parents[1] / "scripts" / "build_mnist5k.py"
    spec = importlib.util.spec_from_file_location("build_mnist5k", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_mnist5k_is_as_described() -> None:
    data = load("mnist5k")
    assert data.name == "mnist5k"
    assert data.x.dtype == np.uint8
    assert data.x.shape == (4000, 784)
    assert data.x.max() == 255
    assert data.x.min() == 0
    assert data.class_names == tuple("0123456789")
    assert np.bincount(data.y).tolist() == [400] * 10
    assert data.x_test is not None
    assert data.y_test is not None
    assert data.x_test.shape == (1000, 784)
    assert np.bincount(data.y_test).tolist() == [100] * 10
    assert np.bincount(data.y[:500], minlength=10).min() >= 30


def test_mnist5k_never_changes() -> None:
    assert load("mnist5k").fingerprint() == "e7e4c89614648d8c843d4bbe093ab9864054060570429e4cdee51f54de15bcfe"


def test_mnist5k_is_small_and_described() -> None:
    content = FILE.read_bytes()
    description = FILE.with_suffix(".md").read_text(encoding="utf-8")
    assert len(content) < 1_000_000
    assert f"{len(content):,} bytes" in description
    assert hashlib.sha256(content).hexdigest() in description


def test_mnist5k_holds_no_time_stamps() -> None:
    with zipfile.ZipFile(FILE) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_mnist5k_is_written_the_same_way_again(builder: ModuleType, tmp_path: Path) -> None:
    with np.load(FILE, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    builder.write_npz(tmp_path / "again.npz", arrays)
    with zipfile.ZipFile(FILE) as old, zipfile.ZipFile(tmp_path / "again.npz") as new:
        assert old.namelist() == new.namelist() == ["x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"]
        assert all(old.read(name) == new.read(name) for name in old.namelist())


def test_mnist5k_order_is_reproducible(builder: ModuleType) -> None:
    data = load("mnist5k")
    arrays = builder.arrange(np.arange(5000).reshape(-1, 1), np.repeat(np.arange(10), 500).astype(np.uint8))
    assert np.array_equal(arrays["y_train"], data.y)
    assert np.array_equal(arrays["y_test"], data.y_test)


def test_mnist5k_images_are_mnist_training_images(builder: ModuleType, shared_data: Path) -> None:
    with np.load(FILE, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    assert builder.count_matches(arrays, shared_data / "mnist") == (5000, 5000)


def test_importing_the_data_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, fastnet.data; fastnet.data.load('mnist5k'); "
        "heavy = {'platformdirs', 'sklearn', 'scipy', 'requests', 'numba', 'matplotlib', 'click', 'rich'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
