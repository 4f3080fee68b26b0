"""Warnings as notes, and --quiet and --verbose."""

from __future__ import annotations

import warnings

import click
import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import FastnetGroup, cli
from fastnet_cli.notes import verbosity_options

from fastnet import FastnetWarning

pytestmark = pytest.mark.usefixtures("empty_folder")


@click.command(name="warns")
@verbosity_options()
def warns() -> None:
    for number in (1, 1, 2):
        warnings.warn(f"cache {number}\x1b", FastnetWarning, stacklevel=1)
    click.echo("result")


class Group(FastnetGroup):
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        return warns


@pytest.mark.parametrize(("options", "notes"), [([], "Note: cache 1\\x1b\nNote: cache 2\\x1b\n"), (["-q"], "")])
def test_each_warning_is_one_note_unless_quiet(options: list[str], notes: str) -> None:
    done = CliRunner().invoke(Group(), ["warns", *options])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "result\n", notes)


def test_other_warnings_are_left_to_python() -> None:
    @click.command()
    def other() -> None:
        warnings.warn("not ours", UserWarning, stacklevel=1)

    with pytest.warns(UserWarning, match="not ours"):
        group = Group()
        group.get_command = lambda ctx, name: other  # type: ignore[method-assign]
        CliRunner().invoke(group, ["other"], catch_exceptions=False)


SMALL = ["--hidden", "4", "--epochs", "2", "--samples", "60"]


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_quiet_search_prints_results_only() -> None:
    result = run("search", "--trials", "2", "-q", *SMALL)
    assert result.stderr == "" and result.stdout.startswith("Best-1")
    result = run("search", "--trials", "2", "--quiet", "--format", "csv", *SMALL)
    assert result.stderr == "" and len(result.stdout.splitlines()) == 3
    assert run("search", "--trials", "0", "-q", code=1).stderr.startswith("Error: trials=0")


def test_quiet_and_verbose_training() -> None:
    result = run("train", "-q", *SMALL, "-o", "m.safetensors")
    assert result.stderr == "" and result.stdout.startswith("best epoch:")
    result = run("train", "-v", *SMALL, "-o", "n.safetensors")
    assert "\n  hidden 4\n" in result.stderr and "\n  seed 0\n" in result.stderr


@pytest.mark.parametrize("order", [["-q", "-v"], ["--verbose", "--quiet"]])
@pytest.mark.parametrize("name", ["search", "train"])
def test_quiet_and_verbose_contradict_each_other(name: str, order: list[str]) -> None:
    assert "--quiet and --verbose contradict each other" in run(name, *order, code=2).stderr
