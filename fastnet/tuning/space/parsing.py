"""The text forms of ranges, such as ``log:1e-6:1e-2``."""

from __future__ import annotations

from collections.abc import Sequence

from fastnet.errors import ConfigError
from fastnet.tuning.space.distributions import Choice, Distribution, Int, LogInt, LogUniform, Uniform
from fastnet.tuning.space.names import Value

FORMS = "log:LO:HI, uniform:LO:HI, int:LO:HI, logint:LO:HI or choice:A,B,..."


def parse_distribution(text: str, kind: type[Value] | None = None) -> Distribution:
    """Read the text form of a distribution.

    Parameters
    ----------
    text : str
        ``log:LO:HI``, ``uniform:LO:HI``, ``int:LO:HI``, ``logint:LO:HI`` or ``choice:A,B,...``.
    kind : {float, int, str}, optional
        Type of the values of a choice; by default float if all of them are numbers, else str.

    Returns
    -------
    LogUniform, Uniform, Int, LogInt or Choice
        ``str()`` of it is the same text with numbers in their shortest spelling.

    Raises
    ------
    ConfigError
        If the form is unknown, a number cannot be read, or the range is impossible.

    Examples
    --------
    >>> parse_distribution("log:1e-6:1e-2")
    LogUniform(low=1e-06, high=0.01)
    >>> parse_distribution("choice:0,0.5"), parse_distribution("choice:sgd,adam")
    (Choice(values=(0.0, 0.5)), Choice(values=('sgd', 'adam')))
    """
    form, colon, rest = text.strip().partition(":")
    form = form.strip().lower()
    if not colon or form not in ("log", "uniform", "int", "logint", "choice"):
        raise ConfigError(f"write a range as {FORMS}")
    if form == "choice":
        return Choice(_read_choices(rest.split(","), kind))
    ends = rest.split(":")
    if len(ends) != 2:
        raise ConfigError(f"a range of the form {form} has two ends, written {form}:LO:HI")
    if form in ("int", "logint"):
        return (Int if form == "int" else LogInt)(*(_read_whole(end) for end in ends))
    return (LogUniform if form == "log" else Uniform)(*(_read_number(end) for end in ends))


def _read_choices(parts: Sequence[str], kind: type[Value] | None) -> tuple[Value, ...]:
    if kind is None:
        kind = float if all(_is_number(part) for part in parts) else str
    if kind is str:
        if not all(part.strip() for part in parts):
            raise ConfigError("a value of the choice is empty; write choice:A,B,... without an extra comma")
        return tuple(part.strip() for part in parts)
    return tuple(_read_whole(part) if kind is int else _read_number(part) for part in parts)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_number(text: str) -> float:
    if not _is_number(text):
        raise ConfigError(f"{text.strip()!r} is not a number; write a range as {FORMS}")
    return float(text)


def _read_whole(text: str) -> int:
    digits = text.strip()
    if not digits.removeprefix("-").isdecimal() or len(digits) > 20:  # int() refuses thousands of digits by itself
        raise ConfigError(f"{digits!r} is not a whole number; write digits alone, such as 64")
    return int(digits)
