"""The library names fields, the command line options; where the two differ, one place knows it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from fastnet_cli.main import COMMANDS, cli

import fastnet

PACKAGE = Path(fastnet.__file__).parent


def every_command(group: click.Group) -> Iterator[click.Command]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield command
        if isinstance(command, click.Group):
            yield from every_command(command)


def options() -> set[str]:
    named = {name for command in every_command(cli) for param in command.params for name in param.opts}
    return {name for name in named if name.startswith("--")} | {"--help", "--version"}


def strings_of(source: str) -> Iterator[tuple[int, str]]:
    """The texts of a module that can reach a user: all but docstrings."""
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


def named_options(source: str) -> list[str]:
    """Options and commands that stand in the texts of a module."""
    known, found = options(), []
    for line, text in strings_of(source):
        found += [f"{line}: {name}" for name in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text) if name in known]
        found += [f"{line}: fastnet {name}" for name in re.findall(r"\bfastnet ([a-z]+)", text) if name in COMMANDS]
    return found


def test_no_text_of_the_library_names_an_option_or_a_command() -> None:
    a_program_of_its_own = PACKAGE / "export" / "standalone.py"  # with a command line, which it does name
    sources = sorted({*PACKAGE.rglob("*.py")} - {a_program_of_its_own})
    assert len(sources) > 100
    found = {path.relative_to(PACKAGE).as_posix(): named_options(path.read_text(encoding="utf-8")) for path in sources}
    assert {name: places for name, places in found.items() if places} == {}


def test_the_search_for_options_finds_them() -> None:
    source = (
        '"""Doc: --trials."""\ndef f(x):\n    """--trials"""\n    raise E(f"{x}: set --trials; or fastnet doctor")\n'
    )
    assert named_options(source) == ["4: --trials", "4: fastnet doctor"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["search", "--cv", "1"], "Error: --cv=1: must be"),
        (["train", "--data", "mnist", "--data-dir", "nowhere"], "--data-dir and FASTNET_DATA_DIR name a folder"),
    ],
)
def test_messages_name_the_option_of_a_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 1 and expected in result.stderr
