"""How the kernels are compiled: in one place, cached by their sources, and never for another type."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from cases import NETWORKS, blobs
from layers import signatures
from runs import prepared, run_pack

import fastnet
from fastnet.config.training import TrainConfig
from fastnet.data import Split, as_dataset
from fastnet.kernels import _jit, _store
from fastnet.training.loop import Fit
from fastnet.training.single import Training

KERNELS = Path(_jit.__file__).parent
PACKAGE = KERNELS.parent
COMPILERS = {"njit", "jit", "cfunc", "vectorize", "guvectorize", "generated_jit", "stencil", "jit_module", "jitclass"}
OPTIONS = {"fastmath", "nogil", "error_model", "boundscheck", "locals", "forceobj"}


def names_of_compilers(source: Path) -> list[str]:
    """Where a file imports or names one of Numba's decorators, or gives one of their options."""
    found = []
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        named = ""
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("numba"):
            named = next((alias.name for alias in node.names if alias.name in COMPILERS | {"*"}), "")
        elif isinstance(node, ast.Attribute) and node.attr in COMPILERS:
            named = node.attr
        elif isinstance(node, ast.keyword) and node.arg in OPTIONS:
            named = node.arg
        if named:
            found.append(f"{source.relative_to(PACKAGE)}:{node.lineno if hasattr(node, 'lineno') else '?'}: {named}")
    return found


def test_only_one_file_names_numbas_decorators_and_options():
    sources = sorted(PACKAGE.rglob("*.py"))
    assert len(sources) > 30
    assert [place for source in sources if source != KERNELS / "_jit.py" for place in names_of_compilers(source)] == []
    assert len(names_of_compilers(KERNELS / "_jit.py")) >= 3, "the check finds nothing where there is something"


def test_fast_math_is_never_asked_for():
    for source in sorted(KERNELS.glob("*.py")):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.keyword) and node.arg == "fastmath"), source
            assert not (isinstance(node, ast.keyword) and node.arg == "flags"), f"{source}: an LLVM fast-math flag"


def run_python(code: str, **settings: str) -> str:
    """Run code in a process of its own with every warning an error, and return what it writes."""
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code], env=os.environ | settings, text=True, timeout=280,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_cache_folder_follows_every_kernels_source(monkeypatch, tmp_path):
    copy = tmp_path / "kernels"
    shutil.copytree(KERNELS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path / "cache"))
    here = _store.cache_folder()
    monkeypatch.setattr(_store, "__file__", str(copy / "_store.py"))
    assert _store.cache_folder() == here, "the folder of the package should not matter"
    seen = {here}
    for source in sorted(copy.glob("*.py")):
        before = source.read_bytes()
        source.write_bytes(before + b"\n")
        seen.add(_store.cache_folder())
        source.write_bytes(before)
    assert len(seen) == 1 + len(list(copy.glob("*.py")))
    assert _store.cache_folder() == here
    monkeypatch.setattr(_store.host, "LANES", 2 * _store.host.LANES)
    assert _store.cache_folder() not in seen


def test_the_cache_is_where_it_is_asked_for_or_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path))
    assert _store.cache_folder().parent == tmp_path
    monkeypatch.setenv("FASTNET_CACHE", "0")
    assert _store.cache_folder() is None
    monkeypatch.delenv("FASTNET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform.startswith("linux"):
        assert _store.cache_folder().parent == tmp_path / "fastnet"


EXPONENTIALS = """
import numba, numpy as np
from fastnet.kernels.objective import exp_shifted
from fastnet.kernels.memory import address_of

@numba.njit
def enter(x, out):
    exp_shifted(address_of(x), x.shape[0], np.float32(0), address_of(out))

out = np.empty(16, np.float32)
enter(np.arange(16, dtype=np.float32), out)
print(*out.tolist())
"""


def test_a_change_in_a_file_that_a_kernel_imports_compiles_it_again(tmp_path):
    # Numba itself looks at the file of the kernel alone, here objective.py.
    shutil.copytree(PACKAGE, tmp_path / "fastnet", ignore=shutil.ignore_patterns("__pycache__"))
    settings = {"FASTNET_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)}
    before = [float(word) for word in run_python(EXPONENTIALS, **settings).split()]
    assert before == pytest.approx(np.exp(np.arange(16)).tolist(), rel=1e-6)
    source = tmp_path / "fastnet" / "kernels" / "vector.py"
    text = source.read_text(encoding="utf-8")
    changed = text.replace("[127] * LANES", "[128] * LANES")
    assert changed != text
    source.write_text(changed, encoding="utf-8")
    assert [float(word) for word in run_python(EXPONENTIALS, **settings).split()] == [2 * value for value in before]
    assert len(list((tmp_path / "cache").iterdir())) == 2
    source.write_text(text, encoding="utf-8")
    assert [float(word) for word in run_python(EXPONENTIALS, **settings).split()] == before
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_arrays_of_other_types_and_orders_never_reach_a_kernel():
    dataset = blobs(NETWORKS["one hidden layer"], 60)
    parts = fastnet.split(dataset.y)
    config = TrainConfig(hidden=(8,), batch_size=7, epochs=2)
    rates = np.array([0.1, 0.2])
    floats = dataset.x.astype(np.float32)
    right = prepared(as_dataset(floats, dataset.y), parts)
    expected = run_pack(right, config, [0, 1], {"learning_rate": rates})
    Fit(Training(config, right, 1), config).train()
    before = signatures()
    wide = np.zeros((60, 24))
    wide[:, ::2] = floats
    split = Split(train=parts.train.astype(np.int32), validation=np.repeat(parts.validation, 2)[::2])
    for x, y in (
        (wide[:, ::2], dataset.y.astype(np.int16)),
        (np.asfortranarray(floats), dataset.y[::-1][::-1]),
        (floats.astype(np.float64), dataset.y.tolist()),
        (floats.astype(">f4"), dataset.y.astype(np.uint64)),
    ):
        data = prepared(as_dataset(x, y), split)
        streams = np.arange(2, dtype=np.int32)
        pack = run_pack(data, config, streams, {"learning_rate": np.repeat(rates, 2)[::2]})
        assert pack.curves.tobytes() == expected.curves.tobytes()
        Fit(Training(config, data, 1), config).train()
    assert signatures() == before


def test_labels_and_rows_may_come_in_other_integers():
    dataset = blobs(NETWORKS["width one"], 40)
    expected = prepared(dataset)
    parts = fastnet.split(dataset.y)
    actual = prepared(dataset, Split(train=parts.train.astype(np.int32), validation=parts.validation.astype(np.uint16)))
    for name in ("x", "targets", "train_rows", "validation_rows"):
        right, array = getattr(expected, name), getattr(actual, name)
        assert (array.dtype, array.flags.c_contiguous) == (right.dtype, True) and (array == right).all()
    assert actual.x.dtype == np.float32 and actual.targets.dtype == np.int64


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a current folder")
def test_kernels_compile_without_a_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def take(values: Any, place: int) -> Any:
        return values[place]  # Numba tries for a constant here, and words the failure for itself

    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert numba.njit(take)(np.arange(3), 2) == 2
