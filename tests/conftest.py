"""Fixtures and settings that several test files share."""

from __future__ import annotations

import atexit
import gzip
import os
import shutil
import signal
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: the reference's products are small
if (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) < 2:
    os.environ.setdefault("NUMBA_NUM_THREADS", "2")  # two threads give the same results on one core
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell starts what runs in the background so
    signal.signal(signal.SIGINT, signal.default_int_handler)
if not os.environ.get("FASTNET_CACHE"):  # compiled kernels, shared with the processes that tests start
    os.environ["FASTNET_CACHE"] = tempfile.mkdtemp(prefix="fastnet-kernels-")
    atexit.register(shutil.rmtree, os.environ["FASTNET_CACHE"], ignore_errors=True)

import numpy as np
import pytest
from numpy.typing import NDArray

from fastnet.data import Dataset, Split, as_dataset, load, take_first
from fastnet.data.validation import stratified_folds

if TYPE_CHECKING:
    from fastnet.config.searching import SearchConfig
    from fastnet.network.samples import TrainingData
    from fastnet.tuning import SearchResult

sys.path.append(str(Path(__file__).resolve().parent))  # for the modules next to this one that contain no tests

from mirrors import Mirror, serving
from properties import load_profile

load_profile()

CORE = (
    *("test_model_scores", "test_searches_of_numbers"),
    *("test_model_ensemble", "test_training_several", "test_training_single", "test_tuning_run_search"),
    *("test_training_pack", "test_training_pack_bits"),
    *("test_machine_selftest", "test_tuning_run_ensemble", "test_tuning_rules_chance"),
    *(f"test_tuning_rules_{name}" for name in ("choice", "narrowing", "pruning")),
    *(
        f"test_tuning_run_{name}"
        for name in ("assemble", "ending", "more_folds", "pack", "sampler", "session", "stages", "storage")
    ),
    *("test_tuning_space_space", "test_tuning_store_study", "test_network_samples", "test_forks"),
    *(f"test_kernels_{name}" for name in ("activation", "affine", "bias", "cross_entropy", "dense", "dropout")),
    *(f"test_kernels_{name}" for name in ("objective", "rng", "schedule", "sparsity", "threads", "update")),
    *(f"test_reference_{name}" for name in ("network", "objective", "rng", "rules", "training")),
    *("test_cli_budget", "test_limits", "test_interrupts", "test_processes"),
)
"""What `./check.sh one` runs on one core: the numbers, and whatever depends on how many threads and cores there are."""

LONG = (
    *("test_tuning_run_workers_ray", "test_processes", "test_kernels_host", "test_docs_notebooks", "test_kills"),
    *("test_report_page_browser", "test_cli_process", "test_kernels_store", "test_cli_streams", "test_cli_warmup"),
    *("test_tuning_run_workers_mpi", "test_tuning_run_workers_dask", "test_cli_interrupt", "test_profiles_accuracy"),
    *("test_tuning_run_workers_processes", "test_experiments", "test_cli_budget", "test_two_hosts"),
)
"""Files that take longest, which begin first, so that one of them does not keep a single core busy at the end."""

