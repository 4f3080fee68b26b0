"""What each column of a data set's features holds."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """A column of `Dataset.x` that comes from a table.

    Attributes
    ----------
    name : str
        The name of the table's column; of a part of a date ``column.month``.
    kind : {"number", "ordered", "category", "boolean"}
        Numbers are values in their own unit less `offset`. The others are positions in `levels`, -1 for a value that is
        not among them. NaN means missing for all of them.
    column : str
        The table's column.
    levels : tuple of str
        Values of a category, the most frequent first; of an ordered one in their order; two of a boolean.
    offset : float
        What is subtracted from numbers before they are stored in float32; not 0 only where float32 would lose what
        distinguishes them.

    Examples
    --------
    >>> Field("colour", "category", "colour", ("red", "green")).levels
    ('red', 'green')
    """

    name: str
    kind: str
    column: str
    levels: tuple[str, ...] = ()
    offset: float = 0.0

    def shown(self, value: float) -> float | str | None:
        """Return a value of `Dataset.x` as the table has it: a number to five digits, or a level; None if missing.

        Examples
        --------
        >>> Field("colour", "category", "colour", ("red", "green")).shown(1.0)
        'green'
        """
        if math.isnan(value):
            return None
        if self.kind == "number":
            return float(f"{value + self.offset:.5g}")
        return self.levels[int(value)] if value >= 0 else "unseen"
