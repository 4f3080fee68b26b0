"""The tables of docs/accuracy.md, and its picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from statistics import fmean
from typing import Any

from _accuracy.sets import ASIDE, DECIDING, HALVES
from _accuracy.summary import COMPARED, OURS, SUMMARY, measured_at, splits_of, times_of

Result = Mapping[str, Any]


def _summary(result: Result) -> dict[str, Mapping[str, Any]]:
    return {figure["name"]: figure for figure in result["figures"] if figure["section"] == SUMMARY}


def summary_rows(result: Result, seconds: int) -> list[tuple[str, ...]]:
    """One row a contestant, the best first: its errors to the rival's over all tables and halves, rank and wins."""
    found = _summary(result)
    labels = [
        name.removesuffix(f", all tables, {seconds} s") for name in found if name.endswith(f", all tables, {seconds} s")
    ]
    labels.sort(key=lambda label: found[f"{label}, all tables, {seconds} s"]["value"])
    rows = []
    for label in labels:
        of = [found.get(f"{label}, {half}, {seconds} s") for half in HALVES]
        every = of[0]
        assert every is not None
        rank = (f"{every['rank']:.1f}", f"{every['wins']:.0f}") if "rank" in every else ("", "")
        rows.append((label, *(_with_interval(one) for one in of), *rank))
    return rows


def _with_interval(figure: Mapping[str, Any] | None) -> str:
    if figure is None:
        return ""
    if figure["low"] == figure["high"]:
        return f"{figure['value']:.3f}"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def split_rows(result: Result, seconds: int) -> list[tuple[str, ...]]:
    """One row a split, if there are several: our errors to those of the rival and of trees, and our rank."""
    found = _summary(result)
    rows = []
    for split in splits_of(result["figures"], seconds):
        names = [f"{OURS}, {half}, {seconds} s, {split}, to {other}" for other in COMPARED for half in HALVES]
        if names[0] in found:
            cells = [f"{found[name]['value']:.3f}" if name in found else "" for name in names]
            rows.append((split.removeprefix("split "), *cells, f"{found[names[0]]['rank']:.1f}"))
    return rows


def table_rows(result: Result, seconds: int, labels: Sequence[str]) -> Iterable[tuple[str, ...]]:
    """One row a table: the mean errors over splits of the contestants, and our trials."""
    tables = measured_at(result["figures"], seconds)
    for name in (name for name in (*DECIDING, *ASIDE) if name in tables):
        splits = tables[name].values()
        of = {label: [split[label] for split in splits if label in split] for label in labels}
        means = {label: fmean(f["value"] for f in some) for label, some in of.items() if some}
        best = min(means.values())
        cells = [_marked(means.get(label), best) for label in labels]
        trials = fmean(figure["trials"] for figure in of[OURS])
        unit = {"rmse": "RMSE"}.get(of[OURS][0]["unit"], "log-loss")
        score = fmean(figure["score"] for figure in of[OURS])
        yield f"{name}{' (put aside)' if name in ASIDE else ''}", unit, *cells, f"{score:.3f}", f"{trials:,.0f}"


def _marked(value: float | None, best: float) -> str:
    if value is None:
        return ""
    text = f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
    return f"**{text}**" if value == best else text


def draw(result: Result, path: Path) -> None:
    """Draw the errors of all contestants to the rival's, with their intervals, a panel for each time."""
    from matplotlib.figure import Figure

    times = times_of(result["figures"])
    rows = {seconds: summary_rows(result, seconds) for seconds in times}
    found = _summary(result)
    tall = max(len(some) for some in rows.values())
    page = Figure(figsize=(1.2 + 3.6 * len(times), 0.8 + 0.34 * tall), dpi=160, layout="constrained", facecolor="white")
    for place, seconds in enumerate(times):
        axes = page.add_subplot(1, len(times), place + 1)
        labels = [row[0] for row in rows[seconds]]
        for height, label in enumerate(labels):
            figure = found[f"{label}, all tables, {seconds} s"]
            colour = "#0072b2" if label == OURS else "#59636e"
            axes.plot([figure["low"], figure["high"]], [height, height], color=colour, linewidth=1.4)
            axes.plot(figure["value"], height, "o", color=colour, markersize=6)
        axes.axvline(1.0, color="#b7bfc8", linewidth=1, zorder=0)
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_xlim(right=min(1.5, axes.get_xlim()[1]))
        axes.set_title(f"{seconds} s", loc="left", fontsize=11, weight="bold")
        axes.set_xlabel("error relative to MLP, ten", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    made = BytesIO()
    page.savefig(made, format="png", metadata={"Software": None})
    path.write_bytes(made.getvalue())
