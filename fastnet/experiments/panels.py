"""Panels that several experiments draw: learning curves, and accuracy against a setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fastnet.experiments.lab import Group
from fastnet.experiments.summary import Floats, Spread
from fastnet.report.chart import Panel, Series

ACCURACY_RANGE = (0.0, 1.0)
_ROW = {"loss": 0, "accuracy": 1}


def curve_series(group: Group, what: str, part: str, label: str, role: str | int, *, band: bool = True) -> Series:
    """Return the mean of a learning curve over the seeds; `band` adds a standard deviation on either side.

    `what` is "accuracy" or "loss", `part` "training" or "test"; for `label` and `role` see `chart.Series`.
    """
    curves = group.curves[:, _ROW[what] + (2 if part == "test" else 0)]
    mean, sd = mean_and_sd(curves)
    top = 1.0 if what == "accuracy" else np.inf
    spread = {"low": np.maximum(mean - sd, 0.0), "high": np.minimum(mean + sd, top)} if band and len(curves) > 1 else {}
    return Series(label=label, x=np.arange(1, len(mean) + 1), y=mean, role=role, **spread)  # type: ignore[arg-type]


def mean_and_sd(values: Floats) -> tuple[Floats, Floats]:
    """Return mean and sample standard deviation of (S, ...) values over the seeds, ignoring NaN."""
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    kept = np.where(finite, values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = kept.sum(axis=0) / count
        square = np.where(finite, (values - mean) ** 2, 0.0).sum(axis=0)
        sd = np.sqrt(square / np.maximum(count - 1, 1))
    return mean, sd


def curves_panel(
    title: str, what: str, groups: Mapping[str, tuple[Group, str]], *, legend: str = "lower right"
) -> Panel:
    """Draw training and test curves of groups: an addition to the labels for each group and the end of its roles.

    The end of a role is "", "-before" or "-other"; `what` is "accuracy" or "loss".
    """
    series = []
    for words, (group, ending) in groups.items():
        for part in ("test", "training"):
            label = f"{part}, {words}" if words else part
            series.append(curve_series(group, what, part, label, part + ending, band=ending != "-before"))
    y_label = "accuracy" if what == "accuracy" else "loss (mean cross-entropy)"
    y_range = ACCURACY_RANGE if what == "accuracy" else (0.0, None)
    return Panel(title=title, x_label="epoch", y_label=y_label, series=series, y_range=y_range, legend=legend)


def spread_series(x: Sequence[float], spreads: Sequence[Spread], label: str, role: str | int) -> Series:
    """Return means joined by a line, with bars of one standard deviation."""
    mean = np.array([spread.mean for spread in spreads])
    sd = np.nan_to_num(np.array([spread.sd for spread in spreads]))
    return Series(label=label, x=x, y=mean, low=mean - sd, high=mean + sd, kind="both", role=role)


def sweep_panel(
    title: str, x_label: str, names: Sequence[str], groups: Sequence[Group], *, legend: str = "lower left"
) -> Panel:
    """Draw final training and test accuracy against the values of a setting, evenly spaced."""
    x = list(range(len(groups)))
    return Panel(
        title=title,
        x_label=x_label,
        y_label="accuracy after the last epoch",
        series=[
            spread_series(x, [group.test for group in groups], "test", "test"),
            spread_series(x, [group.train for group in groups], "training", "training"),
        ],
        x_ticks=list(zip(map(float, x), names, strict=True)),
        y_range=ACCURACY_RANGE,
        legend=legend,
    )
