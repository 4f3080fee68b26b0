"""Figures as data: what is drawn, and nothing of how; `fastnet.report.drawing` draws them.

So the numbers behind a figure can be written next to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from numpy.typing import NDArray

from fastnet.config.metric import score_name
from fastnet.tuning.trial import TrialResult

Numbers: TypeAlias = Sequence[float] | NDArray[Any]

ROLES = ("training", "test", "training-before", "test-before", "training-other", "test-other")
"""What a series shows: the two accuracies or losses of what the figure is about, of the network without the remedy
next to it, and of a third thing. All others are distinguished by numbers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """Numbers drawn in one way.

    Parameters
    ----------
    label : str
        For the legend; empty for none.
    x, y : sequence of float
        Places; NaN leaves a gap, and so does what has no place: infinity, and 0 or less on a log axis.
    low, high : sequence of float or None
        Ends of the spread: a band round a line, bars at points.
    kind : {"line", "points", "both", "area"}
        Both is a line through points; an area is filled down to 0.
    role : str or int
        One of `ROLES`, or a number from 0 on.
    shades : sequence of float or None
        Colour of each point, see `Panel.shade_label`.
    """

    label: str
    x: Numbers
    y: Numbers
    low: Numbers | None = None
    high: Numbers | None = None
    kind: str = "line"
    role: str | int = 0
    shades: Numbers | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A part of a panel that is framed; ends in the units of its axes."""

    x: tuple[float, float]
    y: tuple[float, float]
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A horizontal line with its name."""

    y: float
    label: str
    role: str | int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """One pair of axes.

    Parameters
    ----------
    title, x_label, y_label : str
    series : sequence of Series
    x_scale, y_scale : {"linear", "log"}
    x_range, y_range : pair of float or None
        Ends of the axes, moved out where numbers lie beyond them; None, for both or the upper one, is what the numbers
        need.
    x_ticks : sequence of (float, str) or None
        Places and their names; None for numbers.
    rules : sequence of Rule
    boxes : sequence of Box
    legend : str
        Where Matplotlib puts the legend, such as "lower right"; "above" for next to the title; empty for none.
    shade_label : str
        Name of the colour scale; empty for none.
    """

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    x_scale: str = "linear"
    y_scale: str = "linear"
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float | None] | None = None
    x_ticks: Sequence[tuple[float, str]] | None = None
    rules: Sequence[Rule] = ()
    boxes: Sequence[Box] = ()
    legend: str = "best"
    shade_label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chart:
    """A figure of panels next to and below each other.

    Parameters
    ----------
    name : str
        Of its files.
    title, subtitle : str
        What is seen, and how it was measured.
    panels : sequence of Panel
    columns : int
        Panels in a row.
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
    """Which units of a network worked, several times.

    Parameters
    ----------
    name, title, subtitle : str
        See `Chart`.
    heads : sequence of str
        One for each picture.
    pictures : sequence of sequence of sequence of bool
        In each picture a column for each layer, in each column True for each unit that works.
    widths : sequence of int
        Units of each layer in all, of which the first are shown.
    """

    name: str
    title: str
    subtitle: str
    heads: Sequence[str]
    pictures: Sequence[Sequence[Sequence[bool]]]
    widths: Sequence[int]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as dicts and lists."""
        return _as_dict(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrialsChart:
    """The curves of the best trials of a search, see `fastnet.report.figures.best20_figure`.

    Parameters
    ----------
    name, title : str
        See `Chart`.
    trials : sequence of TrialResult
        The best first.
    """

    name: str
    title: str
    trials: Sequence[TrialResult]

    def to_dict(self) -> dict[str, Any]:
        """Return the curves of each trial."""
        trials = [
            {
                "trial": trial.id,
                "params": dict(trial.params),
                score_name("validation"): trial.validation_score,
                score_name("training"): trial.train_score,
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
