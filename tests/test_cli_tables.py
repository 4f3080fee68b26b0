"""Tables on a terminal and elsewhere."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result
from fastnet_cli import tables
from fastnet_cli.main import cli
from listed import make_study

pytestmark = pytest.mark.usefixtures("empty_folder")


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
