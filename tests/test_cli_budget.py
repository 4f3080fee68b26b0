"""Limits of a search, --timeout and --memory, and the command that continues it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import cli

import fastnet
import fastnet.tuning
from fastnet.errors import ConfigError
from fastnet.tuning import Study

pytestmark = pytest.mark.usefixtures("empty_folder")

SMALL = ["--hidden", "4", "--epochs", "2", "--samples", "60"]
ENDLESS = ["--trials", "10000000", *SMALL]


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def stored(folder: str) -> int:
    with Study.read(Path(folder)) as study:
        return len(study.stored_ids())


def test_a_timeout_keeps_finished_trials_and_prints_how_to_continue() -> None:
    run("search", "--trials", "1", *SMALL)  # so that the kernels are there
    result = run("search", *ENDLESS, "--study", "a study", "--timeout", "5s")
    assert result.stdout.startswith("Best-1 (val acc:") and Path("a study/best20.png").is_file()
    first, last = result.stderr.splitlines()[-2:]
    done = re.fullmatch(r"Out of time after 5s with (\d+) of 10000000 trials; continue with:", first)
    assert done and 0 < int(done[1]) == stored("a study")
    assert last == "  fastnet search --study 'a study'"
    again = run(*shlex.split(last)[1:], "--timeout", "6s")
    assert stored("a study") > int(done[1]) and " new" in again.stdout


def test_search_that_ends_in_time_does_not_mention_it() -> None:
    result = run("search", "--trials", "2", "--timeout", "1h", *SMALL)
    assert "continue with" not in result.stderr and result.stdout.startswith("Best-1")


def test_time_too_short_for_a_trial_is_a_failure_with_the_study_intact() -> None:
    result = run("search", *ENDLESS, "--study", "s", "--timeout", "0.001", code=1)
    *_, note, command, error = result.stderr.splitlines()
    assert note.startswith("Out of time after 0.001s with 0 of") and "--timeout" not in command
    assert error == "Error: no trial ended within 0.001s: allow more with --timeout"
    run(*shlex.split(command)[1:], "--timeout", "5s")
    assert stored("s") > 0


def test_time_too_short_for_another_trial_is_a_success() -> None:
    run("search", "--trials", "3", *SMALL, "--study", "s")
    result = run("search", "--trials", "9", *SMALL, "--study", "s", "--timeout", "0.001")
    assert "3 trials (0 new)" in result.stdout and "with 3 of 9 trials" in result.stderr


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the library was asked for; it refuses."""
    seen: dict[str, Any] = {}

    def search(dataset: Any, config: Any, **how: Any) -> None:
        seen.update(how)
        raise ConfigError("enough")

    monkeypatch.setattr(fastnet.tuning, "run_study", search)
    return seen


@pytest.mark.parametrize(("given", "size"), [([], None), (["--memory", "512M"], 2**29)])
def test_memory_is_passed_on_in_bytes(asked: dict[str, Any], given: list[str], size: int | None) -> None:
    run("search", *SMALL, *given, code=1)
    assert asked["memory"] == size
