"""Where exceptions become messages and exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli

from fastnet.errors import DataError

FAILURE = 1


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FASTNET_DATA_DIR", raising=False)


def check_sentence(arguments: list[str], code: int, message: str) -> None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.stdout == ""
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ") and message in last
    if code == FAILURE:
        assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            DataError("a \x1b[31mred\x07 word\nand a second line"),
            FAILURE,
            r"a \x1b[31mred\x07 word\x0aand a second line",
        ),
        (
            OSError(28, "No space left on device", "m.safetensors"),
            FAILURE,
            "m.safetensors: No space left on device; make room and try again",
        ),
        (
            OSError(30, "Read-only file system"),
            FAILURE,
            "Read-only file system; choose a folder that can be written to",
        ),
        (
            PermissionError(13, "Permission denied", "/x"),
            FAILURE,
            "/x: Permission denied; check its permissions, or choose another place",
        ),
        (OSError("odd"), FAILURE, "odd"),
        (MemoryError(), FAILURE, "not enough memory"),
    ],
)
def test_one_place_makes_sentences(monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, message: str) -> None:
    def fail(*arguments: object, **named: object) -> None:
        raise error

    monkeypatch.setattr("fastnet.model.ensemble.load_model", fail)
    check_sentence(["evaluate", "m.safetensors"], code, message)


def test_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fastnet.model.ensemble.load_model", interrupt)
    result = CliRunner().invoke(cli, ["evaluate", "m.safetensors"])
    assert result.exit_code == 130 and result.stderr == "Interrupted.\n"


def test_a_defect_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*arguments: object, **named: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("fastnet.model.ensemble.load_model", defect)
    result = CliRunner().invoke(cli, ["evaluate", "m.safetensors"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_reader_that_leaves_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(*arguments: object, **named: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("fastnet.model.ensemble.load_model", leave)
    result = CliRunner().invoke(cli, ["evaluate", "m.safetensors"])
    assert result.exit_code == 1 and "Error" not in result.output
