"""How a table is read as a data set: which columns are predicted, from what, and which rows test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fastnet.errors import ConfigError

TASKS = ("auto", "classification", "regression", "multilabel")
NUMBERS = ("auto", "piecewise", "robust", "standard", "quantile")


@dataclass(frozen=True, slots=True)
class Reading:
    """How a table is to be read as a data set.

    Attributes
    ----------
    target : str, sequence of str or None
        Columns to be predicted.
    features, drop : sequence of str
        The only columns to predict them from, or columns not to use.
    weights, group, time : str or None
        Columns with the weight of a row, the group it belongs to, and when it happened.
    test : float, path, "none" or None
        Share of the rows that are the test set, a file of them, or no test set; by default a fifth of the rows.
    types : mapping of column to kind, or sequence of ``column=kind``
        See `fastnet.data.tables.columns.choices_of`.
    task : {"auto", "classification", "regression", "multilabel"}
    numbers : {"auto", "piecewise", "robust", "standard", "quantile"}
        See `Dataset.numbers`.

    Raises
    ------
    ConfigError
        If a choice is unknown, or the share is outside (0, 1).
    """

    target: str | Sequence[str] | None = None
    features: Sequence[str] = ()
    drop: Sequence[str] = ()
    weights: str | None = None
    group: str | None = None
    time: str | None = None
    test: float | str | Path | None = None
    types: Mapping[str, str] | Sequence[str] = ()
    task: str = "auto"
    numbers: str = "auto"

    def __post_init__(self) -> None:
        for name, choices in (("task", TASKS), ("numbers", NUMBERS)):
            if getattr(self, name) not in choices:
                raise ConfigError(f"{name}={getattr(self, name)!r}: choose one of {', '.join(choices)}")
        if isinstance(self.test, (bool, int, float)) and (isinstance(self.test, bool) or not 0.0 < self.test < 1.0):
            raise ConfigError(f"test={self.test!r}: must be a share in (0, 1), a file, or 'none'")


def reading_of(settings: Mapping[str, Any]) -> Reading:
    """Return the reading with the given fields.

    Raises
    ------
    ConfigError
        If a field is unknown, or its value.

    Examples
    --------
    >>> reading_of({"target": "price", "drop": ["id"]}).drop
    ['id']
    """
    from fastnet.config.settings import suggestion

    known = [field.name for field in fields(Reading)]
    unknown = next((name for name in settings if name not in known), None)
    if unknown is not None:
        near = suggestion(unknown, known) or f"; choose among {', '.join(known)}"
        raise ConfigError(f"unknown setting {unknown!r} of a table{near}")
    return Reading(**settings)
