"""`fastnet report`: where it writes, and its errors."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import cli
from studies import make_study

from fastnet.tuning import REPORT_FILE, Study


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["report", *arguments])
    assert result.exit_code == code, (result.output, result.exception)
    assert "Traceback" not in result.output and result.stdout == ""
    return result


def test_report_is_written_into_the_folder_again_and_again(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "s", 5)
    for _ in range(2):
        assert run(str(folder)).stderr == f"report: {folder / REPORT_FILE}\n"
    assert (folder / REPORT_FILE).is_file()
    assert [path.name for path in folder.iterdir() if path.name.endswith(".part")] == []
    result = CliRunner().invoke(cli, ["studies", "rm", str(folder), "--yes"])
    assert result.exit_code == 0 and not folder.exists(), "the report is removed with its study"


def test_report_goes_to_the_given_file_and_replaces_nothing_without_permission(tmp_path: Path) -> None:
    folder, target = make_study(tmp_path / "s", 5), tmp_path / "new" / "r.html"
    run(str(folder), "-o", str(target))
    target.write_text("mine")
    assert "add --overwrite" in run(str(folder), "-o", str(target), code=1).stderr
    assert target.read_text() == "mine"
    run(str(folder), "-o", str(target), "--overwrite")
    assert target.stat().st_size > 1_000_000 and not (folder / REPORT_FILE).exists()


def test_report_opens_the_browser_or_reports_that_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_study(tmp_path / "s", 5)
    asked: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: bool(asked.append(url)) or True)
    assert "No browser" not in run(str(folder), "--open").stderr
    assert asked == [(folder / REPORT_FILE).resolve().as_uri()]
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    assert "No browser could be started" in run(str(folder), "--open").stderr


@pytest.mark.parametrize("what", ["nothing", "a file"])
def test_report_without_a_study_is_an_error_of_one_line(tmp_path: Path, what: str) -> None:
    if what == "a file":
        (tmp_path / "s").write_text("")
    error = run(str(tmp_path / "s"), code=1).stderr
    assert error.startswith("Error: ") and "no study found" in error and len(error.splitlines()) == 1


def test_report_that_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_study(tmp_path / "s", 5)
    (folder / REPORT_FILE).write_text("old")

    def full(source: Any, target: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fastnet.files.os.replace", full)
    error = run(str(folder), code=1).stderr
    said = "the report cannot be written (No space left on device); make room and try again"
    assert error == f"Error: {folder / REPORT_FILE}: {said}\n"
    assert (folder / REPORT_FILE).read_text() == "old"


def test_report_can_be_written_while_a_search_runs(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "s", 5)
    with Study.read(folder) as study:
        settings = study.settings
    with Study.open(folder, settings):
        run(str(folder))
    assert "A search is writing to this study;" in (folder / REPORT_FILE).read_text(encoding="utf-8")
