"""Cells of a table as values: what is missing, numbers and dates written as text, and the text of a level."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

MISSING = frozenset(
    (
        *("", "?", "na", "n/a", "nan", "-nan", "null", "none", "nil", "-", "--", ".", "missing", "<na>", "nat", "\\n"),
        *("#n/a", "#na", "#n/a n/a", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!"),
        *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "0000-00-00", "0000-00-00 00:00:00"),
    )
)
"""Texts, in lower case, that stand for a missing value: those that people write, and those of spreadsheets, databases
and compilers."""

TRUTHS = (frozenset(("0", "false", "f", "no", "n", "off")), frozenset(("1", "true", "t", "yes", "y", "on")))
"""Texts, in lower case, that mean false, and those that mean true."""

ISO = "ISO 8601"
"""Name of the format of dates that `datetime.fromisoformat` reads."""

DATE_FORMATS = (
    *(ISO, "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y-%m", "%d.%m.%Y", "%d.%m.%Y %H:%M"),
    *("%d/%m/%Y", "%m/%d/%Y", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S"),
    *("%d-%m-%Y", "%b-%Y", "%b %Y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y", "%d %B %Y"),
)

_ZONE = re.compile(r":\d\d(\.\d+)?\s?(Z|[-+]\d\d:?\d\d)$")
_PLAIN = r"^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$"
_GROUPS = r"^[^\d.]*\d{1,3}(\.\d{3})+(,\d*)?[^\d.]*$"
_DECORATED = (
    r"^[-+]?[$€£¥]?[\s\x{a0}\x{202f}]?[-+]?(\d{1,3}([,'’ \x{a0}\x{202f}]\d{3})+|\d+)(\.\d*)?"
    r"[\s\x{a0}\x{202f}]?[%€$£]?$"
)
_DECORATION = r"[$€£¥%,'’\s\x{a0}\x{202f}+]"
_INFINITE = r"(?i)^[-+]?(inf|infinity|∞|1\.#inf)$"


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of Arrow's holds text."""
    import pyarrow as pa

    views = getattr(pa.types, "is_string_view", None)  # in newer versions
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or bool(views and views(kind))


def plain(values: pa.Array, name: str) -> pa.Array:
    """Return values of a type that cells can have: text, numbers, truth values or dates; null where one is missing.

    Raises
    ------
    DataError
        If the column has values of another type.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if is_text(kind):
        texts = pc.utf8_trim_whitespace(values.cast(pa.string()))
        lost = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(sorted(MISSING)))
        return pc.if_else(lost, pa.scalar(None, pa.string()), texts)
    if pa.types.is_decimal(kind) and kind.scale == 0 and kind.precision > 15:
        return values.cast(pa.string())  # as float64 they could be equal
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = values.cast(pa.float64())
        return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return values.cast(pa.timestamp("s", getattr(kind, "tz", None)), safe=False).cast(pa.timestamp("s"))
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return values
    if pa.types.is_null(kind):
        return values.cast(pa.string())
    raise DataError(
        f"column {name!r} has values of type {kind}; text, numbers, truth values and dates can be used: drop the "
        "column, or convert it"
    )


def numbers_of(values: pa.Array, decimal: str = ".") -> NDArray[np.float64]:
    """Read plain values as numbers, texts also with thousands separated, a currency or a percent sign.

    Returns
    -------
    ndarray, shape (N,)
        NaN for what is missing or no number.

    Examples
    --------
    >>> import pyarrow as pa
    >>> numbers_of(pa.array(["1.5", "$2,000", "x", None]))
    array([1.5e+00, 2.0e+03,     nan,     nan])
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not is_text(values.type):
        found: NDArray[np.float64] = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return np.where(np.isfinite(found), found, np.nan)
    text = values
    if decimal == ",":
        groups = pc.match_substring_regex(text, _GROUPS)  # 1.234,5 but neither 1.5 nor the date 28.05.2022
        text = pc.replace_substring(pc.if_else(groups, pc.replace_substring(text, ".", ""), text), ",", ".")
    sound = pc.match_substring_regex(text, _PLAIN)
    if pc.any(pc.invert(sound)).as_py():
        if pc.any(pc.match_substring(text, "\u2212")).as_py():  # the minus sign of typeset numbers
            text = pc.replace_substring(text, "\u2212", "-")
            sound = pc.match_substring_regex(text, _PLAIN)
        decorated = pc.and_(pc.match_substring_regex(text, _DECORATED), pc.invert(sound))
        text = pc.if_else(decorated, pc.replace_substring_regex(text, _DECORATION, ""), text)
        sound = pc.or_(sound, decorated)
    text = pc.if_else(sound, pc.replace_substring_regex(text, r"^\+", ""), pa.scalar(None, pa.string()))
    made: NDArray[np.float64] = text.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(made), made, np.nan)


