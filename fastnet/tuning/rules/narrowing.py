"""Stages of a search: where the best trials of one stage lie, and which ranges the next stage searches.

Step 3 of section 6.5.2 of *Deep Learning from Scratch*, "look at the results and narrow the ranges", as a rule. Its
numbers are the constants below; docs/search.md explains it and gives the measurements.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

import numpy as np

from fastnet.config.metric import DEFAULT_METRIC
from fastnet.tuning.rules.chance import chance_of_at_least, chance_of_at_most, chance_of_unevenness
from fastnet.tuning.space.arithmetic import Floats
from fastnet.tuning.space.distributions import Choice, Distribution, Int, LogInt, LogUniform, Uniform, Values, text_of
from fastnet.tuning.space.names import Value, kind_of
from fastnet.tuning.space.space import Space
from fastnet.tuning.trial import TrialResult
from fastnet.tuning.view.columns import Columns

BEST_SHARE = 0.1
"""Share of a stage's trials that counts as its best."""

LEAST_BEST = 5
"""Least number of best trials; with fewer trials that reached a value, nothing is narrowed."""

LEFT_OUT = 0.1
"""Share of the best that may lie outside the new range at either end."""

MARGIN = 0.125
"""Margin at either end, as a share of the distance between the outermost of the best that count."""

CHOICE_SHARE = 1 / 3
"""Share of a stage's trials in which the values of a choice are counted; the best tenth is too small for that."""

LEVEL = 0.01
"""Chance alone narrows something in at most this share of all stages, and causes an alarm in at most this share."""

EDGES = (0.1, 0.2)
"""Outer parts of a range, on its own scale, in which the best are counted; the first is its edge in every table."""

SILENT_LEVEL = 0.2
"""A crowded edge does not alarm if none of the best is among the outermost trials, and chance has at most this
probability of leaving that many out: the best then become rarer before the border."""

LEAST_WIDTH = 0.1
"""Least width of a new range as a share of the old one, on its own scale, rounding included."""

LEAST_STEP, LONGEST_STEP = 0.25, 0.5
"""An alarming border moves out by the width of the narrowed range, within these shares of the old one."""

_SIDES, _PARTS, _BEYOND = ("lower", "upper"), ("tenth", "fifth"), ("below", "above")
_NARROW_FACTOR = 1.1  # a log range whose ends are closer than this is kept,
_NARROW_PART = 0.01  # as is a uniform one whose width is less than this share of its larger end


