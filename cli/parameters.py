"""Types of options and arguments that Click does not have."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from fastnet.errors import ConfigError
from fastnet.files import as_path

Command = TypeVar("Command", bound=Callable[..., Any])
"""A function that options are added to."""


class PathType(click.Path):
    """A path in which ``~`` is the home folder even where no shell expands it: in ``--study=~/s`` or in a file."""

    def __init__(self, **how: Any) -> None:
        super().__init__(path_type=Path, **how)

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not (self.allow_dash and value == "-"):
            try:
                value = as_path(value, "the path")
            except ConfigError as error:
                self.fail(str(error), param, ctx)
        return super().convert(value, param, ctx)


class TextType(click.types.StringParamType):
    """A text that one of the functions of `fastnet.config.text` reads."""

    name = "text"

    def __init__(self, read: Callable[[str], Any]) -> None:
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._read(str(value))
        except ConfigError as error:
            self.fail(f"{error}.", param, ctx)


class ListType(click.types.StringParamType):
    """A list of names, separated by commas; a name that contains a comma stands in double quotes."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, list):
            return value
        return [item for line in csv.reader([str(value)], skipinitialspace=True) for item in line if item]

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        return [rv]

    @staticmethod
    def written(items: Sequence[str]) -> str:
        """Write names as this type reads them.

        >>> ListType.written(["age", "income, net"])
        'age,"income, net"'
        """
        text = io.StringIO()
        spaced = any(item.startswith(" ") for item in items)  # which reading would remove
        csv.writer(text, lineterminator="", quoting=csv.QUOTE_ALL if spaced else csv.QUOTE_MINIMAL).writerow(items)
        return text.getvalue()