def infinite_in(values: pa.Array) -> pa.Array:
    """Return which texts are infinite numbers: those that say so, or are too large for float64.

    Examples
    --------
    >>> import pyarrow as pa
    >>> infinite_in(pa.array(["-inf", "1e999", "7", "information"])).to_pylist()
    [True, True, False, False]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    huge = pc.and_(pc.match_substring_regex(values, _PLAIN), pc.match_substring_regex(values, r"[eE]\+?\d{3,}$"))
    if pc.any(huge).as_py():
        endless = pc.is_inf(pc.if_else(huge, values, "0").cast(pa.float64()))
        return pc.or_(pc.match_substring_regex(values, _INFINITE), endless)
    return pc.match_substring_regex(values, _INFINITE)


def truths_of(levels: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Return texts in lower case with the position of the level that each means, of the two levels of a boolean.

    Levels such as yes and no, or true and false, are also meant by the other texts of `TRUTHS`.

    Examples
    --------
    >>> dict(truths_of(["No", "Yes"]))["true"], truths_of(["f", "m"])
    (1.0, (('f', 0.0), ('m', 1.0)))
    """
    lower = [level.lower() for level in levels]
    places = {text: float(place) for place, text in enumerate(lower)}
    sides = [next((k for k, texts in enumerate(TRUTHS) if text in texts), None) for text in lower]
    if sorted(sides, key=str) == [0, 1]:
        for text in sorted(TRUTHS[0] | TRUTHS[1]):
            places.setdefault(text, float(sides.index(int(text in TRUTHS[1]))))
    return tuple(places.items())


def seconds_of(values: pa.Array, formats: Sequence[str]) -> NDArray[np.float64]:
    """Read plain values as dates: Unix time in seconds, each in the first format that fits; NaN for what is none."""
    import pyarrow as pa

    if pa.types.is_timestamp(values.type):
        found: NDArray[np.float64] = (
            values.cast(pa.int64()).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        )
        return found
    if not is_text(values.type):
        return np.full(len(values), np.nan)
    coded = values.dictionary_encode()
    known = np.array([*(date_of(text, formats) for text in coded.dictionary.to_pylist()), np.nan])
    made: NDArray[np.float64] = known[coded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)]
    return made


def zoned_in(values: pa.Array) -> bool | None:
    """Whether dates have a time zone, judged by the first ones; None if they have no time, or there are none.

    Examples
    --------
    >>> import pyarrow as pa
    >>> zoned_in(pa.array(["2024-05-01T10:00+02:00"])), zoned_in(pa.array(["2024-05-01"])) is None
    (True, True)
    """
    import pyarrow as pa

    if pa.types.is_timestamp(values.type):
        return values.type.tz is not None
    if not is_text(values.type):
        return None
    timed = [text for text in values.drop_null()[:100].to_pylist() if ":" in text]
    return any(_ZONE.search(text.strip()) for text in timed) if timed else None


