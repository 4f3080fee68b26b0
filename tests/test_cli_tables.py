"""Tables on a terminal and elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from fastnet_cli import tables
from fastnet_cli.main import cli

from fastnet.config.searching import SearchConfig, as_settings
from fastnet.config.training import TrainConfig
from fastnet.tuning import Study, TrialResult

pytestmark = pytest.mark.usefixtures("empty_folder")

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


def run(*arguments: str, code: int = 0, **options: str) -> Result:
    result = CliRunner().invoke(cli, ["studies", *arguments], **options)
    assert result.exit_code == code, (result.output, result.exception)
    assert b"\x1b" not in result.stdout_bytes or result.stdout_bytes.startswith(b"PAR1")
    assert "\x1b" not in result.stderr and "Traceback" not in result.output
    return result


@pytest.mark.parametrize("colours", [True, False])
def test_tables_are_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
                                        colours: bool) -> None:  # fmt: skip
    monkeypatch.setattr(tables, "on_terminal", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "40")
    if not colours:
        monkeypatch.setenv("NO_COLOR", "1")
    tables.print_table(["name", "n"], ["left", "right"], [["[red]a[/red]", "100"], ["b", "2"]])
    out = capsys.readouterr().out
    assert "[red]a[/red]" in out and "─" in out
    assert "\x1b[3" not in out, "tables have no colours of their own"


def test_a_narrow_terminal_breaks_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "50")
    text = run("trials", str(make_study()), "--limit", "5").stdout
    assert text.splitlines()[-2].split() == ["4", "1", "diverged", "8", "0.0005", "-", "0.04", "1", "1", "0.500"]