@dataclass(frozen=True, slots=True)
class Edge:
    """One end of a range in one stage.

    Parameters
    ----------
    border : float or int
        The end of the range in that stage.
    trials, best : int
        Number of trials, and of the best, in the outer tenth of the range.
    crowd : str
        How many of the best crowd which outer part: ``"6 of the 10 best lie in its upper fifth"``.
    chance : float
        Probability of that crowd if the place makes no difference; twice the smaller of those for the outer tenth and
        the outer fifth, because both are tested.
    alarm : bool
        Whether the best pile up there and the hyperparameter allows values beyond, which may be better.
    reached : bool
        Whether the range changed and still reaches this border, or goes beyond it.
    """

    border: float | int
    trials: int
    best: int
    crowd: str
    chance: float
    alarm: bool
    reached: bool


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What one stage does to the range of one hyperparameter.

    Parameters
    ----------
    name : str
        The hyperparameter.
    old, new : str
        The range before and after, in its text form; equal if it is kept.
    chance : float
        Probability that chance spreads the best as unevenly over the range of any hyperparameter of the space; 1 if not
        tested.
    best : int
        Number of best trials.
    low, high : Edge or None
        The ends of the old range; None for choices and with too few trials.
    words : str
        The decision with its reason and any warning, without a full stop at the end.
    """

    name: str
    old: str
    new: str
    chance: float
    best: int
    low: Edge | None
    high: Edge | None
    words: str

    @property
    def alarm(self) -> bool:
        """Whether the best pile up at one of its borders."""
        return any(edge is not None and edge.alarm for edge in (self.low, self.high))

    @property
    def narrowed(self) -> bool:
        """Whether the best lie so unevenly that the range was narrowed."""
        return self.chance <= LEVEL and self.old != self.new


@dataclass(frozen=True, slots=True)
class StageReport:
    """The result of one stage: its number from 1, its counts of trials and best trials, and the space of the next one.

    `ranges` has one entry for each hyperparameter, in the order of the space.
    """

    stage: int
    trials: int
    best: int
    space: Space
    ranges: tuple[Narrowing, ...]

    @property
    def alarms(self) -> tuple[str, ...]:
        """The names of the hyperparameters with an edge alarm."""
        return tuple(item.name for item in self.ranges if item.alarm)

    def to_dict(self) -> dict[str, Any]:
        """Return everything in dicts and lists of plain values, ready for JSON."""
        ranges = [asdict(item) for item in self.ranges]
        head = {"stage": self.stage, "trials": self.trials, "best": self.best, "space": self.space.to_texts()}
        return head | {"ranges": ranges}


def narrow(
    space: Space, trials: Columns | Iterable[TrialResult], *, metric: str = DEFAULT_METRIC, expand: bool = False
) -> StageReport:
    """Shrink each range to where the best trials of one stage lie, and report where they pile up at a border.

    The result depends on the arguments only, on every machine.

    Parameters
    ----------
    space : Space
        The space that the trials were drawn from.
    trials : Columns, or iterable of TrialResult
        All trials of the stage, in any order.
    metric : str
        The metric that ranks them if they are no columns, see `fastnet.tuning.trial.rank`.
    expand : bool
        Whether a border with an alarm moves outwards, as far as the hyperparameter allows. Otherwise every new range
        lies within the old one.

    Notes
    -----
    The best are the first tenth, at least 5. All distances are on the scale that the range is drawn on. A range is kept
    unless the best lie more unevenly over it than the other trials (Kuiper's test). If they do, the new range spans
    the best without a tenth of them at either end, plus an eighth of that distance on both sides. A choice loses the
    values that none of the best has and the better third avoids (hypergeometric tail, divided among the values). The
    alarm is a hypergeometric tail too.

    Examples
    --------
    >>> space = Space.parse({"learning_rate": "log:1e-6:1e-2"})
    >>> rates = [10 ** (-6 + 4 * i / 99) for i in range(100)]
    >>> curve = np.zeros((4, 1), np.float32)
    >>> trials = [TrialResult(i, "done", {"learning_rate": r}, r, r, 1, curve, 0.1) for i, r in enumerate(rates)]
    >>> report = narrow(space, trials)
    >>> report.space.to_texts(), report.alarms
    ({'learning_rate': 'log:0.0039:0.01'}, ('learning_rate',))
    """
    every = trials if isinstance(trials, Columns) else Columns.of(trials, metric)
    order = every.order()
    ranked = order[np.isfinite(every.value[order])]
    best = ranked[: max(LEAST_BEST, math.ceil(BEST_SHARE * len(every)))]
    others = np.flatnonzero(np.bincount(best, minlength=len(every)) == 0)
    better = ranked[: max(len(best), math.ceil(CHOICE_SHARE * len(every)))]
    asked = sum(len(set(distribution.extremes())) > 1 for distribution in space.distributions.values())
    made: dict[str, Distribution] = {}
    ranges = []
    for name, old in space.distributions.items():
        values = every.of_name(name)
        if len(best) < LEAST_BEST:
            few = f"kept: {len(best)} of {len(every)} trials reached a value; at least {LEAST_BEST} must"
            new, item = old, Narrowing(name, str(old), str(old), 1.0, len(best), None, None, few)
        elif isinstance(old, Choice):
            of_best, of_better = values[best].tolist(), values[better].tolist()
            new, item = _narrow_choice(name, old, of_best, of_better, values.tolist(), asked)
        else:
            new, item = _narrow_range(name, old, values[best], values[others], asked, expand)
        made[name] = new
        ranges.append(item)
    stage = int(every.stage.max()) if len(every) else 1
    return StageReport(stage, len(every), len(best), Space(made), tuple(ranges))


def _narrow_range(
    name: str, old: Any, best: Values, others: Values, asked: int, expand: bool
) -> tuple[Distribution, Narrowing]:
    """Narrow a range with two ends."""
    good, rest = old.position(best), old.position(others)
    chance = min(1.0, asked * chance_of_unevenness(good, rest))
    low, high = (_edge(name, old, side, good, rest) for side in (0, 1))
    low_u, high_u = 0.0, 1.0
    if chance <= LEVEL and not _is_narrow(old):
        low_u, high_u = _around(good)
        # Between the last of the best and an alarming border there are too few trials to cut that part off.
        low_u, high_u = 0.0 if low.alarm else low_u, 1.0 if high.alarm else high_u
    step = min(max(high_u - low_u, LEAST_STEP), LONGEST_STEP)
    wide_u = (-step if expand and low.alarm else low_u, 1.0 + step if expand and high.alarm else high_u)
    new = old if wide_u == (0.0, 1.0) else _part(name, old, *wide_u)
    low, high = (replace(edge, reached=_reaches(edge.border, old, new, side)) for side, edge in enumerate((low, high)))
    words = "; ".join([_what(old, new, chance), *_warnings(name, new, low, high)])
    return new, Narrowing(name, str(old), str(new), chance, len(good), low, high, words)


def _narrow_choice(
    name: str, old: Choice, best: Sequence[Value], better: Sequence[Value], every: Sequence[Value], asked: int
) -> tuple[Distribution, Narrowing]:
    """Remove the values of a choice that the better third avoids, except those that any of the best has."""
    n = len(old.values)
    drawn, total = len(better), len(every)
    chances = {
        value: asked * n * chance_of_at_most(better.count(value), drawn=drawn, marked=every.count(value), total=total)
        for value in old.values
    }
    gone = [value for value in old.values if chances[value] <= LEVEL and value not in best]
    new = Choice(tuple(value for value in old.values if value not in gone))
    words = "has one value" if n == 1 else "kept: the best do not clearly avoid any of its values"
    if gone:
        counts = (f"{text_of(value)} ({better.count(value)} of the best {drawn})" for value in gone)
        words = f"without {', '.join(counts)}, which none of the best {len(best)} has"
    chance = min(1.0, min(chances.values())) if gone or n > 1 else 1.0
    return new, Narrowing(name, str(old), str(new), chance, len(best), None, None, words)


def _around(good: Floats) -> tuple[float, float]:
    """Return the part of the range where the best lie, with a margin: two numbers in [0, 1]."""
    ordered = np.sort(good)
    out = int(LEFT_OUT * len(ordered))
    low, high = float(ordered[out]), float(ordered[-1 - out])
    margin = MARGIN * (high - low)
    low, high = low - margin, high + margin
    lacking = max(0.0, LEAST_WIDTH - (high - low)) / 2
    low, high = low - lacking, high + lacking
    if low < 0.0:
        high = max(high, min(LEAST_WIDTH, 1.0))
    if high > 1.0:
        low = min(low, max(1.0 - LEAST_WIDTH, 0.0))
    return max(0.0, low), min(1.0, high)


def _edge(name: str, old: Any, side: int, good: Floats, rest: Floats) -> Edge:
    """Count the best at one border; the edge of a range of whole numbers has at least one number."""
    border = (old.low, old.high)[side]
    last = abs(side - float(old.position([border])[0]))
    good, rest = np.abs(side - good), np.abs(side - rest)  # distances from the border
    total = len(good) + len(rest)
    counts, chances = [], []
    for part in EDGES:
        width = max(part, last) + 1e-9
        found = int(np.count_nonzero(good <= width))
        counts.append((found + int(np.count_nonzero(rest <= width)), found))
        chances.append(chance_of_at_least(found, drawn=len(good), marked=counts[-1][0], total=total))
    chance = min(1.0, len(EDGES) * min(chances))
    part = chances.index(min(chances))
    crowd = f"{counts[part][1]} of the {len(good)} best lie in its {_SIDES[side]} {_PARTS[part]}"
    outside = int(np.count_nonzero(rest < good.min()))
    spared = chance_of_at_most(0, drawn=outside, marked=counts[-1][1], total=max(counts[-1][0], outside))
    alarm = chance <= LEVEL and spared > SILENT_LEVEL and not _is_limit(name, border, side)
    return Edge(border, *counts[0], crowd, chance, alarm, False)


def _part(name: str, old: Any, low_u: float, high_u: float) -> Distribution:
    """Return a part of a range or an extension of it, within the allowed values, in few digits, with at least two."""
    if isinstance(old, (Int, LogInt)):
        new: Any = old.between(low_u, high_u)
        if isinstance(new, Choice):
            value = int(new.values[0])
            new = type(old)(max(old.low, value - 1), min(old.high, value + 1))
    else:
        new = _rounded_outwards(old.between(low_u, high_u))
    low = old.low if low_u == 0 else max(new.low, _limit(name, old.low, 0) if low_u < 0 else old.low)
    high = old.high if high_u == 1 else min(new.high, _limit(name, old.high, 1) if high_u > 1 else old.high)
    made: Distribution = replace(new, low=low, high=high)
    return made


def _rounded_outwards(new: Any) -> Any:
    """Round the ends of a range outwards to the fewest digits, at least two, that widen it by less than a twentieth."""
    for digits in range(2, 6):
        low, high = _rounded(new.low, digits, ROUND_FLOOR), _rounded(new.high, digits, ROUND_CEILING)
        if isinstance(new, Uniform):
            wider = (high - low) / (new.high - new.low)
        elif low > 0:
            wider = math.log(high / low) / math.log(new.high / new.low)
        if wider < 1.05:
            return replace(new, low=low, high=high)
    return new


def _rounded(value: float, digits: int, rounding: str) -> float:
    return float(Context(prec=digits, rounding=rounding).create_decimal(Decimal(repr(value))))


def _limit(name: str, border: float, side: int) -> float:
    """Return how far a border can move: to the hyperparameter's limit, or most of the way to 1 if 1 is excluded."""
    kind = kind_of(name)
    limit = (kind.low, kind.high)[side]
    if side == 1 and kind.type is float and limit < 1.0:
        return max(border, round(border + 0.9 * (1.0 - border), 6))
    return limit


def _is_limit(name: str, border: float, side: int) -> bool:
    return border <= kind_of(name).low if side == 0 else border >= kind_of(name).high


def _is_narrow(old: Any) -> bool:
    if isinstance(old, LogUniform):
        return bool(old.high <= old.low * _NARROW_FACTOR)
    if isinstance(old, Uniform):
        return old.high - old.low <= _NARROW_PART * max(abs(old.low), abs(old.high))
    return bool(old.high - old.low <= 1)


def _reaches(border: float, old: Any, new: Any, side: int) -> bool:
    if new == old:
        return False
    return bool(new.low <= border) if side == 0 else bool(new.high >= border)


def _what(old: Any, new: Any, chance: float) -> str:
    if new.low < old.low or new.high > old.high:
        return "moved to where the best lie and widened"
    if new != old:
        return "narrowed to where the best lie"
    if chance > LEVEL:
        return "kept: the best are spread as evenly as the other trials"
    return "kept: narrow enough" if _is_narrow(old) else "kept: the best lie over nearly all of it"


def _warnings(name: str, new: Any, low: Edge, high: Edge) -> Iterable[str]:
    """Describe each border where the best pile up."""
    for side, edge in enumerate((low, high)):
        border = text_of(edge.border)
        moved = new.low < edge.border if side == 0 else new.high > edge.border
        if edge.alarm:
            beyond = f"{_BEYOND[side]} {border}"
            yield f"{edge.crowd}, " + (f"so it is extended {beyond}" if moved else f"try values {beyond} too")
        elif edge.chance <= LEVEL and _is_limit(name, edge.border, side):
            yield f"{edge.crowd}, but {border} is its limit"
        elif edge.reached:
            yield f"it still ends at {border}"
