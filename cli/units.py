"""Times and amounts of memory as they are typed: 30m, 1h30m, 512M, 2G."""

from __future__ import annotations

import re

import click

LONGEST = 365 * 86_400.0
"""Longest time that is taken, in seconds: a year."""

_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_TIME = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s?)?", re.ASCII)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?", re.ASCII)


def duration_of(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Callback of an option that takes a time, in seconds."""
    try:
        return None if value is None else parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


def memory_of(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Callback of an option that takes an amount of memory, in bytes."""
    try:
        return None if value is None else parse_memory(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


def parse_duration(text: str) -> float:
    """Read a time in seconds; raise `ValueError` with a sentence for what is none.

    >>> parse_duration("90"), parse_duration("30m"), parse_duration("1h30m"), parse_duration("1.5h")
    (90.0, 1800.0, 5400.0, 5400.0)
    """
    cleaned = text.strip().lower()
    match = _TIME.fullmatch(cleaned)
    if not cleaned or match is None:
        raise ValueError(f"{text!r} is not a time: write 90 or 90s, 30m, 2h or 1h30m")
    seconds = sum(float(count) * _SECONDS[unit] for unit, count in match.groupdict().items() if count)
    if not 0.0 < seconds <= LONGEST:
        raise ValueError(f"{text!r} must be more than nothing and at most a year (8760h)")
    return seconds


def format_duration(seconds: float) -> str:
    """Write a time the way `parse_duration` reads it.

    >>> format_duration(5400), format_duration(90), format_duration(0.5), format_duration(7200)
    ('1h30m', '1m30s', '0.5s', '2h')
    """
    if seconds < 60:
        return f"{seconds:g}s"
    hours, rest = divmod(round(seconds), 3600)
    counts = {"h": hours, "m": rest // 60, "s": rest % 60}
    return "".join(f"{count}{unit}" for unit, count in counts.items() if count)


def parse_memory(text: str) -> int:
    """Read an amount of memory in bytes, K, M, G and T being powers of 1024; raise `ValueError` for what is none.

    >>> parse_memory("512M"), parse_memory("2G") == parse_memory("2GiB") == parse_memory("2gb") == 2**31
    (536870912, True)
    """
    match = _AMOUNT.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} is not an amount of memory: write 512M, 2G or 2GiB")
    size = float(match[1]) * 1024.0 ** _POWERS[match[2]]
    if not 1 <= size < 2**60:
        raise ValueError(f"{text!r} must be at least a byte and less than a million terabytes")
    return int(size)
