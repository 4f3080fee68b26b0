"""The exceptions that fastnet raises for invalid input.

Values, arrays and files are checked where they enter: in `config`, in `data`, and by the readers of studies and models.
An error says in one sentence what was given, what is allowed and what to do. Below the edge nothing is checked again.
"""

from __future__ import annotations

import errno
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def on_one_line(text: str) -> str:
    r"""Write control characters and line breaks as escapes: names in a sentence may come from anybody's file.

    A terminal would carry out what stands after an escape character.

    Examples
    --------
    >>> on_one_line("no column 'a\nb'")
    "no column 'a\\x0ab'"
    """
    return _CONTROL.sub(
        lambda found: f"\\x{ord(found[0]):02x}" if found[0] < "\u0100" else f"\\u{ord(found[0]):04x}", text
    )


class FastnetError(ValueError):
    """Base class: invalid input, described in one sentence."""

    def __init__(self, sentence: object = "") -> None:
        super().__init__(on_one_line(str(sentence)))


class ConfigError(FastnetError):
    """A setting is out of range, unknown, or in conflict with another."""


class DataError(FastnetError):
    """A data set cannot be read or is not suitable for training."""


class StudyError(FastnetError):
    """A study cannot be opened or written, or belongs to other settings."""


class ModelError(FastnetError):
    """A model file cannot be read or written, or does not fit the data."""


class FastnetWarning(UserWarning):
    """fastnet went on, but perhaps not as intended: a note in one sentence, with the remedy.

    `warnings.warn` issues it, so Python can show it, filter it or turn it into an error; the command line prints it as
    a note on standard error.
    """


class MissingWarning(FastnetWarning):
    """A part of the result is missing, because it could not be made or written; the command line always prints it."""


_NO_ROOM = "make room and try again"
_NOT_ALLOWED = "check its permissions, or choose another place"
_REMEDIES = {
    "ENOSPC": _NO_ROOM,
    "EDQUOT": _NO_ROOM,
    "EFBIG": "the file system or a limit (ulimit -f) allows no larger file: choose another folder, or raise the limit",
    "EROFS": "choose a folder that can be written to",
    "EACCES": _NOT_ALLOWED,
    "EPERM": _NOT_ALLOWED,
    "EIO": "the disk or the connection to it fails: check it and try again",
    "EMFILE": "too many files are open: close some, or raise the limit (ulimit -n)",
    "ENFILE": "too many files are open: close some, or raise the limit of the system",
}


def remedy(error: OSError) -> str:
    """Return what to do about a failure of the file system, ready to follow its reason; empty if nobody knows.

    Examples
    --------
    >>> remedy(PermissionError(errno.EACCES, "Permission denied"))
    '; check its permissions, or choose another place'
    """
    known = _REMEDIES.get(errno.errorcode.get(error.errno or 0, ""))
    return "" if known is None else f"; {known}"


def warn(sentence: str, category: type[Warning] = FastnetWarning) -> None:
    """Issue a warning that points at the line outside fastnet that called it, however deep it arises."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_inside(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    warnings.warn(on_one_line(sentence), category, stacklevel=level)


def _is_inside(module: str) -> bool:
    """Whether a module is part of fastnet, or wraps the methods of its estimators."""
    return module.partition(".")[0] == "fastnet" or module.startswith("sklearn.callback")


@contextmanager
def failure_as_sentence(what: str) -> Iterator[None]:
    """Turn any exception of the block into a `FastnetError`, for libraries that may raise anything.

    `what` says what failed; the reason follows in parentheses.

    Examples
    --------
    >>> with failure_as_sentence("a.png: the picture cannot be drawn"):
    ...     import no_such_library
    Traceback (most recent call last):
    ...
    fastnet.errors.FastnetError: a.png: the picture cannot be drawn (No module named 'no_such_library')
    """
    try:
        yield
    except FastnetError:
        raise
    except Exception as error:
        said = error.strerror if isinstance(error, OSError) else next(iter(str(error).strip().splitlines()), "")
        kind = "" if said and isinstance(error, (OSError, ImportError)) else type(error).__name__
        advice = remedy(error) if isinstance(error, OSError) else ""
        raise FastnetError(f"{what} ({': '.join(filter(None, (kind, said)))}){advice}") from error


@contextmanager
def failure_as_warning(what: str) -> Iterator[None]:
    """Turn any exception of the block into a `MissingWarning`: an extra that fails must not cost the result it shows.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     with failure_as_warning("the picture cannot be drawn"):
    ...         1 / 0
    >>> print(caught[0].message)
    the picture cannot be drawn (ZeroDivisionError: division by zero)
    """
    try:
        with failure_as_sentence(what):
            yield
    except FastnetError as error:
        warn(str(error), MissingWarning)
