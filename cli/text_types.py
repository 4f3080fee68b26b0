"""Options that take a word of the library: the type that reads it by the library's own parser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from fastnet.errors import ConfigError


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
