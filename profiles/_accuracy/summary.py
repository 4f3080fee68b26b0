"""What is made of the errors of `accuracy.py`: ratios, intervals, ranks and wins, over tables and over splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import geometric_mean
from typing import Any

import numpy as np

from _accuracy.sets import HALVES

SUMMARY = "summary"
"""Section of the figures over several tables."""
OURS = "fastnet"
RIVAL = "MLP, ten"
"""Whose error is 1."""
TREES = "trees, ten"
COMPARED = RIVAL, TREES
"""Whom this project is compared with on each split."""

Figure = Mapping[str, Any]


def times_of(figures: Iterable[Figure]) -> list[int]:
    """Return the times that were measured, in seconds.

    >>> times_of([{"section": f"adult, split 0{more}"} for more in (", 60 s", "", ", 10 s")])
    [10, 60]
    """
    places = {figure["section"].split(", ")[2] for figure in figures if figure["section"].count(", ") == 2}
    return sorted(int(place.split()[0]) for place in places)


def measured_at(figures: Iterable[Figure], seconds: int) -> dict[str, dict[str, dict[str, Figure]]]:
    """Return the figures of each contestant by table and split, of the splits on which this project was measured."""
    tables: dict[str, dict[str, dict[str, Figure]]] = {}
    for figure in figures:
        place = figure["section"].split(", ")
        if len(place) == 2 or place[-1] == f"{seconds} s":
            tables.setdefault(place[0], {}).setdefault(place[1], {})[figure["name"]] = figure
    ours = {name: {split: of for split, of in splits.items() if OURS in of} for name, splits in tables.items()}
    return {name: splits for name, splits in ours.items() if splits}


def splits_of(figures: Iterable[Figure], seconds: int) -> list[str]:
    """Return the names of the splits, in order."""
    return sorted({split for splits in measured_at(figures, seconds).values() for split in splits})


Errors = Mapping[str, Mapping[str, Sequence[float]]]


def errors_at(figures: Iterable[Figure], seconds: int, split: str | None = None) -> dict[str, dict[str, list[float]]]:
    """Return errors by table and contestant, one for each split, or of one split alone."""
    tables: dict[str, dict[str, list[float]]] = {}
    for name, splits in measured_at(figures, seconds).items():
        for number, found in splits.items():
            if split in (None, number):
                for label, figure in found.items():
                    tables.setdefault(name, {}).setdefault(label, []).append(figure["value"])
    return tables


def ratios_to(tables: Errors, label: str, other: str) -> dict[str, float]:
    """Return the geometric mean over splits of one contestant's error over another's, by table."""
    ratios = {}
    for name, errors in tables.items():
        if label in errors and other in errors and len(errors[label]) == len(errors[other]):
            ratios[name] = geometric_mean(errors[label]) / geometric_mean(errors[other])
    return ratios


def interval(ratios: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of a geometric mean by drawing the tables again with replacement."""
    logs = np.log(ratios)
    drawn = np.random.default_rng(seed).integers(0, len(logs), (10_000, len(logs)))
    low, high = np.percentile(logs[drawn].mean(axis=1), [2.5, 97.5])
    return float(np.exp(low)), float(np.exp(high))


def ranks(tables: Errors, labels: Sequence[str]) -> dict[str, tuple[float, int]]:
    """Return mean rank and wins of contestants over the tables on which all were measured."""
    from scipy.stats import rankdata

    rows = [
        [geometric_mean(errors[label]) for label in labels]
        for errors in tables.values()
        if set(labels) <= errors.keys()
    ]
    if not rows:
        return {}
    placed = np.array([rankdata(row) for row in rows])
    return {label: (float(placed[:, k].mean()), int((placed[:, k] == 1).sum())) for k, label in enumerate(labels)}


def summarise(report: Any) -> None:
    """Add mean ranks, wins and ratios with intervals, of all tables, of those that decide and of those put aside."""
    figures = list(report.figures)
    report.section(SUMMARY)
    for seconds in times_of(figures):
        splits = splits_of(figures, seconds)
        everything = errors_at(figures, seconds)
        for half in HALVES:
            tables = _of_half(everything, half)
            labels = list(dict.fromkeys(label for errors in tables.values() for label in errors))
            placed = ranks(tables, labels)
            for label in labels:
                _add_ratio(report, f"{label}, {half}, {seconds} s", tables, label, RIVAL, placed)
            _add_ratio(report, f"{OURS}, {half}, {seconds} s, to {TREES}", tables, OURS, TREES)
            for split in splits if len(splits) > 1 else ():
                alone = _of_half(errors_at(figures, seconds, split), half)
                placed = ranks(alone, [label for label in labels if all(label in errors for errors in alone.values())])
                for other in COMPARED:
                    _add_ratio(report, f"{OURS}, {half}, {seconds} s, {split}, to {other}", alone, OURS, other, placed)


def _of_half(tables: Errors, half: str) -> Errors:
    return {name: tables[name] for name in HALVES[half] if name in tables}


def _add_ratio(
    report: Any,
    name: str,
    tables: Errors,
    label: str,
    other: str,
    placed: Mapping[str, tuple[float, int]] | None = None,
) -> None:
    """Add the geometric mean over tables of one contestant's errors over another's, where both were measured."""
    ratios = list(ratios_to(tables, label, other).values())
    if not ratios:
        return
    low, high = interval(ratios)
    rank = dict(zip(("rank", "wins"), placed[label], strict=True)) if placed and label in placed else {}
    more = {"tables": len(ratios), **rank}
    report.add(name, geometric_mean(ratios), f"of {other}", better="lower", low=low, high=high, **more)
