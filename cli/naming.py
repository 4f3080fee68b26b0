"""The options of the fields of the library's configurations; only this module knows where names differ."""

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
    """Replace field names in a message of the library by options, where a user would not recognise them.

    >>> with_options("folds=1: must be at least 2"), with_options("give the folder as data_dir")
    ('--cv=1: must be at least 2', 'give the folder as --data-dir')
    """
    return _FIELDS.sub(lambda match: flag(match[0]), message)
