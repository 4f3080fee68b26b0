"""The one family of exceptions that fastnet raises for what a user gave it.

Everything that can be wrong with a value, an array or a file is found at the edge (`config`, `data`, the readers of
studies and models) and raised as one of these, with a sentence that says what was given, what is allowed and what to
do. Below the edge nothing is checked again.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class FastnetError(ValueError):
    """Base class: a mistake in what the user gave, described in one sentence."""


class ConfigError(FastnetError):
    """A setting is impossible: out of its range, unknown, or at odds with another."""


class DataError(FastnetError):
    """A data set cannot be read or is not fit to be learnt from."""


class StudyError(FastnetError):
    """A study file cannot be opened, belongs to other settings, or cannot be written."""


class ModelError(FastnetError):
    """A model file cannot be read, written, or does not fit the data it is asked about."""


class FastnetWarning(UserWarning):
    """What went on, and may not be what the user meant: a note in one sentence, with the way out.

    Issued by `warnings.warn`, so that Python shows it, filters it or turns it into an error as the user likes; the
    command line prints it as a note on standard error.
    """


def warn(sentence: str) -> None:
    """Issue a `FastnetWarning` that points at the caller's line, however deep in the library it arises."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "fastnet":
        level, frame = level + 1, frame.f_back
    warnings.warn(sentence, FastnetWarning, stacklevel=level)


@contextmanager
def failure_as_sentence(what: str) -> Iterator[None]:
    """Turn whatever goes wrong inside the block into a `FastnetError`: for libraries that may raise anything.

    Parameters
    ----------
    what : str
        What cannot be done, such as "a.png: the picture cannot be drawn"; the reason follows in parentheses.

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
        raise FastnetError(f"{what} ({': '.join(filter(None, (kind, said)))})") from error


@contextmanager
def failure_as_warning(what: str) -> Iterator[None]:
    """Turn whatever goes wrong inside the block into a `FastnetWarning`: for what comes on top of a result.

    A picture or a report that fails must not cost the model or the study that it shows.

    Parameters
    ----------
    what : str
        As for `failure_as_sentence`.

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
        warn(str(error))
