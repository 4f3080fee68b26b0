"""The outcome of a search as lines of text: a table for each stage, the recommendation, the final choice.

The functions take the dicts that `to_dict` returns and a study stores, so a search that has just ended and a study read
years later look the same. Lines are at most `WIDTH` characters wide unless a single value is wider.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from fastnet.config.metric import METRICS, four_digits, score_stored
from fastnet.report.text import aligned, counted
from fastnet.report.words import ensemble_kept
from fastnet.tuning.space.distributions import text_of

WIDTH = 80

_JOINT = "\xa0"  # between a name and its value, where no line breaks
_SPAN = 20  # characters of a range in a table; a longer one is written in full below it


def format_stage(report: Mapping[str, Any]) -> list[str]:
    r"""Write a `StageReport`: old and new ranges, the number of best trials at their ends, and warnings.

    >>> low = {"best": 0, "alarm": False}
    >>> high = {"best": 6, "alarm": True}
    >>> rate = {"name": "learning_rate", "old": "log:1e-06:0.01", "new": "log:0.0029:0.01", "low": low, "high": high}
    >>> words = "narrowed to where the best lie; 6 of the 10 best lie in its upper tenth, look above 0.01 too"
    >>> report = {"stage": 1, "trials": 100, "best": 10, "ranges": [rate | {"words": words}]}
    >>> print("\n".join(format_stage(report)))
    Stage 1: where the 10 best of 100 trials lie
                   old range       new range        low edge  high edge
    learning_rate  log:1e-06:0.01  log:0.0029:0.01         0    6 ALARM
    learning_rate: narrowed to where the best lie; 6 of the 10 best lie in its upper
      tenth, look above 0.01 too
    """
    rows = [["", "old range", "new range", "low edge", "high edge"]]
    for item in report["ranges"]:
        new = "the same" if item["new"] == item["old"] else _shortened(item["new"])
        rows.append([item["name"], _shortened(item["old"]), new, _count(item["low"]), _count(item["high"])])
    lines = [f"Stage {report['stage']}: where the {report['best']:,} best of {report['trials']:,} trials lie"]
    lines += aligned(rows, "lllrr")
    for item in report["ranges"]:
        new = f" {item['new']}," if len(item["new"]) > _SPAN and item["new"] != item["old"] else ""
        lines += wrapped(f"{item['name']}:{new} {item['words']}")
    return lines


def format_recommendation(recommendation: Mapping[str, Any]) -> list[str]:
    """Write a `Recommendation`, wrapped."""
    return wrapped(recommendation["words"])


def format_final(choice: Mapping[str, Any]) -> list[str]:
    r"""Write a `FinalChoice`: each candidate with its value in the search and over fresh seeds, the winner first.

    >>> score = {"trial": 7, "params": {"learning_rate": 0.01}, "search_value": 0.83, "values": [0.8, 0.82]}
    >>> score |= {"mean": 0.81, "sd": 0.01414, "low": 0.6829, "high": 0.9371, "diverged": 0}
    >>> choice = {"metric": "accuracy", "candidates": [score], "confidence": 0.95, "words": "trial 7 wins"}
    >>> print("\n".join(format_final(choice)))
    Final choice: validation accuracy of 1 candidate over 2 fresh seeds
    trial  in search   mean      sd   95 % interval
        7       0.83  0.810  0.0141  0.683 to 0.937  learning_rate 0.01
    Trial 7 wins.
    """
    scores = choice["candidates"]
    metric, confidence = METRICS[choice["metric"]], f"{100 * choice['confidence']:g} % interval"
    rows = [["trial", "in search", "mean", "sd", confidence]]
    for score in scores:
        low, high, mean, sd = (score[name] for name in ("low", "high", "mean", "sd"))
        span = "-" if low is None else f"{metric.fixed(low, 3)} to {metric.fixed(high, 3)}"
        mean = "-" if mean is None else metric.fixed(mean, 3)
        mean += f" ({score['diverged']} diverged)" if score["diverged"] else ""
        found = four_digits(score["search_value"])
        rows.append([str(score["trial"]), found, mean, "-" if sd is None else metric.fixed(sd, 4), span])
    lines = [f"Final choice: validation {metric.name} of {counted(len(scores), 'candidate')} over {_seeds(scores)}"]
    head, *table = aligned(rows, "rrrrr")
    lines.append(head)
    for line, score in zip(table, scores, strict=True):
        params = ", ".join(f"{name}{_JOINT}{text_of(value)}" for name, value in score["params"].items())
        if len(line) + 2 + len(params) <= WIDTH:
            lines.append(f"{line}  {params}".replace(_JOINT, " ").rstrip())
        else:
            lines += [line, *wrapped(params, first="        ", rest="        ")]
    return lines + wrapped(choice["words"][:1].upper() + choice["words"][1:] + ".")


def format_ensemble(document: Mapping[str, Any]) -> list[str]:
    r"""Write the figures of the ensembles on the validation samples, see `put_together`, and which one was kept.

    >>> validation = {"best": {"networks": 1, "accuracy": 0.83, "loss": 0.93}}
    >>> validation |= {"average": {"networks": 10, "accuracy": 0.85, "loss": 1.118}}
    >>> validation |= {"greedy": {"networks": 7, "accuracy": 0.88, "loss": 0.951}}
    >>> document = {"members": [{"weight": 1}] * 10, "validation": validation, "method": "average"}
    >>> print("\n".join(format_ensemble(document)))
    Ensemble of the 10 best trials, on the validation samples
                    networks  accuracy    loss
    the best alone         1    0.8300  0.9300
    average               10    0.8500  1.1180
    greedy                 7    0.8800  0.9510
    All three were chosen on the validation samples and are optimistic, the greedy
      selection most. Kept: the average.
    """
    of = score_stored(next(iter(document["validation"].values())))
    rows = [["", "networks", of.name, "loss"]]
    for name, score in document["validation"].items():
        words = "the best alone" if name == "best" else name
        rows.append([words, f"{score['networks']:,}", of.fixed(score[of.name], 4), f"{score['loss']:.4f}"])
    n = len(document["members"])
    heading = f"Ensemble of the {f'{n} best trials' if n > 1 else 'best trial'}, on the validation samples"
    kept = ensemble_kept(document["method"], document.get("networks"))
    return [heading, *aligned(rows, "lrrr"), *wrapped(f"{kept}.")]


def _seeds(scores: Sequence[Mapping[str, Any]]) -> str:
    counts = sorted({len(score["values"]) for score in scores})
    return counted(counts[-1], "fresh seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} fresh seeds"


def _count(edge: Mapping[str, Any] | None) -> str:
    if edge is None:
        return "-"
    return f"{edge['best']} ALARM" if edge["alarm"] else str(edge["best"])


def _shortened(text: str) -> str:
    return text if len(text) <= _SPAN else text[: _SPAN - 3] + "..."


def wrapped(text: str, first: str = "", rest: str = "  ") -> list[str]:
    """Break a text into lines of at most `WIDTH` characters, indented by `first` and `rest`."""
    lines = textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(_JOINT, " ") for line in lines]
