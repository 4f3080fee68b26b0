"""`fastnet doctor`: what it prints, what it cleans, and how it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import cli

from fastnet import __version__
from fastnet.kernels import _store, host
from fastnet.limits import Limits
from fastnet.machine.selftest import Check


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    return result


def run_process(*arguments: str, code: int = 0, **settings: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "fastnet_cli", *arguments], env=os.environ | settings, text=True,
        capture_output=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A self-test that has nothing to do."""
    monkeypatch.setattr("fastnet.machine.selftest.self_test", lambda: [Check("forward", True, "within 1e-07", 0.5)])


def test_clean_removes_old_folders_and_nothing_else(old_cache: Path, healthy: None) -> None:
    current = old_cache / (_store.cache_folder() or old_cache).name / "parallel" / "kernels_1"
    current.mkdir(parents=True)
    _store._write(current / "pack.train_pack-1.0011.nbc", b"code")
    (current / "pack.train_pack-1.0022.nbc").write_bytes(b"123")
    (current / "pack.train_pack-1.0033.nbc.tmp.00ff").write_bytes(b"12345")
    os.utime(current / "pack.train_pack-1.0033.nbc.tmp.00ff", (0, 0))
    (current / "pack.train_pack-1.0044.nbc.tmp.00ff").write_bytes(b"being written")
    before = {path.name for path in old_cache.iterdir()}
    text = run("doctor").stdout
    assert "2 old folders next to it, 12 B: fastnet doctor --clean removes" in text
    assert "Problem: " in text and "2 damaged files" in text
    document = json.loads(run("doctor", "--clean", "--format", "json").stdout)
    assert document["cleaned"] == {"folders": 2, "damaged": 2, "bytes": 20}
    assert document["cache"]["functions"] == 1 and document["cache"]["old_folders"] == 0
    assert document["cache"]["problem"] is None
    assert {path.name for path in old_cache.iterdir()} == before - {"0123456789abcdef", "fedcba9876543210"}
    assert (old_cache / "aaaaaaaaaaaaaaaa" / "thesis.txt").exists()
    assert {path.name.split(".")[2] for path in current.iterdir()} == {"0011", "0044"}
    assert "removed 0 old folders and 0 damaged files, 0 B" in run("doctor", "--clean").stdout
    assert "no old folders next to it" in run("doctor").stdout


def test_doctor_reports_problems_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, healthy: None) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path / "file"))
    found = json.loads(run("doctor", "--format", "json").stdout)["cache"]
    assert found["functions"] == 0 and "cannot be written (" in found["problem"]
    assert f"Problem: {found['folder']}: cannot be written (" in run("doctor", "--clean").stdout
    if os.name != "nt":
        (tmp_path / "loose").mkdir()
        (tmp_path / "loose").chmod(0o777)
        monkeypatch.setenv("FASTNET_CACHE", str(tmp_path / "loose"))
        assert "other users may write to it; run: chmod go-w" in run("doctor").stdout
        assert "compiled code would not be kept" in run("warmup", code=1).stderr


def test_doctor_describes_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, healthy: None) -> None:
    monkeypatch.delenv("FASTNET_DATA_DIR", raising=False)
    document = json.loads(run("doctor", "--format", "json").stdout)
    assert document["fastnet"] == __version__ and document["lanes"] == host.LANES
    assert document["tile"] == [host.TILE_ROWS, host.TILE_VECTORS]
    assert document["threads"] >= 1 and document["threading_layer"] in ("tbb", "omp", "workqueue")
    assert {"python", "numpy", "numba", "llvmlite", "processor", "cores", "features"} <= document.keys()
    assert Path(document["data"]["mnist5k"]).is_file()
    assert document["passed"] and document["cleaned"] is None
    text = run("doctor", "--data-dir", str(tmp_path)).stdout
    assert f"fastnet    {__version__} | Python " in text and f"{host.LANES} lanes of float32" in text
    assert text.splitlines()[-1] == "OK: the kernels agree with the reference (0.5 s)"


def test_doctor_shows_what_limits_the_threads(monkeypatch: pytest.MonkeyPatch, healthy: None) -> None:
    limits = Limits(affinity=8, quota=1.5, physical=2**34, allowed=2**31)
    monkeypatch.setattr("fastnet.machine.doctor.limits_of_process", lambda: limits)
    monkeypatch.setattr("fastnet.machine.doctor.layer_problem", lambda: "the layer is workqueue")
    text = run("doctor").stdout
    assert " | CPU quota of 1.5 cores | at most 2.00 GiB of memory\n" in text
    assert "Python's own threads are used: the layer is workqueue\n" in text
    document = json.loads(run("doctor", "--format", "json").stdout)
    assert (document["cpu_quota"], document["memory"]) == (1.5, 2**31)
    assert document["threads"] <= 2 and document["layer_problem"] == "the layer is workqueue"


def test_doctor_finds_data_sets(idx_folder: Any, tmp_path: Path, healthy: None) -> None:
    folder = idx_folder("data/mnist")
    document = json.loads(run("doctor", "--format", "json", "--data-dir", str(tmp_path / "data")).stdout)
    assert document["data"]["mnist"] == str(folder)
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    text = run("doctor", "--data-dir", str(tmp_path / "data")).stdout
    assert f"mnist: not in {tmp_path / 'data'}" in text
    assert run("doctor", "--data-dir", str(tmp_path / "nowhere")).exit_code == 0


def test_doctor_fails_where_the_kernels_do(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [Check("forward", True, "within 1e-07", 0.5), Check("gradients", False, "differs by 1e-02", 0.1)]
    monkeypatch.setattr("fastnet.machine.selftest.self_test", lambda: checks)
    text = run("doctor", code=1).stdout
    assert "FAILED gradients: differs by 1e-02" in text and "OK     forward: within 1e-07" in text
    assert text.splitlines()[-1] == "FAILED: gradients; do not trust the results of this installation"
    document = json.loads(run("doctor", "--format", "json", code=1).stdout)
    assert not document["passed"] and [test["passed"] for test in document["tests"]] == [True, False]


def test_doctor_without_a_cache(monkeypatch: pytest.MonkeyPatch, healthy: None) -> None:
    monkeypatch.setenv("FASTNET_CACHE", "0")
    result = run("doctor")
    assert "cache      none: FASTNET_CACHE=0 switches" in result.stdout
    assert result.stderr == "Compiling the kernels first, which takes a few seconds.\n"
    assert json.loads(run("doctor", "--clean", "--format", "json").stdout)["cache"] is None


def test_doctor_as_a_process() -> None:
    done = run_process("doctor")
    assert done.stdout.count("OK ") == 13 and "FAILED" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith("OK: the kernels agree with the reference (")
