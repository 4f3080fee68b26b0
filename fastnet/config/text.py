"""The text forms of settings: layer widths, dropout, counts, times, memory, numbers."""

from __future__ import annotations

import re

from fastnet.config.checks import check_count
from fastnet.errors import ConfigError
from fastnet.scalars import plain

MAX_LAYERS = 1000
MAX_CANDIDATES = 1000
"""Most candidates of a final choice."""
LEAST_FOLDS, MOST_FOLDS = 3, 100
"""Fewest and most folds of an ensemble: with two, the samples that validate a second network would be all that trained
the first."""

_LONGEST = 365 * 86_400.0
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_TIME = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s?)?", re.ASCII)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?", re.ASCII)


def check_widths(name: str, value: object) -> None:
    """Raise `ConfigError` unless a setting is a tuple of widths of layers."""
    if not isinstance(value, tuple):
        raise ConfigError(f"{name}={value!r}: must be a tuple of layer widths, such as (100, 100)")
    for width in value:
        check_count(name, width, high=65_536)
    if len(value) > MAX_LAYERS:
        raise ConfigError(f"{name} has {len(value)} layers: at most {MAX_LAYERS} are allowed")


def parse_hidden(text: str) -> tuple[int, ...]:
    """Read the widths of the hidden layers; widths are separated by commas or hyphens.

    Examples
    --------
    >>> parse_hidden("100x3"), parse_hidden("256x2,64"), parse_hidden("512-256"), parse_hidden("none")
    ((100, 100, 100), (256, 256, 64), (512, 256), ())
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
        if len(widths) > MAX_LAYERS:  # before the rest of a long text is read
            break
    hidden = tuple(widths)
    check_widths("hidden", hidden)
    return hidden


def _short_count(digits: str) -> int:
    """Read the first nine digits of a whole number, which exceed every layer; Python refuses thousands of digits."""
    return int((digits.lstrip("0") or "0")[:9])


def format_hidden(hidden: tuple[int, ...]) -> str:
    """Write hidden widths the way `parse_hidden` reads them.

    Examples
    --------
    >>> format_hidden((100, 100, 64)), format_hidden(())
    ('100x2,64', 'none')
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


def parse_count(text: str, word: str, *, of: str, low: int = 1, high: int = 2**31 - 1) -> int | None:
    """Read a whole number from `low` to `high`, or the `word` that stands for None; errors name what is counted, `of`.

    Examples
    --------
    >>> parse_count("500", "all", of="samples"), parse_count("all", "all", of="samples")
    (500, None)
    """
    cleaned = text.strip().lower()
    if cleaned == word:
        return None
    if not cleaned.isdecimal() or len(cleaned) > len(str(high)) or not low <= int(cleaned) <= high:
        raise ConfigError(f"{text!r} is neither a number of {of} from {low} to {high} nor {word!r}")
    return int(cleaned)


def parse_candidates(text: str) -> int:
    """Read the number of candidates of a final choice, 1 to 1000; ``"none"`` is 0."""
    return parse_count(text, "none", of="candidates", high=MAX_CANDIDATES) or 0


def parse_folds(text: str) -> int | None:
    """Read the folds of an ensemble, 3 to 100; None for ``"none"``.

    Examples
    --------
    >>> parse_folds("5"), parse_folds("none")
    (5, None)
    """
    return parse_count(text, "none", of="folds", low=LEAST_FOLDS, high=MOST_FOLDS)


def parse_duration(text: str) -> float:
    """Read a time in seconds, at most a year.

    Examples
    --------
    >>> parse_duration("90"), parse_duration("30m"), parse_duration("1h30m"), parse_duration("1.5h")
    (90.0, 1800.0, 5400.0, 5400.0)
    """
    cleaned = text.strip().lower()
    match = _TIME.fullmatch(cleaned)
    if not cleaned or match is None:
        raise ConfigError(f"{text!r} is not a time: write 90 or 90s, 30m, 2h or 1h30m")
    seconds = sum(float(count) * _SECONDS[unit] for unit, count in match.groupdict().items() if count)
    if not 0.0 < seconds <= _LONGEST:
        raise ConfigError(f"{text!r} must be greater than 0 and at most a year (8760h)")
    return seconds


def format_duration(seconds: float) -> str:
    """Write a time the way `parse_duration` reads it.

    Examples
    --------
    >>> format_duration(5400), format_duration(90), format_duration(0.5), format_duration(7200)
    ('1h30m', '1m30s', '0.5s', '2h')
    """
    if seconds < 60:
        return f"{seconds:g}s"
    hours, rest = divmod(round(seconds), 3600)
    counts = {"h": hours, "m": rest // 60, "s": rest % 60}
    return "".join(f"{count}{unit}" for unit, count in counts.items() if count)


def parse_memory(text: str) -> int:
    """Read an amount of memory in bytes; K, M, G and T are powers of 1024.

    Examples
    --------
    >>> parse_memory("512M"), parse_memory("2G") == parse_memory("2GiB") == parse_memory("2gb") == 2**31
    (536870912, True)
    """
    match = _AMOUNT.fullmatch(text.strip().lower())
    if match is None:
        raise ConfigError(f"{text!r} is not an amount of memory: write 512M, 2G or 2GiB")
    size = float(match[1]) * 1024.0 ** _POWERS[match[2]]
    if not 1 <= size < 2**60:
        raise ConfigError(f"{text!r} must be at least a byte and less than a million terabytes")
    return int(size)


def seconds(timeout: float | str) -> float:
    """Return the seconds of a timeout, given as text or as a number from 0 to infinity.

    Examples
    --------
    >>> seconds(0.5), seconds("10m")
    (0.5, 600.0)
    """
    timeout = plain(timeout)
    if isinstance(timeout, str):
        return parse_duration(timeout)
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout >= 0:
        raise ConfigError(f"timeout={timeout!r}: must be a number of seconds, at least 0")
    return float(timeout)


def whole_bytes(memory: int | str) -> int:
    """Return the bytes of an amount of memory, given as text or as a whole number from 1.

    Examples
    --------
    >>> whole_bytes(2**30), whole_bytes("2G")
    (1073741824, 2147483648)
    """
    given = plain(memory)
    if isinstance(given, str):
        return parse_memory(given)
    whole = int(given) if isinstance(given, float) and given.is_integer() else given  # 2e9
    check_count("memory", whole, high=2**63 - 1)
    return int(whole)


def format_number(value: float) -> str:
    """Write a number in the shortest form that reads back as the same number.

    Examples
    --------
    >>> format_number(0.5), format_number(1e-8), format_number(0.123456789), format_number(100)
    ('0.5', '1e-08', '0.123456789', '100')
    """
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))