def date_of(text: str, formats: Sequence[str]) -> float:
    """Read a date as Unix time in seconds, in the first format that fits; NaN if none does.

    Examples
    --------
    >>> date_of("1970-01-02", [ISO]), date_of("02/01/1970", ["%d/%m/%Y"])
    (86400.0, 86400.0)
    """
    for each in formats:
        try:
            when = datetime.fromisoformat(text) if each == ISO else datetime.strptime(text, each)
        except ValueError:
            continue
        if each != ISO or "-" in text:  # eight digits are a number
            return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    return np.nan


def formats_of(texts: Sequence[str], share: float) -> tuple[str, ...]:
    """Return the fewest formats, of `DATE_FORMATS`, in which at least that share of texts are dates; empty if none are.

    Examples
    --------
    >>> formats_of(["2024-05-01", "2024-05-02", "13.05.2024"], 1.0)
    ('ISO 8601', '%d.%m.%Y')
    """
    chosen: list[str] = []
    rest = list(texts)
    while rest and len(chosen) < 3:
        mixed = {other_way(each) for each in chosen}
        fits = {each: sum(_is_date(text, each) for text in rest) for each in DATE_FORMATS if each not in mixed}
        best = max(fits, key=lambda each: fits[each])
        if not fits[best]:
            break
        chosen.append(best)
        rest = [text for text in rest if not _is_date(text, best)]
        if not chosen[1:] and fits[best] < 0.2 * len(texts):
            return ()
        if len(rest) <= (1.0 - share) * len(texts):
            return tuple(chosen)
    return ()


def other_way(each: str) -> str:
    """Return a format of dates with day and month the other way round; itself if that is no question."""
    return each.replace("%d/%m", "%m/%d") if "%d/%m" in each else each.replace("%m/%d/%Y", "%d/%m/%Y")


def _is_date(text: str, each: str) -> bool:
    return not np.isnan(date_of(text, [each]))


def levels_of(values: pa.Array) -> pa.Array:
    """Return plain values as the texts of levels; whole numbers have no decimal point, whatever their type.

    Examples
    --------
    >>> import pyarrow as pa
    >>> levels_of(pa.array([1.0, 2.5, None])).to_pylist()
    ['1', '2.5', None]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if is_text(values.type):  # some programs write whole numbers with a point
        return pc.replace_substring_regex(values, r"^([-+]?\d+)\.0+$", r"\1")
    if not pa.types.is_floating(values.type):
        return values.cast(pa.string())
    coded = pc.dictionary_encode(values)
    texts = pa.array([_level_text(value) for value in coded.dictionary.to_pylist()], pa.string())
    return texts.take(coded.indices)


def _level_text(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def order_of(levels: Iterable[str]) -> tuple[str, ...]:
    """Return levels in an order that their names show; empty if there is none.

    Examples
    --------
    >>> order_of(["High", "low", "Medium"])
    ('low', 'Medium', 'High')
    """
    words = {level: re.sub(r"[\s_-]+", " ", level.strip().lower()) for level in levels}
    for order in ORDERS:
        places = {level: order.get(word) for level, word in words.items()}
        if None not in places.values() and len(set(places.values())) == len(places):
            return tuple(sorted(places, key=lambda level: order[words[level]]))
    return ()


ORDERS = tuple(
    {name: place for place, names in enumerate(order.split(", ")) for name in names.split("/")}
    for order in (
        "never, rarely, sometimes, often/frequently, always",
        "very low, low, medium/moderate/middle/mid, high, very high",
        "very small/xs, small/s, medium/m, large/l, very large/xl, xxl",
        "very poor, poor, fair, below average, average/typical/normal, above average, good, very good, premium, "
        "very excellent/excellent/ideal",
        "strongly disagree, disagree, neutral, agree, strongly agree",
        "jan/january, feb/february, mar/march, apr/april, may, jun/june, jul/july, aug/august, sep/sept/september, "
        "oct/october, nov/november, dec/december",
        "mon/monday, tue/tuesday, wed/wednesday, thu/thursday, fri/friday, sat/saturday, sun/sunday",
        "i3, i2, i1, si2, si1, vs2, vs1, vvs2, vvs1, if, fl",
    )
)
"""Orders of categories that are known by their names, in lower case with blanks for other separators."""
