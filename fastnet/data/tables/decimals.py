"""Whether the numbers of a text file have a decimal point or a decimal comma."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

FEW_GROUPS = 5
"""Numbers such as 1,234 next to whole ones below 1000 from which a column shows that its commas separate thousands."""

_WITH_SIGN = {sign: re.compile(rf"[-+]?\d+[{sign}]\d+") for sign in ".,"}
_LIKE_GROUPS = {sign: re.compile(rf"[-+]?[1-9]\d{{0,2}}(?:[{sign}]\d{{3}})+") for sign in ".,"}
_WITH_BOTH = {".": re.compile(r"[-+]?\d{1,3}(?:,\d{3})+\.\d+"), ",": re.compile(r"[-+]?\d{1,3}(?:\.\d{3})+,\d+")}
_OTHER = {".": ",", ",": "."}
_BLANKS = re.compile("(?<=\\d)['’ \u00a0\u202f](?=\\d{3})")


class Sign(NamedTuple):
    """A decimal sign; whether some numbers show it; and whether some could have thousands instead."""

    sign: str
    decided: bool
    doubtful: bool


UNKNOWN = Sign(".", decided=False, doubtful=False)
"""Where no number has a sign."""


def decimal_of(rows: Sequence[Sequence[str]], delimiter: str = "") -> Sign:
    """Return the decimal sign of rows of texts.

    In 1,5, 0,125 or 1.234,5 a comma can only be a decimal sign, in 1,234,567 it can only separate thousands. 1,234 is
    either: in a column that has whole numbers below 1000 as well and no other digits after a comma, it is a thousand.
    What is left in doubt is a decimal comma, unless commas separate the values.

    Examples
    --------
    >>> decimal_of([["1,5"], ["12,25"]], ";").sign, decimal_of([["1,234,567"], ["1,234"]]).sign
    (',', '.')
    >>> decimal_of([["1,234"]], ";")
    Sign(sign=',', decided=False, doubtful=True)
    """
    evidence, doubtful = {".": 0, ",": 0}, {".": 0, ",": 0}
    for column in zip_longest(*rows, fillvalue=""):
        values = [_BLANKS.sub("", value.strip()) for value in column]
        small = any(value.isdecimal() and len(value) < 4 for value in values)
        for sign in ".,":
            signed = [value for value in values if sign in value]
            groups = [value for value in signed if _LIKE_GROUPS[sign].fullmatch(value)]
            others = sum(bool(_WITH_SIGN[sign].fullmatch(value)) for value in signed)
            others -= sum(value.count(sign) == 1 for value in groups)
            evidence[sign] += sum(bool(_WITH_BOTH[sign].fullmatch(value)) for value in signed)
            sure = any(value.count(sign) > 1 for value in groups) or (small and len(groups) >= FEW_GROUPS)
            if others:
                evidence[sign] += others
            elif sure:
                evidence[_OTHER[sign]] += len(groups)
            else:
                doubtful[sign] += len(groups)
    doubt = any(doubtful.values())
    if evidence["."] != evidence[","]:
        return Sign(max(evidence, key=lambda sign: evidence[sign]), decided=True, doubtful=doubt)
    comma = doubtful[","] > doubtful["."] and delimiter != ","
    return Sign("," if comma else ".", decided=False, doubtful=doubt)
