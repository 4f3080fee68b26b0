"""Help in groups."""

from __future__ import annotations

import re

import click
import pytest
from click.testing import CliRunner
from commands import find_command
from fastnet_cli.grouping import GROUPS
from fastnet_cli.main import cli


@pytest.mark.parametrize("name", ["train", "search"])
def test_the_help_lists_every_option_once_in_the_group_of_its_subject(name: str) -> None:
    command = find_command(name)
    options = [param for param in command.params if isinstance(param, click.Option)]
    assert {option.name for option in options} <= {known for names in GROUPS.values() for known in names}
    output = CliRunner().invoke(cli, [name, "--help"]).output
    options_part = output.partition("Most used:")[2]
    listed = re.findall(r"^  (?:-\w, )?(--[a-z0-9-]+)", options_part, flags=re.MULTILINE)
    assert sorted(listed) == sorted([*(max(option.opts, key=len) for option in options), "--help"])
    heads = re.findall(r"^([A-Z][a-z ]+):$", output, flags=re.MULTILINE)
    assert heads == ["Most used", *(title for title in GROUPS if title in heads), "Help"]
    assert {"Data", "Network", "Training", "Output"} < set(heads)


@pytest.mark.parametrize("width", [80, 120])
def test_the_groups_share_their_columns_and_fit_the_terminal(width: int) -> None:
    command = find_command("search")
    context = click.Context(command, info_name="fastnet search", terminal_width=width)
    lines = command.get_help(context).partition("Most used:")[2].splitlines()
    assert all(len(line) <= width for line in lines)
    assert {len(line) - len(line.lstrip()) for line in lines if line.startswith(" ")} == {2, 28}
