"""Write docs/cli.md from the help of every command; with --check only say whether it is up to date.

Example: python scripts/build_cli_docs.py --check
"""

from __future__ import annotations

import sys
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
    parts = [HEAD, _section("fastnet", cli, context)]
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context, terminal_width=WIDTH)
        parts.append(_section(f"fastnet {name}", command, inner))
    return "\n".join(parts)


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
