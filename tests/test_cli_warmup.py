"""`fastnet warmup`: it compiles once, and says what it cannot keep."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import cli


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


def test_warmup_compiles_once_and_search_and_train_need_nothing_more(tmp_path: Path) -> None:
    settings = ("--hidden", "7", "--optimizer", "momentum")
    own = {"FASTNET_CACHE": str(tmp_path / "cache")}
    first = json.loads(run_process("warmup", *settings, "--format", "json", **own).stdout)
    assert first["compiled"]["stages of training"] >= 5 and first["compiled"]["update rules"] == 1
    assert sum(first["compiled"].values()) == first["cache"]["functions"] >= 15
    again = run_process("warmup", *settings, **own)
    assert again.stdout.startswith("nothing to compile: everything was in the cache and loaded in ")
    assert again.stderr == "mnist5k: 784-7-10, relu, momentum\n"
    held = set((tmp_path / "cache").rglob("*.nbc"))
    short = (*settings, "--epochs", "1", "--samples", "200")
    run_process("search", "--trials", "2", "--study", str(tmp_path / "study"), *short, **own)
    run_process("train", "-o", str(tmp_path / "m.safetensors"), *short, "--dropout", "0.2", **own)
    run_process("evaluate", str(tmp_path / "m.safetensors"), **own)
    assert set((tmp_path / "cache").rglob("*.nbc")) == held


def test_warmup_without_a_cache_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTNET_CACHE", "0")
    assert (
        run("warmup", code=1)
        .stderr.splitlines()[-1]
        .startswith("Error: compiled code would not be kept: FASTNET_CACHE=0 switches")
    )
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path / "file"))
    assert "cannot be written (" in run("warmup", code=1).stderr


@pytest.mark.parametrize("target", ["y", "a"])
def test_warmup_for_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{k % 37 * 0.5},{'pqr'[k % 3]},{'st'[k * 3 % 5 % 2]}\n" for k in range(200))
    Path("t.csv").write_text("a,b,y\n" + rows)
    result = run("warmup", "--data", "t.csv", "--target", target, "--hidden", "4", "--format", "json")
    assert json.loads(result.stdout)["cache"]["functions"] > 15
