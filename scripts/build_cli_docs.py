"""Write docs/cli.md from the help of every command; with --check only say whether it is up to date.

Example: python scripts/build_cli_docs.py --check
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from fastnet_cli.main import cli

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
WIDTH = 110
HEAD = """# The command line

This page is generated from `--help`: change the help, then run `python scripts/build_cli_docs.py`.
"""


def build_page() -> str:
    """Put the help of the group and of each command together as Markdown."""
    context = click.Context(cli, info_name="fastnet", **{**cli.context_settings, "terminal_width": WIDTH})
    return "\n".join([HEAD, *_sections("fastnet", cli, context)])


def _sections(title: str, command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the section of a command, then those of the commands in it."""
    yield _section(title, command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            below = click.Context(inner, info_name=name, parent=context, terminal_width=WIDTH)
            yield from _sections(f"{title} {name}", inner, below)


def _section(title: str, command: click.Command, context: click.Context) -> str:
    lines = [line.rstrip() for line in command.get_help(context).splitlines()]
    return "\n".join([f"## {title}", "", "```text", *lines, "```", ""])


def main() -> int:
    """Write or check the page; the exit code is 1 where a check finds it out of date."""
    page = build_page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page:
        return 0
    print(f"{PAGE.name} is out of date: run python scripts/build_cli_docs.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
