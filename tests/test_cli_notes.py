"""What the library warns of, as the command line prints it."""

from __future__ import annotations

import warnings

import click
import pytest
from click.testing import CliRunner
from fastnet_cli.main import FastnetGroup
from fastnet_cli.notes import verbosity_options

from fastnet import FastnetWarning


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
