"""Which option belongs to a field of the library's configurations: the one place that knows where the names differ."""

from __future__ import annotations

import re

_OTHER_NAMES = {"folds": "--cv"}
_FIELDS = re.compile(r"\bdata_dir\b(?! =)|\bfolds(?==)")


def flag(name: str) -> str:
    """Return the option of a field.

    >>> flag("learning_rate"), flag("folds")
    ('--learning-rate', '--cv')
    """
    return _OTHER_NAMES.get(name, "--" + name.replace("_", "-"))


def with_options(message: str) -> str:
    """Write options for the fields that a message of the library names, where a user would not recognise them.

    >>> with_options("folds=1: must be at least 2"), with_options("give the folder as data_dir")
    ('--cv=1: must be at least 2', 'give the folder as --data-dir')
    """
    return _FIELDS.sub(lambda match: flag(match[0]), message)
