"""The one kind of path that options and arguments take, from the command line, the environment or a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from fastnet.errors import ConfigError
from fastnet.files import as_path


class PathType(click.Path):
    """A path in which ``~`` is the home folder, as it is where the shell never saw it: ``--study=~/s``, a file."""

    def __init__(self, **how: Any) -> None:
        super().__init__(path_type=Path, **how)

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not (self.allow_dash and value == "-"):
            try:
                value = as_path(value, "the path")
            except ConfigError as error:
                self.fail(str(error), param, ctx)
        return super().convert(value, param, ctx)
