"""The results of a search as text, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastnet.config.metric import score_name, score_stored
from fastnet.progress.words import scored
from fastnet.sheets import harmless_row

from .budget import study_command

if TYPE_CHECKING:
    from fastnet.tuning import SearchResult, TrialResult

SCHEMA_VERSION = 1
"""Increased when a field of the JSON output is renamed, removed or changes its meaning."""


def trial_rows(result: SearchResult, metric: str) -> list[dict[str, Any]]:
    """Return a row for each trial, best first and diverged ones last."""
    from fastnet.report.listing import to_rows

    return to_rows(result.trials.iterate(curves=True, order="best"), metric)


def as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Write rows of equal names as CSV with a header; None is an empty field, and no text is a formula."""
    table = list(rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(harmless_row(table[0] if table else ()))
    writer.writerows(harmless_row(row.values()) for row in table)
    return text.getvalue().rstrip("\n")


def as_json(document: Mapping[str, Any]) -> str:
    """Write one JSON object on one line, without NaN and infinity; undecodable bytes of names become escapes."""
    text = json.dumps({"schema_version": SCHEMA_VERSION, **document}, ensure_ascii=False, allow_nan=False)
    return text.encode(errors="backslashreplace").decode()


def search_document(result: SearchResult, folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return all results of a search except the curves, which are in the study."""
    return {
        "settings": settings,
        "study": click.format_filename(folder),
        "interrupted": result.interrupted,
        "run": {
            "new_trials": result.new_trials,
            "wall_seconds": round(result.wall_seconds, 6),
            "compile_seconds": round(result.compile_seconds, 6),
            "compiled_seconds": round(result.compiled_seconds, 6),
            "trials_per_second": round(result.trials_per_second, 3),
            "outside_share": round(result.outside_share, 6),
        },
        "stages": list(result.stages),
        "final": result.final,
        "ensemble": result.ensemble_report,
        "trials": trial_rows(result, settings["metric"]),
    }


def search_lines(result: SearchResult, folder: Path, best: Sequence[TrialResult], metric: str) -> Iterator[str]:
    """Yield the outcome as text: stages, the best trials in the book's form, recommendation, choice, ensemble."""
    from fastnet.report.listing import format_best
    from fastnet.report.outcome import format_ensemble, format_final, format_recommendation, format_stage

    for stage in result.stages if len(result.stages) > 1 else ():
        if stage["report"] is not None:
            yield from (*format_stage({**stage["report"], "stage": stage["number"]}), "")
    yield from format_best(best, metric)
    if result.recommendation is not None:
        yield from (*([""] if best else []), *format_recommendation(result.recommendation))
    if result.final is not None:
        yield from ("", *format_final(result.final))
        yield from kept_lines(result.final["kept"], folder)
        yield from shortened_lines(result.final, folder)
    if result.ensemble_report is not None:
        yield from ("", *format_ensemble(result.ensemble_report), *ensemble_lines(result.ensemble_report, folder))
        yield from shortened_lines(result.ensemble_report, folder)


def next_lines(result: SearchResult, folder: Path, epochs: int) -> Iterator[str]:
    """Yield the command of another round, if one is promising."""
    following = (result.recommendation or {}).get("next")
    if following is None or result.interrupted:
        return
    longer = () if following["epochs"] == epochs else ("--epochs", str(following["epochs"]))
    words = {"wider": "in wider ranges", "narrower": "in narrower ranges", "longer": "with more epochs"}
    yield from ("", f"Another search {words.get(following['way'], '')} promises more:")
    yield f"  {study_command(folder, *longer, how='--after')}"


def kept_lines(kept: Mapping[str, Any] | None, folder: Path) -> Iterator[str]:
    """Yield the network that was kept, and its use of the test set."""
    if kept is None:
        return
    from fastnet.report.words import KEPT

    parts = [KEPT, _stored(kept, "validation", "val")]
    if kept["test_loss"] is not None:
        parts.append(_stored(kept, "test"))
    yield ", ".join(parts)
    yield from test_use_lines(kept)
    yield f"model: {click.format_filename(folder / kept['model'])}"


def ensemble_lines(document: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Yield the figures of the ensemble on the test set, and its file."""
    if document["test_loss"] is not None:
        yield f"{_stored(document, 'test')}, test loss:{document['test_loss']:.4f}"
    yield from test_use_lines(document)
    yield f"ensemble: {click.format_filename(folder / document['model'])}"


def _stored(document: Mapping[str, Any], part: str, word: str = "test") -> str:
    """Write the score of a part that a document holds."""
    score = score_stored(document, part).name
    return scored(word, document[score_name(part, score)], score)


def shortened_lines(document: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Yield the parts that there was no time for, and the command that completes them."""
    from fastnet.report.text import counted

    made = document.get("shortened")
    if made is None:
        return
    if made == 0:
        yield "No trial ended in time, so these networks were still training; for more time, run:"
        yield f"  {study_command(folder)}"
        return
    if isinstance(made, int):
        done = f"{made} of the {document['top']} best trials"
    else:
        done = f"{counted(made['candidates'], 'candidate')} with {counted(made['repeats'], 'seed')} each, of "
        done += f"{document['wanted']} with {document['repeats']}"
        if "epochs" in made:
            done += f", and for {counted(made['epochs'], 'epoch')} of the network kept"
    yield f"There was time for {done}; for all of them, run:"
    yield f"  {study_command(folder, '--finish')}"


def test_use_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a warning if the test set was used more than once."""
    if document.get("test_uses", 0) > 1:
        from fastnet.report.words import uses_of_test_set

        yield uses_of_test_set(document["test_uses"])


def closing_line(result: SearchResult, folder: Path) -> str:
    """Summarise number, speed and folder of the trials in one line."""
    diverged = result.count("diverged")
    counts = f"{result.new_trials} new" + (f", {diverged} diverged" if diverged else "")
    trials = f"{len(result.trials)} trial" + ("" if len(result.trials) == 1 else "s")
    parts = [f"{trials} ({counts}) in {result.wall_seconds:.1f} s"]
    if result.new_trials:
        parts.append(f"{result.trials_per_second:.1f} trials/s")
        parts.append(f"compile {result.compile_seconds:.1f} s")
        parts.append(f"{result.outside_share:.1%} of the time outside compiled code")
    return " | ".join([*parts, click.format_filename(folder)])
