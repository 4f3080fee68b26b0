"""The text forms of settings: widths of layers, dropout, numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnet.config.checks import check_count
from fastnet.errors import ConfigError

MAX_LAYERS = 1000


def check_widths(name: str, value: object) -> None:
    """Raise `ConfigError` unless a setting is a tuple of widths of layers."""
    if not isinstance(value, tuple):
        raise ConfigError(f"{name}={value!r}: must be a tuple of layer widths, such as (100, 100)")
    for width in value:
        check_count(name, width, high=65_536)
    if len(value) > MAX_LAYERS:
        raise ConfigError(f"{name} has {len(value)} layers: at most {MAX_LAYERS} are allowed")


def parse_hidden(text: str) -> tuple[int, ...]:
    """Read the text form of the hidden layers.

    Parameters
    ----------
    text : str
        ``"100x6"`` (six layers of 100), ``"512,256"`` or ``"512-256"``, a mixture (``"256x2,64"``), or ``"none"`` for
        no hidden layer.

    Returns
    -------
    tuple of int
        One width per hidden layer.

    Raises
    ------
    ConfigError
        If the text does not follow that form or a width or a repetition is not at least 1.

    Examples
    --------
    >>> parse_hidden("100x3")
    (100, 100, 100)
    >>> parse_hidden("256x2,64")
    (256, 256, 64)
    >>> parse_hidden("none")
    ()
    """
    cleaned = text.strip().lower()
    if cleaned in ("none", "0x0"):
        return ()
    widths: list[int] = []
    for part in cleaned.replace("-", ",").split(","):
        width, _, repeat = part.strip().partition("x")
        if not width.isdecimal() or (repeat and not repeat.isdecimal()) or part.strip().endswith("x"):
            raise ConfigError(f"hidden={text!r}: write widths such as 100x6 or 512,256, or none for no hidden layer")
        count = _short_count(repeat) if repeat else 1
        check_count("hidden repetition", count, high=1000)
        widths.extend([_short_count(width)] * count)
        if len(widths) > MAX_LAYERS:  # sooner than all of a long text is read
            break
    hidden = tuple(widths)
    check_widths("hidden", hidden)
    return hidden


def _short_count(digits: str) -> int:
    """Read a whole number of the size of a layer; of more digits the first, for Python reads none of thousands."""
    return int((digits.lstrip("0") or "0")[:9])


def format_hidden(hidden: tuple[int, ...]) -> str:
    """Write hidden widths the way `parse_hidden` reads them.

    Examples
    --------
    >>> format_hidden((100, 100, 64))
    '100x2,64'
    >>> format_hidden(())
    'none'
    """
    parts: list[list[int]] = []
    for width in hidden:
        if parts and parts[-1][0] == width:
            parts[-1][1] += 1
        else:
            parts.append([width, 1])
    return ",".join(f"{w}x{n}" if n > 1 else str(w) for w, n in parts) or "none"


def parse_dropout(text: str) -> float | tuple[float, ...]:
    """Read the text form of dropout: one number for all hidden layers, or one for each.

    Raises
    ------
    ConfigError
        If a part is not a number.

    Examples
    --------
    >>> parse_dropout("0.2"), parse_dropout("0,0.5")
    (0.2, (0.0, 0.5))
    """
    try:
        ratios = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"dropout={text!r}: write a number such as 0.2, or one for each layer: 0,0.5") from None
    return ratios if len(ratios) > 1 else ratios[0]


def format_dropout(dropout: float | tuple[float, ...]) -> str:
    """Write dropout the way `parse_dropout` reads it.

    Examples
    --------
    >>> format_dropout((0.0, 0.5)), format_dropout(0.1234567)
    ('0,0.5', '0.1234567')
    """
    return ",".join(format_number(ratio) for ratio in (dropout if isinstance(dropout, tuple) else (dropout,)))


TEXT_FORMS: dict[str, Callable[[str], Any]] = {"hidden": parse_hidden, "dropout": parse_dropout}
"""What reads the fields of `TrainConfig` that are written as text."""


def format_number(value: float) -> str:
    """Write a number as briefly as it can be read back as the same.

    Examples
    --------
    >>> format_number(0.5), format_number(1e-8), format_number(0.123456789), format_number(100)
    ('0.5', '1e-08', '0.123456789', '100')
    """
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))
