"""Help, version and the page made from them; what starting the command line costs."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from fastnet_cli.grouping import GROUPS
from fastnet_cli.main import COMMANDS, cli
from fastnet_cli.options import optimizers_by_rate

from fastnet import __version__
from fastnet.config.searching import SearchConfig, as_settings
from fastnet.config.training import LEARNING_RATES, TrainConfig

ROOT = Path(__file__).resolve().parents[1]


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


@pytest.mark.parametrize("name", ["", *ALL_COMMANDS])
def test_help_has_an_example(name: str) -> None:
    result = CliRunner().invoke(cli, [*name.split(), "--help"])
    assert result.exit_code == 0
    assert "Example:\n" in result.output and f"\n    fastnet {name}".rstrip() in result.output


@pytest.mark.parametrize("name", ALL_COMMANDS)
def test_every_option_has_help(name: str) -> None:
    options = [param for param in find_command(name).params if isinstance(param, click.Option)]
    assert (options or name in ("completion", "studies")) and all(option.help for option in options)


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


def test_short_help_is_not_cut() -> None:
    for group in ([], ["studies"]):
        _, _, commands = CliRunner().invoke(cli, [*group, "--help"]).output.partition("Commands:\n")
        assert commands and "..." not in commands


@pytest.mark.parametrize("name", ["train", "search"])
def test_defaults_are_those_of_the_configuration(name: str) -> None:
    command = find_command(name)
    defaults = {param.name: param.get_default(click.Context(command)) for param in command.params}
    expected = {**as_settings(TrainConfig()), "dropout": "0"}  # an option that takes one for each layer is a text
    for field in fields(TrainConfig):
        if name == "search" and field.name in {"early_stopping", *SearchConfig().space}:
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
