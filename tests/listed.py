"""A study of twenty trials, for the tests of what the command line lists of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fastnet.config.searching import SearchConfig, as_settings
from fastnet.config.training import TrainConfig
from fastnet.tuning import Study, TrialResult

TIMES = {"wall_seconds": 2.0, "compile_seconds": 0.5, "compiled_seconds": 1.0}
ABOUT = {"data": "mnist5k", "n_samples": 500, "n_features": 784, "n_classes": 10, "n_train": 400, "n_validation": 100}
ENVIRONMENT = {"fastnet": "0.1.0", "python": "3.11", "numpy": "2.0", "numba": "0.68", "processor": "Abacus 9",
               "system": "Linux", "cores": 4, "threads": 2}  # fmt: skip
SPACE = {"hidden": "choice:8,16x2", "learning_rate": "log:1e-06:0.01"}


def make_trial(number: int, metric: str = "accuracy") -> TrialResult:
    """Trial i reaches i/100; every fifth diverges, trial 7 is stopped early."""
    curves = np.full((4, 3), np.float32(number) / np.float32(100), np.float32)
    status = "diverged" if number % 5 == 4 else "stopped" if number == 7 else "done"
    if status != "done":
        curves[:, 1:] = np.nan
    params = {"learning_rate": (number + 1) / 10_000, "hidden": ("8", "16x2")[number % 2]}
    stage = 1 + number // 10
    return TrialResult.from_curves(number, status, params, curves, seconds=0.5, stage=stage, metric=metric)


def make_study(folder: str = "studies/001", n: int = 20, metric: str = "accuracy", data: str = "mnist5k") -> Path:
    config = as_settings(SearchConfig(metric=metric, train=TrainConfig(epochs=3)))
    train = {name: value for name, value in config["train"].items() if name not in SPACE}
    settings = config | {"space": SPACE, "train": train, "data": "ab" * 32}
    with Study.open(Path(folder), settings, about=ABOUT | {"data": data}) as study:
        study.append([make_trial(i, metric) for i in range(n)], run=study.begin_run(ENVIRONMENT), **TIMES)
    return Path(folder)
