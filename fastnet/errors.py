"""The one family of exceptions that fastnet raises for what a user gave it.

Everything that can be wrong with a value, an array or a file is found at the edge (`config`, `data`, the readers of
studies and models) and raised as one of these, with a sentence that says what was given, what is allowed and what to
do. Below the edge nothing is checked again.
"""

from __future__ import annotations

import sys
import warnings


class FastnetError(ValueError):
    """Base class: a mistake in what the user gave, told in one sentence."""


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
