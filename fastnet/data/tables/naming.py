"""Names of columns as people mean them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_UNSEEN = "\ufeff\u200b\u200c\u200d\u200e\u200f\u2060\u00ad"
"""Characters of no width that files have at the ends of names: byte order marks, joiners, marks of direction."""


def plain_name(name: str) -> str:
    r"""Return a name in the composed form of Unicode, without characters of no width at its ends.

    Letters with an accent can be written in two ways that look the same; systems differ in which one they write.

    Examples
    --------
    >>> plain_name("cafe\u0301") == "caf\u00e9", plain_name("\ufeffage")
    (True, 'age')
    """
    return unicodedata.normalize("NFC", name).strip(_UNSEEN)


def plain_names(names: Sequence[str]) -> tuple[str, ...]:
    r"""Return names in their plain form, or all of them as they are if two would be the same.

    Examples
    --------
    >>> plain_names(["\u200bage", "city"]), plain_names(["\u200bage", "age"])
    (('age', 'city'), ('\u200bage', 'age'))
    """
    plain = tuple(map(plain_name, names))
    return plain if len(set(plain)) == len(plain) else tuple(names)
