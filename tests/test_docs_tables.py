"""The commands and the Python of the page on tables run as they stand there, on a small table."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli

from fastnet.config.settings import parse_settings

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "tables.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^fastnet .*", "\n".join(re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)), re.MULTILINE)
SMALLER = {"--timeout 60s": "--trials 2 --pruning none --epochs 1 --hidden 4 --ensemble-top 1 --space dropout=choice:0"}
SIZES = ("small", "medium", "large")
HEAD = 'churn,tenure,plan,size,monthly_charges,support_calls,household,weight,since,"income, net"'


@pytest.fixture
def customers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, n in (("customers", 120), ("new", 30)):
        lines = [
            f"{'yes' if k * 7 % 5 < 2 else 'no'},{k * 11 % 73},{'abc'[k % 3]},{SIZES[k * 5 % 3]},{k * 13 % 97 * 1.25},"
            f"{k * 3 % 7},{k // 4},{1 + k % 3},20{10 + k * 7 % 14}-0{1 + k % 9}-11,{k * 17 % 83 * 100}"
            for k in range(n)
        ]
        Path(f"{name}.csv").write_text("\n".join([HEAD, *lines]) + "\n")


def test_the_commands_run_in_their_order(customers: None) -> None:
    assert len(COMMANDS) == len(re.findall(r"^fastnet ", PAGE, re.MULTILINE)) >= 12
    for command in COMMANDS:
        short = command.partition("  #")[0]
        for usual, smaller in SMALLER.items():
            short = short.replace(usual, smaller)
        arguments = shlex.split(short)[1:]
        if arguments[0] == "train":
            arguments += ["--epochs", "1", "--hidden", "4"]
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, (command, result.output)
    assert len(Path("answers.csv").read_text().splitlines()) == 121


def test_the_settings_are_those_of_a_training(customers: None) -> None:
    [text] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    Path("s.toml").write_text(text)
    assert parse_settings(text.encode(), "s")["drop"] == ["household", "income, net"]
    result = CliRunner().invoke(cli, ["train", "--config", "s.toml", "--epochs", "1", "--hidden", "4"])
    assert result.exit_code == 0 and "classification of churn, 2 classes" in result.stderr, result.output


def test_the_python_runs(customers: None) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    known: dict[str, object] = {}
    exec(compile(code, "tables.md", "exec"), known)
    assert set(known["labels"]) <= {"yes", "no"}  # type: ignore[call-overload]


def test_names_of_options_and_missing_values_are_right() -> None:
    from fastnet.data.tables.cells import MISSING

    known = {name for command in ("train", "search", "data", "predict", "evaluate") for name in options_of(command)}
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE)) <= known
    listed = re.search(r"Blank cells and (.*?) are missing", PAGE, re.DOTALL)
    assert listed is not None
    assert {text.lower() for text in re.findall(r"`([^`]+)`", listed[1])} < MISSING


def options_of(command: str) -> set[str]:
    from commands import find_command

    return {name for param in find_command(command).params for name in param.opts}
