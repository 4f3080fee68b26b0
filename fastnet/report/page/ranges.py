"""The ranges of a search from stage to stage, and the best trials at their edges, as rows for the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastnet.tuning.space.distributions import Choice, Distribution, text_of
from fastnet.tuning.space.space import Space


def range_cards(stages: Sequence[Mapping[str, Any]], whole: Mapping[str, Distribution]) -> list[dict[str, Any]]:
    """Describe each hyperparameter's ranges in at least one stage; `whole` is from `spans`.

    A card has ``name``, the ends or values as ``low`` and ``high``, and ``rows``, for each stage and last for the
    recommendation: the range with its place in percent, the counts at its edges, and the words.
    """
    advice = next((stage["report"].get("recommendation") for stage in reversed(stages) if stage["report"]), None) or {}
    recommended = {item["name"]: item for item in advice.get("ranges", ())}
    cards = []
    for name, distribution in whole.items():
        rows = [_stage_row(stage, name, distribution) for stage in stages]
        if name in recommended:
            text = recommended[name]["range"]
            rows.append(_row("next", text, _bar(name, text, distribution)) | {"advice": True})
        ends = [text_of(value) for value in distribution.extremes()]
        cards.append({"name": name.replace("_", " "), "low": ends[0], "high": ends[-1], "rows": rows,
                      "choices": ends if isinstance(distribution, Choice) else [],
                      "alarm": any(row["alarm"] for row in rows)})  # fmt: skip
    return cards


def _stage_row(stage: Mapping[str, Any], name: str, whole: Distribution) -> dict[str, Any]:
    text = stage["space"][name]
    row = _row(f"stage {stage['number']}", text, _bar(name, text, whole))
    ranges = {item["name"]: item for item in (stage["report"] or {}).get("ranges", ())}
    if name not in ranges:
        return row | {"words": "this stage has not ended"}
    item = ranges[name]
    edges = {side: item[side] for side in ("low", "high") if item[side] is not None}
    return row | {
        "words": item["words"],
        "edges": {side: {"best": edge["best"], "alarm": edge["alarm"]} for side, edge in edges.items()},
        "alarm": any(edge["alarm"] for edge in edges.values()),
    }


def _row(title: str, text: str, bar: list[tuple[float, float]]) -> dict[str, Any]:
    return {"title": title, "text": text, "bar": bar, "words": "", "edges": {}, "alarm": False, "advice": False}


def _bar(name: str, text: str, whole: Any) -> list[tuple[float, float]]:
    """Return left ends and widths in percent of the whole range; several if a choice lost a value in the middle."""
    part: Any = Space.parse({name: text}).distributions[name]
    if isinstance(whole, Choice):
        width = 100 / len(whole.values)
        return [(width * place, width) for place, value in enumerate(whole.values) if value in part.extremes()]
    ends = [min(part.extremes()), max(part.extremes())]
    low, high = whole.position(ends).tolist()
    low, high = 0.0 if ends[0] == whole.low else low, 1.0 if ends[1] == whole.high else high
    return [(round(100 * low, 2), round(max(100 * (high - low), 1.0), 2))]
