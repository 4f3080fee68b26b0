"""Small studies in their files: `fill` writes trials that are done, `fill_mixed` trials of every kind."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fastnet.tuning import STUDY_FILE, Study, TrialResult

SETTINGS = {
    "space": {"learning_rate": "log:1e-06:0.01"},
    "train": {"epochs": 3, "hidden": "100x6", "weight_decay": 0.0, "early_stopping": None},
    "data": "ab" * 32,
}

TIMES = {"wall_seconds": 2.0, "compile_seconds": 0.5, "compiled_seconds": 1.0}


def make_trial(number: int, status: str = "done", epochs: int = 3) -> TrialResult:
    curves = np.random.default_rng(number).random((4, epochs)).astype(np.float32)
    if status == "diverged":
        curves[:, 1:] = np.nan
    return TrialResult.from_curves(number, status, {"learning_rate": 1e-3 * (number + 1)}, curves, seconds=0.1)


def fill(folder: Path, numbers: Iterable[int]) -> Path:
    with Study.open(folder, SETTINGS) as study:
        study.append([make_trial(i) for i in numbers], run=study.begin_run({}), **TIMES)
    return folder


MIXED = {"space": {"learning_rate": "log:1e-6:1e-2", "hidden": "choice:8,16x2"}, "metric": "accuracy"}
MIXED_EPOCHS = 6


def mixed_trial(number: int, metric: str = "accuracy") -> TrialResult:
    """Every fifth trial diverges, every third that does not is stopped after two epochs; last values are tied."""
    rng = np.random.default_rng(number)
    curves = rng.random((4, MIXED_EPOCHS)).astype(np.float32)
    curves[2:, -1] = np.float32(number % 4) / np.float32(10)
    status = "diverged" if number % 5 == 4 else "stopped" if number % 3 == 2 else "done"
    if status != "done":
        curves[:, 2:] = np.nan
    params = {"learning_rate": float(rng.random()), "hidden": ("8", "16x2")[number % 2]}
    stage = 1 + number // 20
    return TrialResult.from_curves(number, status, params, curves, seconds=0.5, stage=stage, metric=metric)


def fill_mixed(folder: Path, n: int = 40, metric: str = "accuracy", **options: bool) -> Path:
    with Study.open(folder, MIXED | {"metric": metric}, about={"data": "tiny"}, **options) as study:
        study.append([mixed_trial(i, metric) for i in range(n)], run=study.begin_run({}), **TIMES)
    return folder


def ids(trials: Iterable[TrialResult]) -> list[int]:
    return [trial.id for trial in trials]


def in_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run code in another process."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def copy_while_writing(source: Path, target: Path, *, log: bool = False, checkpoint: bool = False) -> None:
    """Copy a study while a search is writing to it."""
    with Study.open(source, SETTINGS) as study:
        run = study.begin_run({})
        study.append([make_trial(i) for i in range(5)], run=run, **TIMES)
        if checkpoint:
            study._connection.execute("PRAGMA wal_checkpoint")
        study.append([make_trial(i) for i in range(5, 9)], run=run, **TIMES)
        target.mkdir()
        for ending in ("", "-wal") if log else ("",):
            shutil.copy(source / f"{STUDY_FILE}{ending}", target)
