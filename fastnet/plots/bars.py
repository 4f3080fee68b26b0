"""Figures of what matters: hyperparameters to the values of trials, and columns to the loss of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from fastnet.plots.look import (
    INK,
    VALIDATION,
    Trace,
    axis,
    brief,
    cells,
    figure,
    note,
    percent,
    sentence,
    short,
    suffix,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

TITLES = {"all": "all trials", "better": "the better half"}
"""The halves of the chart of importance, by their names in `fastnet.tuning.view.charts.importances`."""


def importance(found: Mapping[str, Any], *, stages: int = 1) -> Figure:
    """Draw how much of the differences between trials each hyperparameter explains: all trials, and the better half.

    Parameters
    ----------
    found : mapping
        See `fastnet.tuning.view.charts.importances`.
    stages : int
        Stages of the search, of which the first is shown.

    Examples
    --------
    >>> shares = {"share": [0.8, 0.1], "low": [0.7, 0.0], "high": [0.9, 0.2], "labels": ["learning rate", "dropout"]}
    >>> drawn = importance({"stage": 1, "all": shares | {"trials": 80, "explained": 0.7}, "better": {"words": "Few."}})
    >>> drawn.data[0].y, [note.text for note in drawn.layout.annotations]
    (('learning rate', 'dropout'), ['all trials (80); the forest explains 70 %', 'the better half: Few.'])
    """
    traces: list[Trace] = []
    layout: dict[str, Any] = {"bargap": 0.35, "annotations": []}
    longest = max((len(found[name].get("labels", ())) for name in TITLES), default=0)
    for k, ((name, title), cell) in enumerate(zip(TITLES.items(), cells(2, 2, (0.2, 0)), strict=True)):
        half, end = found[name], suffix(k)
        title = f"all trials of stage {found['stage']}" if name == "all" and stages > 1 else title
        heading = {"xanchor": "left", "yanchor": "bottom"}
        if "words" in half:
            hidden = {"visible": False, "domain": cell["x"]}
            layout |= {f"xaxis{end}": hidden, f"yaxis{end}": {"visible": False, "anchor": f"x{end}"}}
            traces.append({"type": "scatter", "x": [], "y": [], "xaxis": f"x{end}", "yaxis": f"y{end}"})
            layout["annotations"].append(note(f"{title}: {half['words']}", f"x{end}", 0, 1) | heading)
            continue
        heads = f"{title} ({half['trials']:,}); the forest explains {percent(half['explained'])}"
        layout["annotations"].append(note(heads, f"x{end}", 0, 1) | heading)
        shares = [(label, *(max(0.0, half[key][i]) for key in ("share", "low", "high")))
                  for i, label in enumerate(half["labels"])]  # fmt: skip
        words = [f"{escape(n)}: {percent(s)}, fits {percent(low)} to {percent(high)}" for n, s, low, high in shares]
        most = max(0.2, *(high for *_, high in shares)) * 1.06
        traces.append(_bars(shares, words) | {"xaxis": f"x{end}", "yaxis": f"y{end}"})
        layout[f"xaxis{end}"] = axis(
            "share of the differences", domain=cell["x"], anchor=f"y{end}", tickformat=".0%", range=[0, most]
        )
        layout[f"yaxis{end}"] = axis("", anchor=f"x{end}", autorange="reversed", showgrid=False, ticks="")
    if not longest:
        return sentence(" ".join(dict.fromkeys(found[name]["words"] for name in TITLES)))
    return figure(traces, layout | {"height": 120 + 34 * longest})


def reliance(rows: Sequence[Mapping[str, Any]], *, most: int = 20) -> Figure:
    """Draw how much the loss rises when the values of each column are shuffled.

    Parameters
    ----------
    rows : sequence of mapping
        See `fastnet.model.reliance.importance_of_columns`.
    most : int
        Most columns to draw.

    Examples
    --------
    >>> drawn = reliance([{"column": "age", "rise": 0.4, "low": 0.3, "high": 0.5}])
    >>> drawn.data[0].text, drawn.layout.xaxis.title.text
    (('age: 0.4 (0.3 to 0.5)',), 'rise of the loss')
    """
    if not rows:
        return sentence("There is no column to shuffle.")
    shown = [(row["column"], *(row[key] or 0.0 for key in ("rise", "low", "high"))) for row in rows[:most]]
    words = [f"{short(name)}: {brief(rise)} ({brief(low)} to {brief(high)})" for name, rise, low, high in shown]
    places = list(range(len(shown)))  # names may be equal once they are cut
    names = {"tickvals": places, "ticktext": [short(name) for name, *_ in shown]}
    layout = {
        "xaxis": axis("rise of the loss", zeroline=True, zerolinecolor=INK),
        "yaxis": axis("", autorange="reversed", showgrid=False, ticks="", **names),
        "bargap": 0.35,
        "height": 110 + 27 * len(shown),
    }
    return figure([_bars(shown, words) | {"y": places}], layout)


def _bars(rows: Sequence[tuple[Any, ...]], words: Sequence[str]) -> Trace:
    """Return bars with intervals: of each row its name, length, and the ends of its interval."""
    return {
        "type": "bar",
        "orientation": "h",
        "y": [escape(row[0]) for row in rows],
        "x": [row[1] for row in rows],
        "marker": {"color": VALIDATION},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, high - value) for _, value, _, high in rows],
            "arrayminus": [max(0.0, value - low) for _, value, low, _ in rows],
            "color": INK,
            "thickness": 1.5,
            "width": 4,
        },
        "text": list(words),
        "textposition": "none",
        "hoverinfo": "text",
    }
