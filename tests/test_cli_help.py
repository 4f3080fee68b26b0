"""Help, version and the page made from them; what starting the command line costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from commands import ALL_COMMANDS
from fastnet_cli.main import cli

from fastnet import __version__

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", ["", *ALL_COMMANDS])
def test_help_has_an_example(name: str) -> None:
    result = CliRunner().invoke(cli, [*name.split(), "--help"])
    assert result.exit_code == 0
    assert "Example:\n" in result.output and f"\n    fastnet {name}".rstrip() in result.output


def test_short_help_is_not_cut() -> None:
    for group in ([], ["studies"]):
        _, _, commands = CliRunner().invoke(cli, [*group, "--help"]).output.partition("Commands:\n")
        assert commands and "..." not in commands


def test_version() -> None:
    assert CliRunner().invoke(cli, ["--version"]).output == f"fastnet {__version__}\n"


def test_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(cli, ["serch"])
    assert result.exit_code == 2 and "No such command 'serch'" in result.stderr


def test_docs_page_is_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "build_cli_docs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def imported_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('MODULES', *sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.rpartition("MODULES")[2].split())


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], *([*name.split(), "--help"] for name in ALL_COMMANDS)]
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    modules = imported_by(f"from fastnet_cli.main import cli\ncli({arguments}, standalone_mode=False)")
    assert not modules & {
        "numpy",
        "numba",
        "scipy",
        "rich",
        "matplotlib",
        "sqlite3",
        "safetensors",
        "requests",
        "pyarrow",
        "sklearn",
    }


def test_library_imports_without_click_and_without_anything_heavy() -> None:
    modules = imported_by("import fastnet; fastnet.TrainConfig()")
    assert not modules & {"click", "fastnet_cli", "numpy", "numba", "scipy", "rich", "matplotlib"}
