"""Figures as data, so that their numbers can be written next to them; `fastnet.report.drawing` draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from numpy.typing import NDArray

from fastnet.config.metric import score_name
from fastnet.tuning.trial import TrialResult

Numbers: TypeAlias = Sequence[float] | NDArray[Any]

ROLES = ("training", "test", "training-before", "test-before", "training-other", "test-other")
"""What a series shows: the accuracies or losses of the figure's subject, of the network without the remedy, and of a
third one. All other series are distinguished by numbers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """Numbers drawn in one way; NaN, infinity, and 0 or less on a log axis leave a gap."""

    label: str  # in the legend; empty for none
    x: Numbers
    y: Numbers
    low: Numbers | None = None  # ends of the spread: a band around a line, bars at points
    high: Numbers | None = None
    kind: str = "line"  # or "points", "both" (a line through points), "area" (filled down to 0)
    role: str | int = 0  # one of `ROLES`, or a number from 0
    shades: Numbers | None = None  # colour of each point, see `Panel.shade_label`


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A frame in a panel, in the units of its axes."""

    x: tuple[float, float]
    y: tuple[float, float]
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A horizontal line with a label."""

    y: float
    label: str
    role: str | int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """One pair of axes.

    The axes end at `x_range` and `y_range`, or further out if numbers lie beyond them; None fits the numbers.
    """

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    x_scale: str = "linear"  # or "log"
    y_scale: str = "linear"
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float | None] | None = None
    x_ticks: Sequence[tuple[float, str]] | None = None  # places and names; None for numbers
    rules: Sequence[Rule] = ()
    boxes: Sequence[Box] = ()
    legend: str = "best"  # Matplotlib's place of the legend; "above" for next to the title, empty for none
    shade_label: str = ""  # name of the colour scale; empty for none


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chart:
    """A figure of panels in rows and columns.

    `name` is that of its files, `title` says what it shows, `subtitle` how it was measured.
    """

    name: str
    title: str
    subtitle: str
    panels: Sequence[Panel]
    columns: int = 2

    def to_dict(self) -> dict[str, Any]:
        """Return everything as dicts and lists."""
        return _as_dict(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnitsChart:
    """The units of a network that are kept and dropped, in several pictures."""

    name: str
    title: str
    subtitle: str
    heads: Sequence[str]  # one for each picture
    pictures: Sequence[Sequence[Sequence[bool]]]  # in each a column for each layer, True for each unit kept
    widths: Sequence[int]  # units of each layer in all, of which the first are shown

    def to_dict(self) -> dict[str, Any]:
        """Return everything as dicts and lists."""
        return _as_dict(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrialsChart:
    """The curves of the trials of a search, best first, see `fastnet.report.figures.best20_figure`."""

    name: str
    title: str
    trials: Sequence[TrialResult]

    def to_dict(self) -> dict[str, Any]:
        """Return the curves of each trial."""
        trials = [
            {
                "trial": trial.id,
                "params": dict(trial.params),
                score_name("validation", trial.score): trial.validation_score,
                score_name("training", trial.score): trial.train_score,
                "train_scored": trial.train_scored,
            }
            for trial in self.trials
        ]
        return {"name": self.name, "title": self.title, "trials": trials}


Figure = Chart | UnitsChart | TrialsChart


def _as_dict(item: Any) -> dict[str, Any]:
    """Like `dataclasses.asdict`, which copies every number of an array."""
    return {field.name: _plain(getattr(item, field.name)) for field in fields(item)}


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)) and value and hasattr(value[0], "__dataclass_fields__"):
        return [_as_dict(part) for part in value]
    return value
