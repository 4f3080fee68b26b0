"""The options of the fields of the library's configurations; only this module knows where names differ."""

from __future__ import annotations

import re

_OTHER_NAMES = {"folds": "--cv"}
_WORDS = [
    (re.compile(pattern), option)
    for pattern, option in (
        (r"\bdata_dir\b(?! =)", "--data-dir"),
        (r"\bfolds(?==)", "--cv"),
        (r"^(target|features|drop|weights|group|time|types|test|task|numbers)(?=: | is given for )", r"--\1"),
        (r"^(task|test|numbers)='?([^']+?)'?(?=: )", r"--\1=\2"),
        (r"\bas (target|features|drop|weights)\b", r"as --\1"),
        (r"\bas the (group|time)\b|\bas (group|time)(?=;)", r"as --\1\2"),
        (r"\bdrop (it|them)\b", r"drop \1 (--drop)"),
        (r"\bin types\b", "by --types"),
        (r"; give data$", "; give --data"),
        (r"\bthe task '(\w+)'", r"--task \1"),
        (r"\bnumbers='standard'", r"--numbers standard"),
    )
]


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
    >>> with_options("task='regression': churn holds no numbers"), with_options("choose the task 'regression'")
    ('--task=regression: churn holds no numbers', 'choose --task regression')
    """
    for pattern, option in _WORDS:
        message = pattern.sub(option, message)
    return message
