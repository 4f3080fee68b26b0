"""Sentences and facts of the report: headline, budget, machine, the final choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastnet.config.metric import METRICS, four_digits, score_name, score_stored
from fastnet.report import words
from fastnet.report.text import counted
from fastnet.tuning.space.distributions import text_of
from fastnet.tuning.store.reading import StudyReader
from fastnet.tuning.trial import STATUSES, TrialResult
from fastnet.tuning.view.columns import DIVERGED, DONE, STOPPED, Columns

LISTED = ("hidden", "activation", "optimizer", "batch_size", "learning_rate", "weight_decay", "dropout", "seed")
"""Settings of the training that are listed if they are fixed."""

MOST_RUNS = 8
"""Most runs in the chart of the time; earlier ones are added up."""

Fact = tuple[str, str]


def cards(
    columns: Columns, best: Sequence[TrialResult], final: Mapping[str, Any] | None, test_uses: int
) -> list[dict[str, str]]:
    """Return the figures of the headline, each with ``title``, ``figure``, ``more`` and ``note``."""
    if not best:
        return []
    first, metric = best[0], columns.metric
    note = "The best of many trials was also lucky: expect less on other data." if len(columns) > 1 else ""
    found = [
        {"title": f"best of {counted(len(columns), 'trial')}", "figure": value_text(first.value),
         "more": f"validation {metric}, trial {first.id}", "note": note}
    ]  # fmt: skip
    if final is None:
        return found
    winner = final["candidates"][0]
    seeds = counted(len(winner["values"]) - winner["diverged"], "fresh seed")
    spread = ""
    if winner["low"] is not None:
        low, high = (METRICS[metric].fixed(winner[end], 3) for end in ("low", "high"))
        spread = f"{100 * final['confidence']:g} % interval {low} to {high}"
    found.append(
        {"title": "final choice", "figure": value_text(winner["mean"]),
         "more": f"mean validation {metric} of trial {winner['trial']} over {seeds}", "note": spread}
    )  # fmt: skip
    kept = final.get("kept") or {}
    if kept.get("test_loss") is not None:
        score = score_stored(kept, "test").name
        found.append(
            {"title": "test", "figure": value_text(kept[score_name("test", score)]),
             "more": f"{score} of the network kept, loss {kept['test_loss']:.4g}",
             "note": words.uses_of_test_set(max(test_uses, 1))}
        )  # fmt: skip
    return found


def budget(columns: Columns, runs: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> list[Fact]:
    """Return trials, epochs, time and speed."""
    per_status = np.bincount(columns.status, minlength=len(STATUSES)).tolist()
    words = ("to the end", "stopped early", "diverged")
    ended = ", ".join(f"{n:,} {word}" for n, word in zip(per_status, words, strict=True) if n)
    ended = "all to the end" if per_status[DONE] == len(columns) > 0 else ended
    wall = sum(run["wall_seconds"] for run in runs)
    compiling = sum(run["compile_seconds"] for run in runs)
    new = sum(run["new_trials"] for run in runs)
    facts = [("trials", f"{len(columns):,} ({ended})" if ended else "none yet")]
    train = settings.get("train", {})
    if "epochs" in train:
        facts.append(("epochs", f"{int(columns.epochs.sum()):,} in total, at most {train['epochs']:,} for a trial"))
    if wall > 0:
        time = f"{duration_text(wall)} in {counted(len(runs), 'run')}, {duration_text(compiling)} of it"
        facts.append(("time", f"{time} compiling or loading kernels"))
    if new and wall > compiling:
        facts.append(("speed", f"{new / (wall - compiling):.3g} trials/s"))
    return facts


def setting(study: StudyReader, settings: Mapping[str, Any]) -> list[Fact]:
    """Return data, fixed settings and strategy of the search."""
    about = study.about
    named = {"n_train": "to train", "n_validation": "to validate", "n_features": "features", "n_classes": "classes"}
    sizes = [f"{about[name]:,} {word}" for name, word in named.items() if about.get(name) is not None]
    sizes += [counted(about["n_targets"], "target")] if about.get("n_targets") is not None else []
    facts = [("data", ", ".join([str(about.get("data", "unknown")), *sizes]))]
    if settings.get("folds"):
        facts.append(("validation", f"{settings['folds']} stratified folds; values and curves are means over them"))
    train = settings.get("train", {})
    fixed = ", ".join(f"{name.replace('_', ' ')} {text_of(train[name])}" for name in LISTED if name in train)
    if fixed:
        facts.append(("fixed", fixed))
    strategy = [f"{name} {settings[name]}" for name in ("sampler", "pruning", "stages", "metric") if name in settings]
    if settings.get("enqueue"):
        strategy.append(f"{counted(len(settings['enqueue']), 'given point')} first")
    if strategy:
        facts.append(("search", ", ".join(strategy)))
    return facts


def machine(runs: Sequence[Mapping[str, Any]]) -> list[Fact]:
    """Return machine and versions of the last run."""
    if not runs:
        return []
    found = runs[-1]["environment"]
    place = [str(found[name]) for name in ("processor", "system", "machine") if name in found]
    if "threads" in found:
        place.append(counted(found["threads"], "thread"))
    different = len({str(run["environment"]) for run in runs}) > 1
    return [("machine", ", ".join(place) + (" (the last run; earlier ones ran on others)" if different else "")),
            ("versions", ", ".join(words.versions_of(found)))]  # fmt: skip


def state(columns: Columns, stages: Sequence[Mapping[str, Any]], final: Mapping[str, Any] | None, written: bool) -> str:
    """Describe an unfinished search; empty if it has finished."""
    ended = bool(stages) and "recommendation" in (stages[-1]["report"] or {})
    if written:
        return "A search is writing to this study; this page shows what was stored when it was written."
    if not ended:
        return f"The search has not finished; it has stored {counted(len(columns), 'trial')}."
    if final is not None and final.get("trials", len(columns)) != len(columns):
        return f"The final choice was made when the study had {counted(final['trials'], 'trial')}."
    return ""


def time_rows(runs: Sequence[Mapping[str, Any]], columns: Columns) -> dict[str, Any]:
    """Return the seconds of each run by activity, and of the trials by status."""
    rows = [
        {"label": f"run {number}", "compile": run["compile_seconds"], "trials": run["compiled_seconds"],
         "rest": max(0.0, run["wall_seconds"] - run["compile_seconds"] - run["compiled_seconds"])}
        for number, run in enumerate(runs, start=1)
    ]  # fmt: skip
    if len(rows) > MOST_RUNS:
        early, rows = rows[: 1 - MOST_RUNS], rows[1 - MOST_RUNS :]
        added = {name: sum(row[name] for row in early) for name in ("compile", "trials", "rest")}
        rows.insert(0, {"label": f"runs 1 to {len(early)}", **added})
    seconds = np.bincount(columns.status, weights=columns.seconds, minlength=len(STATUSES)).tolist()
    return {
        "runs": [{name: value if name == "label" else round(value, 3) for name, value in row.items()} for row in rows],
        "trials": [{"status": word, "seconds": round(spent, 3)} for word, spent in zip(STATUSES, seconds, strict=True)],
    }


def time_words(columns: Columns) -> str:
    """Describe how long trials took on their threads."""
    if not len(columns):
        return ""
    spent = columns.seconds
    median, longest = (seconds_text(float(value)) for value in (np.median(spent), spent.max()))
    words = f"The median time of a trial on its thread was {median}, the longest {longest}."
    wasted = float(spent[columns.status == DIVERGED].sum())
    if wasted and spent.sum() > 0:
        words += f" Diverged trials took {100 * wasted / spent.sum():.1f} % of the time of all trials."
    saved = int((columns.status == STOPPED).sum())
    return words + (f" {counted(saved, 'trial')} stopped early because others were better." if saved else "")


def kept_words(final: Mapping[str, Any]) -> str:
    """Describe the network that was kept, with its test figures."""
    kept = final.get("kept")
    if not kept:
        return ""
    text = words.KEPT
    if "seed" in kept.get("settings", {}):
        text += f" ({kept['settings']['seed']})"
    text += f", with the weights of epoch {kept['best_epoch']}" if kept.get("best_epoch") else ""
    score = score_stored(kept, "validation").name
    text += f": validation {score} {value_text(kept[score_name('validation', score)])}"
    if kept.get("test_loss") is not None:
        return f"{text}, {_tested(kept)}"
    return f"{text}. The data have no test set."


def ensemble_words(document: Mapping[str, Any]) -> str:
    """Describe the ensemble that was kept, with its test figures."""
    text = f"{words.ensemble_kept(document['method'], document.get('networks'))}, {document['model']}"
    return f"{text}." if document.get("test_loss") is None else f"{text}: {_tested(document)}"


def _tested(document: Mapping[str, Any]) -> str:
    score = score_stored(document, "test").name
    value = value_text(document[score_name("test", score)])
    return f"test {score} {value}, test loss {document['test_loss']:.4g}."


def value_text(value: float | None) -> str:
    """Write a score or a loss with four digits.

    >>> value_text(0.83), value_text(0.98125), value_text(None)
    ('0.83', '0.9812', '–')
    """
    return "–" if value is None or value != value else four_digits(value)


def seconds_text(seconds: float) -> str:
    """Write a short time.

    >>> seconds_text(0.01234), seconds_text(12.34)
    ('12.3 ms', '12.3 s')
    """
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def duration_text(seconds: float) -> str:
    """Write a time for people.

    >>> duration_text(7.25), duration_text(75), duration_text(3700)
    ('7.2 s', '1 min 15 s', '1 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
