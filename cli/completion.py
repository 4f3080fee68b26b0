"""`fastnet completion`: the script that makes a shell complete commands, options and values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .streams import output_is_the_result

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SHELLS = ("bash", "zsh", "fish")
PROGRAM, VARIABLE = "fastnet", "_FASTNET_COMPLETE"


@click.command(name="completion")
@click.argument("shell", type=click.Choice(SHELLS), required=False, metavar=f"[{'|'.join(SHELLS)}]")
@click.pass_context
def command(ctx: click.Context, /, shell: str | None) -> None:
    """Print the script that makes a shell complete fastnet.

    SHELL is bash (4.4 or newer), zsh or fish; by default the one that the environment variable SHELL names. Load the
    script when the shell starts; then Tab completes commands, options, and values such as the names of data sets.

    \b
    Example:
      fastnet completion bash >> ~/.bashrc
      fastnet completion zsh >> ~/.zshrc
      fastnet completion fish > ~/.config/fish/completions/fastnet.fish
    """
    from click.shell_completion import get_completion_class

    output_is_the_result()
    shell = shell or Path(os.environ.get("SHELL", "")).name
    completer = get_completion_class(shell) if shell in SHELLS else None
    if completer is None:
        raise click.UsageError(f"Unknown shell: name one of {', '.join(SHELLS)}.", ctx)
    click.echo(completer(ctx.find_root().command, {}, PROGRAM, VARIABLE).source())


def complete_data(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of data sets, or else files."""
    from click.shell_completion import CompletionItem

    from fastnet.data.registry import NAMES

    names = [CompletionItem(name) for name in NAMES if name.startswith(incomplete)]
    return names or [CompletionItem(incomplete, type="file")]
