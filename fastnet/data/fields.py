"""What each column of a data set's features holds."""

from __future__ import annotations

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
