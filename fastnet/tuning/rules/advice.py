"""What a search recommends at its end: how many of the best trials train smoothly, and which ranges to search next.

Section 6.5.3 of *Deep Learning from Scratch* describes its picture of the twenty best trials in these words. Here they
follow from rules, so that they claim no more than the trials show.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.config.metric import DEFAULT_METRIC, METRICS, Metric, sign
from fastnet.tuning.rules.narrowing import LEVEL, Narrowing, StageReport, narrow
from fastnet.tuning.space.distributions import Choice, Distribution, text_of
from fastnet.tuning.space.space import Space
from fastnet.tuning.trial import TrialResult, curve_of, rank
from fastnet.tuning.view.columns import Columns

LOOKED_AT = 20
"""Trials that are judged: those of the picture."""

LEAST_RISE = 7 / 8
"""Smooth training ends with at least this share of the validation score of Best-1,"""

WORST_SETBACK = 0.1
"""never falls by more than this below an earlier validation score,"""

LEAST_FALL = 1 / 4
"""and lowers its training loss by at least this share after the first epoch, unless half of the samples are right. An
error is the smaller the better: the first two are turned around and relative, and the last does not apply, because the
first epoch can already learn most."""

LEAST_EPOCHS = 3
"""Curves of fewer epochs are not judged."""

LATE, LATE_TRIALS, LEAST_GAIN = 0.8, 5, 0.01
"""The share of the epochs after which the metric is compared with its end, the number of best trials it is compared in,
and the least median gain with which more epochs are recommended; of an error, relative."""

ENOUGH_BEST = 10
"""With at least this number of best trials in a stage, no visible effect means little effect."""


@dataclass(frozen=True, slots=True)
class RecommendedRange:
    """What a search found out about one hyperparameter.

    `range` is the text form of the range to search next, `words` the finding as part of a sentence. `effect` is
    ``clear`` if the best lie in a part of the range or pile up at its border, ``little`` if they lie over all of it,
    ``unknown`` with too few trials, and ``fixed`` with a single value.
    """

    name: str
    range: str
    effect: str
    words: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What a search recommends.

    Parameters
    ----------
    space : Space
        The ranges to search next, all within those that were tried.
    smooth : int
        Number of the best trials that train smoothly, counted from Best-1 without a gap.
    looked_at : int
        Number of trials that were judged, at most 20.
    ranges : tuple of RecommendedRange
        One for each hyperparameter, in the order of the space.
    warnings : tuple of str
        Sentences on borders beyond which better values may lie.
    words : str
        The recommendation in words.
    """

    space: Space
    smooth: int
    looked_at: int
    ranges: tuple[RecommendedRange, ...]
    warnings: tuple[str, ...]
    words: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything in dicts and lists of plain values, ready for JSON."""
        head = {"words": self.words, "smooth": self.smooth, "looked_at": self.looked_at}
        ranges = [asdict(item) for item in self.ranges]
        return head | {"space": self.space.to_texts(), "ranges": ranges, "warnings": list(self.warnings)}


def recommend(
    space: Space,
    trials: Columns | Iterable[TrialResult],
    metric: str = DEFAULT_METRIC,
    *,
    expand: bool = False,
    best: Sequence[TrialResult] | None = None,
) -> Recommendation:
    """Recommend which ranges to search next, those that `narrowing.narrow` makes of the last stage, never expanded.

    Parameters
    ----------
    space : Space
        The space of the first stage.
    trials : Columns, or iterable of TrialResult
        All trials of the search.
    metric : str
        The metric that ranks them if they are no columns.
    expand : bool
        Whether the search moved alarming borders outwards between its stages.
    best : sequence of TrialResult, optional
        The best trials with their curves, if those in `trials` have none, as columns do not.

    Notes
    -----
    A trial trains smoothly if it ran to its end, learnt (its training loss fell by a quarter after the first epoch, or
    it predicts half of the training samples in the end), reached at least 7/8 of the validation score of Best-1, and
    never fell by more than 0.1 below an earlier score. Where the score is an error of numbers, a trial trains smoothly
    if it ran to its end, reached at most 8/7 of the error of Best-1, and never rose by more than a tenth above an
    earlier error.

    Examples
    --------
    >>> space = Space.parse({"learning_rate": "log:1e-6:1e-2"})
    >>> values = [10 ** (-6 + 4 * i / 99) for i in range(100)]
    >>> rise = np.linspace(0.1, 1, 10, dtype=np.float32)
    >>> curves = [np.stack([1 - a * rise, a * rise, 1 - a * rise, a * rise]) for a in np.linspace(0, 0.9, 100)]
    >>> trials = [
    ...     TrialResult.from_curves(i, "done", {"learning_rate": values[i]}, curves[i], seconds=0.1) for i in range(100)
    ... ]
    >>> recommendation = recommend(space, trials)
    >>> recommendation.smooth, recommendation.ranges[0].words
    (13, 'learning rate 0.0039 to 0.01')
    >>> print(recommendation.warnings[0].partition(":")[0])
    Values of learning rate above 0.01 were not tried and may be better
    """
    if not isinstance(trials, Columns):
        trials = tuple(trials)
        best = rank(trials, metric) if best is None else best
        trials = Columns.of(trials, metric)
    reports = _replayed(space, trials, expand)
    shown = tuple(best or ())[:LOOKED_AT]
    smooth, training = _smoothness(shown)
    if len(trials) and not shown:
        training = "Every trial diverged: search with lower learning rates"
    final = reports[-1].space if reports else space
    ranges = tuple(
        _recommended(name, distribution, [report.ranges[place] for report in reports])
        for place, (name, distribution) in enumerate(final.distributions.items())
    )
    warnings = tuple(
        text for place in range(len(ranges)) for text in _warnings([(r.stage, r.ranges[place]) for r in reports])
    )
    words = "; ".join([training, *_summaries(ranges)]) + "."
    words = " ".join([words, *warnings])
    return Recommendation(final, smooth, len(shown), ranges, warnings, words)


@dataclass(frozen=True, slots=True)
class NextRound:
    """The most promising next search: ``wider`` beyond a border, ``narrower`` around the best, or ``longer``."""

    way: str
    ranges: dict[str, str]
    epochs: int


def next_round(report: StageReport, best: Sequence[TrialResult], metric: str, epochs: int) -> NextRound | None:
    """Return the most promising next search, or None if another round promises little.

    It is wider if a border alarms and can move; else narrower if a range narrowed; else twice as long if the median of
    the best still gains `LEAST_GAIN` in the last fifth of the epochs.

    Parameters
    ----------
    report : StageReport
        The report of the last stage, expanded.
    best : sequence of TrialResult
        The best trials, with their curves.
    metric : str
        The metric that ranks them.
    epochs : int
        Epochs of a trial.

    Examples
    --------
    >>> space = Space.parse({"learning_rate": "log:1e-6:1e-2"})
    >>> curve = np.zeros((4, 1), np.float32)
    >>> rates = [10 ** (-6 + 4 * i / 99) for i in range(100)]
    >>> trials = [TrialResult(i, "done", {"learning_rate": r}, r, r, 1, curve, 0.1) for i, r in enumerate(rates)]
    >>> next_round(narrow(space, trials, expand=True), trials[-5:], "accuracy", 50)
    NextRound(way='wider', ranges={'learning_rate': 'log:0.0039:0.1'}, epochs=50)
    """
    ranges = report.space.to_texts()
    edges = [edge for item in report.ranges for edge in (item.low, item.high) if edge is not None]
    if any(edge.alarm and edge.reached for edge in edges):
        return NextRound("wider", ranges, epochs)
    if any(item.narrowed for item in report.ranges):
        return NextRound("narrower", ranges, epochs)
    gains = [
        _late_gain(measured, metric)
        for trial in best[:LATE_TRIALS]
        if trial.status == "done" and len(measured := sign(metric) * curve_of(trial.curves, metric)) >= LEAST_EPOCHS
    ]
    if gains and np.median(gains) >= LEAST_GAIN:
        return NextRound("longer", ranges, 2 * epochs)
    return None


def _late_gain(measured: NDArray[np.float32], metric: str) -> float:
    """Return what (epochs,) values, the higher the better, gain in the last fifth of the epochs; of errors, a share."""
    before = float(measured[int(LATE * len(measured)) - 1])
    gain = float(measured[-1]) - before
    return gain / abs(before) if METRICS[metric].in_units and before else gain


def why_not_smooth(trial: TrialResult, first: TrialResult) -> str | None:
    """Return why a trial does not train smoothly, or None if it does; `first` is Best-1.

    Examples
    --------
    >>> rise = np.array([0.2, 0.7, 0.5, 0.8], np.float32)
    >>> trial = TrialResult.from_curves(0, "done", {}, np.stack([1 - rise, rise, 1 - rise, rise]), seconds=0.1)
    >>> why_not_smooth(trial, trial)
    'its validation accuracy falls by 0.20 on the way'
    """
    if trial.status != "done":
        return "it did not run to its end"
    score, reached = trial.validation_score, first.validation_score
    loss = trial.train_loss
    if len(score) < LEAST_EPOCHS:
        return f"curves of fewer than {LEAST_EPOCHS} epochs cannot be read"
    metric = METRICS[trial.score]
    if metric.in_units:
        return _why_error_not_smooth(score, reached, metric)
    if loss[-1] > (1.0 - LEAST_FALL) * loss[0] and trial.train_score[-1] < 0.5:
        return f"its training loss hardly falls, from {loss[0]:.3g} to {loss[-1]:.3g}"
    if score[-1] < LEAST_RISE * reached[-1]:
        return f"it reaches {score[-1]:.3g} where Best-1 reaches {reached[-1]:.3g}"
    setback = float(np.max(np.maximum.accumulate(score) - score))
    return f"its validation {metric.name} falls by {setback:.2f} on the way" if setback > WORST_SETBACK else None


def _why_error_not_smooth(error: NDArray[np.float32], reached: NDArray[np.float32], metric: Metric) -> str | None:
    """Return why (epochs,) validation errors do not fall smoothly; `reached` are those of Best-1."""
    if LEAST_RISE * error[-1] > reached[-1]:
        return f"it reaches {metric.text(error[-1])} where Best-1 reaches {metric.text(reached[-1])}"
    lowest = np.minimum.accumulate(error)
    setback = float(np.max((error - lowest) / np.where(lowest > 0, lowest, np.inf)))
    return (
        f"its validation {metric.name} rises by {100 * setback:.0f} % on the way" if setback > WORST_SETBACK else None
    )


def _smoothness(shown: Sequence[TrialResult]) -> tuple[int, str]:
    """Count the best trials that train smoothly, and describe them in words."""
    if not shown:
        return 0, "No trial reached a value"
    reasons = [why_not_smooth(trial, shown[0]) for trial in shown]
    smooth = next((place for place, reason in enumerate(reasons) if reason), len(shown))
    if not smooth:
        others = sum(reason is None for reason in reasons)
        more = f", though {others} of the {len(shown)} best do{'es' if others == 1 else ''}" if others else ""
        return 0, f"Best-1 does not train smoothly ({reasons[0]}){more}"
    return smooth, f"Training goes smoothly down to Best-{smooth}"


def _replayed(space: Space, trials: Columns, expand: bool) -> list[StageReport]:
    """Narrow again, stage by stage; the last stage is never expanded, because nothing was tried beyond it."""
    numbers = np.unique(trials.stage).tolist()
    reports: list[StageReport] = []
    for number in numbers:
        of_stage = trials.take(trials.stage == number) if len(numbers) > 1 else trials
        reports.append(narrow(space, of_stage, expand=expand and number != numbers[-1]))
        space = reports[-1].space
    return reports


def _recommended(name: str, final: Distribution, history: Sequence[Narrowing]) -> RecommendedRange:
    word, span = name.replace("_", " "), _span(final)
    if isinstance(final, Choice) and len(final.values) == 1 and all(item.old == item.new for item in history):
        return RecommendedRange(name, str(final), "fixed", f"{word} {span}")
    ends = {side for item in history for side in ("low", "high") if (end := getattr(item, side)) and end.alarm}
    if len(ends) == 1 and all(item.old == item.new for item in history):  # not a narrower range, but a direction
        side = "upper" if ends == {"high"} else "lower"
        return RecommendedRange(name, str(final), "clear", f"{word} towards the {side} end of {span}")
    if any(item.alarm or item.chance <= LEVEL for item in history):
        return RecommendedRange(name, str(final), "clear", f"{word} {span}")
    few = all(item.best < ENOUGH_BEST for item in history)
    return RecommendedRange(name, str(final), "unknown" if few else "little", f"{word} ({span})")


def _summaries(ranges: Sequence[RecommendedRange]) -> Iterable[str]:
    """Describe the ranges of each effect in one part of the sentence."""
    clear, little, unknown = (
        [item.words for item in ranges if item.effect == effect] for effect in ("clear", "little", "unknown")
    )
    if clear:
        yield ", ".join(clear)
    if little:
        yield f"{_listed(little)} make{'s' if len(little) == 1 else ''} little difference"
    if unknown:
        yield f"too few trials to assess {_listed(unknown)}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _warnings(history: Sequence[tuple[int, Narrowing]]) -> Iterable[str]:
    """Name the borders beyond which nothing was tried although the best piled up there in some stage."""
    for side, beyond in enumerate(("below", "above")):
        edges = [(stage, edge) for stage, item in history if (edge := (item.low, item.high)[side]) is not None]
        if not edges:
            continue
        word = history[0][1].name.replace("_", " ")
        outermost = (min, max)[side](edge.border for _, edge in edges)
        piled = [(stage, edge) for stage, edge in edges if edge.alarm and edge.border == outermost]
        last_stage, last = edges[-1]
        if piled:
            stage, edge = piled[-1]
            untried = f"Values of {word} {beyond} {text_of(outermost)} were not tried and may be better"
            yield f"{untried}: in stage {stage}, {edge.crowd}."
        elif last.alarm:
            yield f"Look at {word} {beyond} {text_of(last.border)} again: in stage {last_stage}, {last.crowd}."


def _span(distribution: Any) -> str:
    if isinstance(distribution, Choice):
        return " or ".join(text_of(value) for value in distribution.values)
    return f"{text_of(distribution.low)} to {text_of(distribution.high)}"
