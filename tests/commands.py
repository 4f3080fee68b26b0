"""The commands of the command line, found by their names."""

from __future__ import annotations

import click
from fastnet_cli.main import COMMANDS, cli


def find_command(name: str) -> click.Command:
    command: click.Command | None = cli
    for word in name.split():
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
    assert command is not None
    return command


def below(name: str) -> list[str]:
    """The commands of a group, by their whole names."""
    command = find_command(name)
    inner = command.list_commands(click.Context(command)) if isinstance(command, click.Group) else []
    return [f"{name} {word}" for word in inner]


ALL_COMMANDS = [whole for name in COMMANDS for whole in (name, *below(name))]
