"""Write docs/cli.md from the help of every command; with --check only say whether it is up to date.

Example: python scripts/build_cli_docs.py --check
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
from fastnet_cli.main import cli

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
WIDTH = 110
LAYOUT = "<!-- laid out by Click " + ".".join(version("click").split(".")[:2]) + " -->"
HEAD = f"""# The command line

This page is generated from `--help`: change the help, then run `python scripts/build_cli_docs.py`.

{LAYOUT}
"""


def build_page() -> str:
    """Put the help of the group and of each command together as Markdown."""
    return "\n".join([HEAD, *(_section(title, context) for title, context in _commands())])


def is_up_to_date(page: str) -> bool:
    """Compare a page with the help: to the letter, or, where another Click lays it out otherwise, our own words."""
    if LAYOUT in page:
        return page == build_page()
    sections = dict(re.findall(r"^## (fastnet.*?)\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL))
    commands = dict(_commands())
    return set(sections) == set(commands) and all(
        _squeezed(words) in _squeezed(sections[title])
        for title, context in commands.items()
        for words in _words(context.command)
    )


def _commands(title: str = "fastnet", context: click.Context | None = None) -> Iterator[tuple[str, click.Context]]:
    """Yield the context of a command, and those of the commands in it, each with its title."""
    if context is None:
        context = click.Context(cli, info_name="fastnet", **{**cli.context_settings, "terminal_width": WIDTH})
    yield title, context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            inner = context.command.get_command(context, name)
            assert inner is not None
            below = click.Context(inner, info_name=name, parent=context, terminal_width=WIDTH)
            yield from _commands(f"{title} {name}", below)


def _section(title: str, context: click.Context) -> str:
    lines = [line.rstrip() for line in context.command.get_help(context).splitlines()]
    return "\n".join([f"## {title}", "", "```text", *lines, "```", ""])


def _words(command: click.Command) -> Iterator[str]:
    """Yield what a command and its options are called, and their help."""
    yield command.help or ""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            yield from parameter.opts
            yield parameter.help or ""


def _squeezed(text: str) -> str:
    """Leave out white space, and the marks of paragraphs that are not wrapped."""
    return re.sub(r"[\s\b]+", "", text)


def main() -> int:
    """Write or check the page; the exit code is 1 where a check finds it out of date."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(build_page(), encoding="utf-8")
        return 0
    if PAGE.is_file() and is_up_to_date(PAGE.read_text(encoding="utf-8")):
        return 0
    print(f"{PAGE.name} is out of date: run python scripts/build_cli_docs.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
