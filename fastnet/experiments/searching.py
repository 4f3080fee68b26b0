"""Sections 6.5.2 and 6.5.3: random search, the ranges that it recommends, and a grid of the same size."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastnet.config.searching import SearchConfig
from fastnet.config.training import TrainConfig
from fastnet.data.dataset import take_first
from fastnet.errors import FastnetError
from fastnet.experiments.lab import Lab, settings_of
from fastnet.experiments.outcome import Claim, Outcome, Table
from fastnet.experiments.rules import subtitle
from fastnet.experiments.summary import Floats
from fastnet.files import temporary_prefix
from fastnet.report.chart import Box, Chart, Panel, Series, TrialsChart
from fastnet.tuning.run.assemble import run_study
from fastnet.tuning.run.result import Progress
from fastnet.tuning.trial import TrialResult

TRIALS = 100
EPOCHS = 50
IMAGES = 500

WIDE = {"learning_rate": "log:1e-06:1", "weight_decay": "log:1e-08:0.0001"}
"""Ranges in which random search and grid are compared. The best learning rates lie inside, not at the border as in the
chapter's first round, where only the grid has a point."""

LEVELS = 8
SIDES = (2, 4, 8)
"""Values of each hyperparameter in the grids compared."""

LEAST_BETTER = 0.02
"""Smaller differences between mean bests count as none: the standard error of 0.95 measured on 100 images."""

LEAST_MATTER = 2.0
"""Least ratio of rank correlations with the accuracy at which one hyperparameter matters much more."""

RATE, DECAY = "learning_rate", "weight_decay"


