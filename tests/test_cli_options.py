"""Options that commands share."""

from __future__ import annotations

import re
from dataclasses import fields

import click
import pytest
from click.testing import CliRunner
from commands import ALL_COMMANDS, find_command
from fastnet_cli.main import cli
from fastnet_cli.options import optimizers_by_rate

from fastnet.config.searching import SearchConfig, as_settings
from fastnet.config.training import LEARNING_RATES, TrainConfig


@pytest.mark.parametrize("name", ALL_COMMANDS)
def test_every_option_has_help(name: str) -> None:
    options = [param for param in find_command(name).params if isinstance(param, click.Option)]
    assert (options or name in ("completion", "studies")) and all(option.help for option in options)


@pytest.mark.parametrize("name", ["train", "search"])
def test_defaults_are_those_of_the_configuration(name: str) -> None:
    command = find_command(name)
    defaults = {param.name: param.get_default(click.Context(command)) for param in command.params}
    expected = {**as_settings(TrainConfig()), "dropout": "0"}  # an option that takes one for each layer is a text
    for field in fields(TrainConfig):
        if name == "search" and field.name in SearchConfig().space:
            continue
        if field.name == "learning_rate":  # it depends on the optimizer, and the help says so
            shown = " ".join(CliRunner().invoke(cli, [name, "--help"]).output.split())
            assert all(f"{rate:g} with {', '.join(names)}" in shown for rate, names in optimizers_by_rate())
            assert {name: rate for rate, names in optimizers_by_rate() for name in names} == LEARNING_RATES
            continue
        if field.name == "init":  # and this one on the activation
            shown = " ".join(CliRunner().invoke(cli, [name, "--help"]).output.split())
            assert "he, but xavier with tanh and logistic" in shown and defaults["init"] is None
            continue
        assert defaults[field.name] == expected[field.name], field.name
    if name == "search":
        assert defaults["trials"] == SearchConfig().trials
        ranges = CliRunner().invoke(cli, ["search", "--help"]).output
        assert all(f"searched {range_}" in " ".join(ranges.split()) for range_ in SearchConfig().space.values())


def test_help_names_every_data_set() -> None:
    from fastnet.data import NAMES

    output = CliRunner().invoke(cli, ["train", "--help"]).output
    assert all(name in re.sub(r"-\n +", "-", output) for name in NAMES)
