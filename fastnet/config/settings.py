"""Settings as text: TOML and JSON files, amounts of memory, and suggestions for unknown names."""

from __future__ import annotations

import difflib
import json
import math
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from fastnet.errors import ConfigError

MAX_BYTES = 1_000_000
"""A larger file cannot be a list of settings."""

LARGEST_INT = 2**64
"""No setting is a larger whole number, and Python cannot even print one of thousands of digits."""

DEEPEST = 16
"""Deepest nesting of JSON objects that is read; fastnet writes at most 5 levels."""


def read_settings(path: Path) -> dict[str, Any]:
    """Read names and values from a file of TOML or one JSON object, which begins with a brace.

    Hyphens in names become underscores; tables, such as ``[space]``, become dicts; JSON's null is left out.

    Raises
    ------
    ConfigError
        If the file is neither, or names something twice.
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    return parse_settings(content, str(path))


def parse_settings(content: bytes, source: str) -> dict[str, Any]:
    r"""Read names and values from the content of a file; `source` names it in errors, see `read_settings`.

    Examples
    --------
    >>> parse_settings(b"trials = 100\n[space]\nlearning-rate = 'log:1e-4:1e-2'", "study.toml")
    {'trials': 100, 'space': {'learning_rate': 'log:1e-4:1e-2'}}
    >>> parse_settings(b'{"learning_rate": 0.01, "hidden": "100x6"}', "trial.json")
    {'learning_rate': 0.01, 'hidden': '100x6'}
    """
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{source}: larger than {MAX_BYTES // 1_000_000} MB; a settings file must be smaller")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{source}: not UTF-8 text; settings are TOML or one JSON object") from None
    as_json = text.lstrip().startswith("{")
    try:
        read = json.loads(text, object_pairs_hook=_unique, parse_constant=float) if as_json else tomllib.loads(text)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    except (ValueError, RecursionError) as error:
        form = "one JSON object" if as_json else "TOML, such as trials = 100"
        raise ConfigError(f"{source}: cannot be read as {form}: {error}") from None
    try:
        return _underscored(read)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None


def to_toml(settings: Mapping[str, Any]) -> str:
    """Write settings as TOML, one line each, without those that are None; mappings become tables at the end.

    Examples
    --------
    >>> print(to_toml({"trials": 100, "jobs": None, "space": {"dropout": "uniform:0:0.5"}}), end="")
    trials = 100
    <BLANKLINE>
    [space]
    dropout = "uniform:0:0.5"
    """
    plain = {name: value for name, value in settings.items() if not isinstance(value, Mapping) and value is not None}
    lines = [f"{name} = {toml_value(value)}" for name, value in plain.items()]
    for title, table in settings.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{title}]", *(f"{name} = {toml_value(value)}" for name, value in table.items())]
    return "".join(f"{line}\n" for line in lines)


def toml_value(value: Any) -> str:
    r"""Write one value as TOML does; values that TOML does not know are written as Python does.

    Examples
    --------
    >>> toml_value("a\tb"), toml_value(True), toml_value(1e-8), toml_value([1, 2])
    ('"a\\tb"', 'true', '1e-08', '[1, 2]')
    """
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def format_memory(size: float) -> str:
    """Write an amount of memory with about three digits, in units of 1024, as `parse_memory` reads it.

    Examples
    --------
    >>> format_memory(512 * 2**20), format_memory(2.25 * 2**30), format_memory(700), format_memory(1023.9 * 2**20)
    ('512 MiB', '2.25 GiB', '700 B', '1.00 GiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        text = f"{size:.3g}" if size < 100 else f"{size:.0f}"
        if float(text) < 1024 and size < 1023.5:
            return f"{text if unit == 'B' or size >= 100 else f'{size:#.3g}'} {unit}"
        size /= 1024
    return f"{size:#.3g} TiB"


def is_tame(value: Any, *, finite: bool = True, depth: int = DEEPEST) -> bool:
    r"""Whether a value from `json.loads` can be printed, written again and computed with.

    It may hold no whole number of more than 64 bits, no lone surrogate, no deeper nesting than `depth`, and, if it must
    be `finite`, neither NaN nor infinity.

    Examples
    --------
    >>> is_tame({"seed": 2**64 - 1}), is_tame([10**400]), is_tame({"\ud800": 1}), is_tame([[[]]], depth=2)
    (True, False, False, False)
    """
    if isinstance(value, str):
        return _is_writable(value)
    if isinstance(value, dict):
        items = value.items()
        return depth > 0 and all(_is_writable(k) and is_tame(v, finite=finite, depth=depth - 1) for k, v in items)
    if isinstance(value, list):
        return depth > 0 and all(is_tame(item, finite=finite, depth=depth - 1) for item in value)
    if isinstance(value, float):
        return not finite or math.isfinite(value)
    return not isinstance(value, int) or abs(value) <= LARGEST_INT


def suggestion(name: str, names: Collection[str]) -> str:
    """Return the end of a sentence that suggests the nearest of `names`, or nothing.

    Examples
    --------
    >>> suggestion("trails", ["trials", "space"]), suggestion("colour", ["trials", "space"])
    ('; did you mean trials?', '')
    """
    near = difflib.get_close_matches(name.replace("-", "_"), names, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _is_writable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell and UTF-8 cannot
        return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ConfigError(f"{name} is given twice; give it once")
        found[name] = value
    return found


def _underscored(settings: Mapping[str, Any], depth: int = DEEPEST) -> dict[str, Any]:
    given = [(name.replace("-", "_"), value) for name, value in settings.items() if value is not None]
    for name, value in given:
        _refuse_huge(name, value, depth)
    return _unique([(k, _underscored(v, depth - 1) if isinstance(v, Mapping) else v) for k, v in given])


def _refuse_huge(name: str, value: Any, depth: int) -> None:
    if isinstance(value, (Mapping, list)) and depth == 0:
        raise ConfigError(f"{name} is nested in more than {DEEPEST} tables or lists; settings need one table")
    if isinstance(value, int) and abs(value) > LARGEST_INT:
        raise ConfigError(f"{name} is a whole number of {value.bit_length()} bits; no setting has more than 64")
    for item in value if isinstance(value, list) else ():
        _refuse_huge(name, item, depth - 1)
        if isinstance(item, Mapping):
            _underscored(item, depth - 1)
