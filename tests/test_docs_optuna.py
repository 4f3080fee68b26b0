"""The commands and the Python of the page on Optuna run as they stand there, with stand-ins for the trackers."""

from __future__ import annotations

import re
import shlex
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli

from fastnet.tuning import StoredTrials

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "optuna.md").read_text(encoding="utf-8")


class Writer:
    """A SummaryWriter that remembers."""

    scalars: list[tuple[str, float, int]]

    def __init__(self, folder: str) -> None:
        Writer.scalars = []

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *error: object) -> None:
        Writer.scalars.append(("closed", 0.0, 0))

    def add_scalar(self, name: str, value: float, step: int) -> None:
        assert type(value) is float and type(step) is int
        Writer.scalars.append((name, value, step))


class Mlflow(ModuleType):
    """An MLflow that remembers, and refuses what belongs to no run."""

    def __init__(self) -> None:
        super().__init__("mlflow")
        self.runs: list[str] = []
        self.noted: list[tuple[str, Any]] = []

    @contextmanager
    def start_run(self, run_name: str, nested: bool = False) -> Any:
        assert nested == bool(self.runs)
        self.runs.append(run_name)
        yield
        self.runs.pop()

    def log_params(self, params: dict[str, Any]) -> None:
        self.noted.append((self.runs[-1], dict(params)))

    def log_metric(self, name: str, value: float, step: int) -> None:
        assert type(value) is float
        self.noted.append((self.runs[-1], (name, value, step)))

    def set_tag(self, name: str, value: str) -> None:
        self.noted.append((self.runs[-1], value))


def test_the_python_and_the_commands_run_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    monkeypatch.chdir(tmp_path)
    board, mlflow = ModuleType("tensorboardX"), Mlflow()
    board.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorboardX", board)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    blocks = re.findall(r"```(bash|python)\n(.*?)```", PAGE, re.DOTALL)
    assert [language for language, _ in blocks] == ["bash", "bash", "python", "bash", "bash", *["python"] * 3]
    known: dict[str, Any] = {}
    for language, text in blocks:
        if language == "python":
            exec(compile(text, "optuna.md", "exec"), known)
            continue
        for command in re.findall(r"^fastnet .*", text, re.MULTILINE):
            result = CliRunner().invoke(cli, shlex.split(command)[1:])
            assert result.exit_code == 0, (command, result.output)
    assert len(known["study"].trials) == 162 and len(known["figure"].data) == 162
    first, points = StoredTrials(Path("studies/digits")), StoredTrials(Path("studies/next"))
    assert [trial.params for trial in points[:20]] == [trial.params for trial in first.best(20)]
    losses = list(StoredTrials(Path("studies/002")))
    noted = {(name, step): value for name, value, step in Writer.scalars}
    assert Writer.scalars[-1][0] == "closed" and len(Writer.scalars) == 8 * (3 + 1) + 1
    for trial in losses:
        assert noted["value", trial.id] == trial.value
        assert [noted[f"validation_loss/{trial.id}", step] for step in (1, 2, 3)] == trial.validation_loss.tolist()
    assert len(mlflow.noted) == 8 * (1 + 3 + 1) and mlflow.runs == []
    assert ("trial 7", dict(losses[7].params)) in mlflow.noted


def test_the_page_names_every_format_of_points() -> None:
    for words in ("JSON lines", "CSV", "folder of a study", "SQLite"):
        assert words in PAGE