def search(lab: Lab) -> Outcome:
    """Search as the chapter does, then at random and on a grid in wider ranges."""
    base = lab.config(epochs=EPOCHS)
    images = lab.images(IMAGES)
    found = _study(lab, SearchConfig(trials=TRIALS, train=base, repeats=lab.seeds), images)
    if not found.best:
        raise FastnetError("every trial of the search diverged: scale the features to a smaller range")
    wide = SearchConfig(trials=LEVELS * LEVELS, space=WIDE, train=base, final=0)
    random = _study(lab, wide, images).trials
    grid = _study(lab, replace(wide, sampler="grid", levels=LEVELS), images).trials
    against = _Comparison(random, grid, budget_rows(random, grid))
    matters = {
        name: rank_correlation([trial.params[name] for trial in found.trials], accuracies(found.trials))
        for name in (RATE, DECAY)
    }
    ratio = abs(matters[RATE]) / max(abs(matters[DECAY]), 1e-9)
    uneven = max(ratio, 1 / max(ratio, 1e-9)) >= LEAST_MATTER
    first = found.best[0]
    seen = (
        f"The best of {TRIALS} random trials has a validation accuracy of {first.value:.2f} at learning rate "
        f"{first.params[RATE]:.2g}; the rank correlation of accuracy is {matters[RATE]:.2f} with the learning rate "
        f"and {matters[DECAY]:.2f} with weight decay, and the recommended ranges are {_ranges(found.recommendation)}."
    )
    verdict = (
        f"The chapter's reason for drawing at random, that hyperparameters matter unequally, "
        f"{'holds' if uneven else 'does not hold'} here: {len(random)} random trials try {distinct(random)} values "
        f"of each, the grid {distinct(grid)}, and the best at random is on average {_budgets(against.signs)}."
    )
    return Outcome(
        name="search",
        title="Random search",
        question="Which settings are good, and why search for them at random (sections 6.5.2 and 6.5.3)?",
        seen=seen,
        verdict=verdict,
        remarks=tuple(text for text in (found.recommendation.get("words"), _final(found.final)) if text),
        claims=_claims(uneven, against),
        tables=_tables(found, against),
        figures=(
            _figure(lab, base, found, against),
            TrialsChart(name="search-best20", title="Accuracy after each epoch of the 20 best", trials=found.best),
        ),
        settings={
            "network": settings_of(base), "images": images, "space": SearchConfig().space, "trials": TRIALS,
            "compared_in": WIDE, "levels": LEVELS,
        },
        results={
            "trials": [_row(trial) for trial in found.trials], "random": [_row(trial) for trial in random],
            "grid": [_row(trial) for trial in grid], "rank_correlation": matters,
            "recommendation": found.recommendation, "final": found.final.get("candidates"),
        },
        lab=lab.describe(),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Comparison:
    """Trials at random and on a grid, and their `budget_rows`."""

    random: list[TrialResult]
    grid: list[TrialResult]
    rows: list[dict[str, float]]

    @property
    def signs(self) -> list[int]:
        """For each side 1 if the mean best is higher at random, -1 if it is lower, else 0."""
        gains = [row["random"] - row["grid"] for row in self.rows]
        return [0 if abs(gain) < LEAST_BETTER else int(np.sign(gain)) for gain in gains]


def distinct(trials: Sequence[TrialResult]) -> int:
    """Return the number of values tried of each hyperparameter, the smaller of the two."""
    return min(len({trial.params[name] for trial in trials}) for name in (RATE, DECAY))


def _claims(uneven: bool, against: _Comparison) -> tuple[Claim, ...]:
    budgets = _listed([side * side for side in SIDES])
    return (
        Claim(
            text="one hyperparameter matters much more than the other",
            holds=uneven,
            rule=f"rank correlations with the accuracy a factor of {LEAST_MATTER:g} apart",
        ),
        Claim(
            text="random search tries more values of each",
            holds=distinct(against.random) > distinct(against.grid),
            rule="more distinct values of both",
        ),
        Claim(
            text="the best at random is never worse than on a grid of the same size, and sometimes better",
            holds=min(against.signs) >= 0 and max(against.signs) > 0,
            rule=f"mean best of {budgets} trials: never lower by {LEAST_BETTER:g}, at least once higher by that",
        ),
    )


def _tables(found: _Found, against: _Comparison) -> tuple[Table, ...]:
    return (
        Table(
            title=f"At random and on a grid: {_words(WIDE)}",
            heads=("trials", "values of each, random", "grid", "mean best, random", "grid", "worst grid"),
            rows=[
                (str(side * side), side * side, side, row["random"], row["grid"], row["worst"])
                for side, row in zip(SIDES, against.rows, strict=True)
            ],
        ),
        Table(
            title=f"The best trials: {_words(SearchConfig().space)}",
            heads=("", "validation accuracy", "learning rate", "weight decay"),
            rows=[
                (f"Best-{place}", trial.value, *map(float, (trial.params[RATE], trial.params[DECAY])))
                for place, trial in enumerate(found.best[:5], start=1)
            ],
        ),
    )


def _figure(lab: Lab, base: TrainConfig, found: _Found, against: _Comparison) -> Chart:
    images = lab.images(IMAGES)
    best = found.best[0]
    network = subtitle(lab, base, images, rate=False).partition(";")[0]
    return Chart(
        name="search",
        title=f"Random search: {best.value:.2f} at learning rate {best.params[RATE]:.2g}",
        subtitle=f"{network}, {base.epochs} epochs; validated on {round(0.2 * images)} of the images",
        panels=[
            _scatter(f"{TRIALS} random trials", found.trials, _boxes(found.recommendation)),
            _places(against.random, against.grid),
            _against_rate(against.random, against.grid),
            _best_of(against.rows, accuracies(against.random)),
        ],
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """The results of a study whose folder is gone."""

    trials: list[TrialResult]
    best: tuple[TrialResult, ...]
    recommendation: dict[str, Any]
    final: dict[str, Any]


def _study(lab: Lab, config: SearchConfig, images: int) -> _Found:
    """Run a search in a temporary folder; its trials are part of the outcome."""

    def report(progress: Progress) -> None:
        lab.report(progress.done, progress.total)

    dataset = take_first(lab.dataset, images)
    with tempfile.TemporaryDirectory(prefix=temporary_prefix()) as folder:
        result = run_study(
            dataset, config, folder=Path(folder) / "study", jobs=lab.threads, on_progress=report,
            should_stop=lab.should_stop,
        )  # fmt: skip
        if result.interrupted:
            raise KeyboardInterrupt
        return _Found(list(result.trials), result.best(20), result.recommendation or {}, result.final or {})


def accuracies(trials: Sequence[TrialResult]) -> Floats:
    """Return the accuracy of each trial, 0 if it diverged."""
    return np.array([trial.value if math.isfinite(trial.value) else 0.0 for trial in trials])


def rank_correlation(x: Sequence[Any], y: Floats) -> float:
    """Return Spearman's rank correlation, 0 if one of the two is constant.

    >>> round(rank_correlation([1, 2, 3], np.array([0.1, 0.2, 0.9])), 6)
    1.0
    """
    from scipy.stats import spearmanr

    constant = len(set(x)) < 2 or np.ptp(y) == 0
    return 0.0 if constant else float(spearmanr(np.array(x, float), y).statistic)


def best_of_draws(values: Floats, n: int) -> Floats:
    """Return the probability of each value, in ascending order, to be the best of `n` drawn without replacement.

    The best of n is the i-th smallest in C(i - 1, n - 1) of the C(N, n) draws.

    >>> best_of_draws(np.array([0.1, 0.5, 0.9]), 2)
    array([0.        , 0.33333333, 0.66666667])
    """
    total = math.comb(len(values), n)
    return np.array([math.comb(place, n - 1) / total for place in range(len(values))])


def mean_best(values: Floats, n: int) -> float:
    """Return the expected best of `n` values drawn without replacement."""
    return float(best_of_draws(values, n) @ np.sort(values))


def grids_within(side: int) -> list[list[int]]:
    """Return the rows, or columns, of all evenly spaced grids with `side` values within one of `LEVELS`.

    >>> grids_within(4)
    [[0, 2, 4, 6], [1, 3, 5, 7]]
    """
    stride = LEVELS // side
    room = LEVELS - stride * (side - 1)
    return [[begin + stride * place for place in range(side)] for begin in range(room)]


def budget_rows(random: Sequence[TrialResult], grid: Sequence[TrialResult]) -> list[dict[str, float]]:
    """Return for each side the mean best at random, that of all its grids, and the best of the worst grid."""
    drawn, square = accuracies(random), accuracies(grid).reshape(LEVELS, LEVELS)
    rows = []
    for side in SIDES:
        places = grids_within(side)
        bests = [float(square[np.ix_(rates, decays)].max()) for rates in places for decays in places]
        rows.append({"random": mean_best(drawn, side * side), "grid": float(np.mean(bests)), "worst": min(bests)})
    return rows


def _scatter(title: str, trials: Sequence[TrialResult], boxes: Sequence[Box]) -> Panel:
    return Panel(
        title=title,
        x_label="learning rate",
        y_label="weight decay",
        series=[
            Series(
                label="", x=_numbers(trials, RATE), y=_numbers(trials, DECAY), shades=accuracies(trials), kind="points"
            )
        ],
        x_scale="log",
        y_scale="log",
        boxes=boxes,
        legend="above",
        shade_label="validation accuracy",
    )  # fmt: skip


def _places(random: Sequence[TrialResult], grid: Sequence[TrialResult]) -> Panel:
    return Panel(
        title=f"{len(random)} trials in wider ranges",
        x_label="learning rate",
        y_label="weight decay",
        series=[
            Series(label=label, x=_numbers(trials, RATE), y=_numbers(trials, DECAY), kind="points", role=role)
            for label, trials, role in (("random", random, 0), ("grid", grid, 1))
        ],
        x_scale="log",
        y_scale="log",
        legend="above",
    )  # fmt: skip


def _against_rate(random: Sequence[TrialResult], grid: Sequence[TrialResult]) -> Panel:
    series = [
        Series(label=label, x=_numbers(trials, RATE), y=accuracies(trials), kind="points", role=role)
        for label, trials, role in (("random", random, 0), ("grid", grid, 1))
    ]
    return Panel(
        title="Learning rates tried",
        x_label="learning rate",
        y_label="validation accuracy",
        series=series,
        x_scale="log",
        y_range=(0.0, 1.0),
        legend="upper left",
    )


def _best_of(rows: Sequence[dict[str, float]], random: Floats) -> Panel:
    numbers = [side * side for side in SIDES]
    counts = sorted({*numbers, *(n for n in (1, 2, 3, 6, 9, 12, 20, 25, 32, 40, 50) if n <= len(random))})
    return Panel(
        title="The best of n trials, on average",
        x_label="trials",
        y_label="validation accuracy of the best",
        series=[
            Series(label="random", x=counts, y=[mean_best(random, n) for n in counts], role=0),
            Series(label="grid", x=numbers, y=[row["grid"] for row in rows], kind="both", role=1),
        ],
        x_scale="log",
        x_ticks=[(1.0, "1"), *((float(n), str(n)) for n in numbers)],
        legend="lower right",
    )


def _boxes(advice: dict[str, Any]) -> list[Box]:
    """Frame the recommended ranges."""
    if not advice:
        return []
    ends = [tuple(float(end) for end in advice["space"][name].split(":")[1:]) for name in (RATE, DECAY)]
    return [Box(x=ends[0], y=ends[1], label="recommended ranges")]  # type: ignore[arg-type]


def _ranges(advice: dict[str, Any]) -> str:
    return _words(advice["space"]) if advice else "unknown"


def _words(space: Mapping[str, str]) -> str:
    """Write ranges as words.

    >>> _words({"learning_rate": "log:1e-06:0.01", "weight_decay": "log:1e-08:0.0001"})
    'learning rate 1e-06 to 0.01 and weight decay 1e-08 to 0.0001'
    """
    words = {RATE: "learning rate", DECAY: "weight decay"}
    return " and ".join(f"{word} {' to '.join(space[name].split(':')[1:])}" for name, word in words.items())


def _budgets(signs: Sequence[int]) -> str:
    """List the numbers of trials with which the best at random is better, the same or worse."""
    words = {1: "better", 0: "the same", -1: "worse"}
    parts = [
        f"{words[sign]} with {_listed([side * side for side, own in zip(SIDES, signs, strict=True) if own == sign])}"
        for sign in words
        if sign in signs
    ]
    return f"{_listed(parts)} trials"


def _listed(items: Sequence[object]) -> str:
    words = list(map(str, items))
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _final(final: dict[str, Any]) -> str:
    if not final:
        return ""
    kept = final.get("kept") or {}
    text = f"Final choice over fresh seeds: {final['words']}"
    if kept.get("test_accuracy") is not None:
        text += f"; the network kept has a test accuracy of {kept['test_accuracy']:.3f}"
    return f"{text}."


def _numbers(trials: Sequence[TrialResult], name: str) -> list[float]:
    return [float(trial.params[name]) for trial in trials]


def _row(trial: TrialResult) -> dict[str, Any]:
    return {"trial": trial.id, "status": trial.status, **trial.params, "validation_accuracy": trial.value}