IdxFolderMaker = Callable[..., Path]


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the core; put long files first, then those with many tests."""
    for item in items:
        if item.path.stem in CORE:
            item.add_marker("core")
    tests = Counter(item.path for item in items)
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: (place.get(item.path.stem, len(LONG)), -tests[item.path]))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with subfolders mnist and fashion-mnist, each with the four real IDX files."""
    named = os.environ.get("FASTNET_TEST_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "mnist" / "train-images-idx3-ubyte.gz").is_file():
        pytest.skip("no real image sets: name their folder with FASTNET_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def tiny_dataset() -> Dataset:
    """90 training and 30 test images of 12 pixels in three classes that are easy to tell apart."""
    words = np.random.Philox(key=12).random_raw(120 * 12).reshape(120, 12)
    y = np.arange(120) % 3
    x = (words % 96).astype(np.uint8)
    for label in range(3):
        x[y == label, 4 * label : 4 * label + 4] += 150
    return as_dataset(
        x[:90], y[:90], x_test=x[90:], y_test=y[90:], class_names=("left", "middle", "right"), name="tiny"
    )


@pytest.fixture(scope="session")
def local(tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a search of `unsteady` finds on the threads of this process."""
    from unsteady import searched

    return searched(tiny_dataset, tmp_path_factory.mktemp("local"))


@pytest.fixture(scope="session")
def longer(tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same of a search that lasts for a while."""
    from unsteady import SMALL, searched

    return searched(tiny_dataset, tmp_path_factory.mktemp("longer"), **SMALL)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """150 training images of MNIST, with its embedded test set."""
    return take_first(load("mnist5k"), 150)


@pytest.fixture(scope="session")
def images(digits: Dataset) -> TrainingData:
    """Those digits made ready to train on; their zeros are skipped by the first layer."""
    from runs import prepared

    data = prepared(digits)
    assert data.sparse
    return data


@pytest.fixture
def splits(tiny_dataset: Dataset) -> list[Split]:
    """Two folds of the tiny data set."""
    return stratified_folds(tiny_dataset.y, 2, seed=3)


@pytest.fixture
def run(tiny_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SearchResult]:
    """Search with packs that train nothing; keywords of `run_study`, and the name of a folder."""
    from runs import FakeEngine
    from searches import CONFIG, FakeRun

    from fastnet.training import loop
    from fastnet.tuning import run_study

    monkeypatch.setattr(loop, "POLL_SECONDS", 0.001)

    def go(config: SearchConfig = CONFIG, folder: str = "s", **options: Any) -> SearchResult:
        options.setdefault("engine", FakeEngine(FakeRun))
        return run_study(tiny_dataset, config, folder=tmp_path / folder, **options)

    return go


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def idx_bytes() -> Callable[[NDArray[np.uint8]], bytes]:
    """Return a function that writes an uint8 array as the bytes of an IDX file."""

    def encode(array: NDArray[np.uint8]) -> bytes:
        return struct.pack(f">2xBB{array.ndim}I", 0x08, array.ndim, *array.shape) + array.tobytes()

    return encode


@pytest.fixture
def idx_folder(tmp_path: Path, idx_bytes: Callable[[NDArray[np.uint8]], bytes]) -> IdxFolderMaker:
    """Return a function that fills a folder with four small IDX files, 20 training and 10 test images of 3 x 2."""

    def make(name: str = "idx", *, packed: bool = True) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for part, n in (("train", 20), ("t10k", 10)):
            images = (np.arange(n * 6) * 7 % 256).astype(np.uint8).reshape(n, 3, 2)
            labels = (np.arange(n) % 10).astype(np.uint8)
            for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
                content = idx_bytes(array)
                path = folder / f"{part}-{kind}-ubyte{'.gz' if packed else ''}"
                path.write_bytes(gzip.compress(content) if packed else content)
        return folder

    return make


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A server of downloads on this machine."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as mirror:
        yield mirror


@pytest.fixture
def old_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with two old folders among things that are none."""
    base = tmp_path / "cache"
    for name in ("0123456789abcdef", "fedcba9876543210"):
        inside = base / name / "micro-0-2" / "kernels_1"
        inside.mkdir(parents=True)
        (inside / "panels.forward-1.py311.nbi").write_bytes(b"12")
        (inside / "panels.forward-1.py311.1.nbc").write_bytes(b"1234")
    (base / "fedcba9876543210" / "parallel").mkdir()
    (base / "fedcba9876543210" / "parallel" / "x.py311.nbi.tmp.00ff").write_bytes(b"")
    (base / "data" / "mnist").mkdir(parents=True)
    (base / "aaaaaaaaaaaaaaaa").mkdir()
    (base / "aaaaaaaaaaaaaaaa" / "thesis.txt").write_text("not Numba's")
    (base / "bbbbbbbbbbbbbbbb").write_text("a file")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.nbc").write_bytes(b"12345678")
    if os.name != "nt":
        (base / "cccccccccccccccc").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setenv("FASTNET_CACHE", str(base))
    return base
