"""The texts of `fastnet studies`: a study's row in the list, its description, the settings of a trial."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastnet.config.metric import DEFAULT_METRIC, METRICS
from fastnet.config.settings import format_memory

from .data_options import data_words, source_options
from .results import ensemble_lines, kept_lines
from .tables import LEFT, RIGHT, printable

if TYPE_CHECKING:
    from fastnet.tuning import Study, TrialResult

STUDY_HEADS = ("study", "data", "trials", "best", "metric", "last run", "size", "")
STUDY_SIDES = (LEFT, LEFT, RIGHT, RIGHT, LEFT, LEFT, RIGHT, LEFT)


def study_row(folder: Path) -> list[str]:
    """Return a study as a row of the list; raise `StudyError` if it cannot be read."""
    from fastnet.tuning import Study, is_being_written

    with Study.read(folder) as study:
        best = study.best_value()
        runs = study.runs()
        return [
            click.format_filename(folder),
            str(study.about.get("data", "-")),
            f"{study.count():,}",
            "-" if best is None else METRICS[study.metric].fixed(best, 4),
            study.metric,
            moment(runs[-1]["started"] if runs else study.created),
            format_memory(size_of(folder)),
            "being written" if is_being_written(folder) else "",
        ]


def size_of(folder: Path) -> int:
    """Return the bytes of the study's file and of SQLite's files next to it."""
    from fastnet.tuning import STUDY_FILE

    return sum(path.stat().st_size for path in folder.glob(f"{STUDY_FILE}*") if path.is_file())


def study_document(study: Study, folder: Path) -> dict[str, Any]:
    """Return everything about a study except its trials, for JSON."""
    from fastnet.tuning import is_being_written

    return {
        "study": click.format_filename(folder),
        "created": study.created,
        "settings_sha256": study.settings_sha256,
        "settings": study.settings,
        "data": study.about,
        "source": study.plan().get("source"),
        "trials": {status: study.count(status) for status in ("done", "stopped", "diverged")},
        "best_value": study.best_value(),
        "bytes": size_of(folder),
        "being_written": is_being_written(folder),
        "stages": study.stages(),
        "final": study.final(),
        "ensemble": study.ensemble(),
        "test_uses": study.test_uses(),
        "runs": study.runs(),
    }


def study_lines(document: Mapping[str, Any]) -> list[str]:
    """Write the document of a study as lines, with their subjects in a separate column."""
    from fastnet.report.text import counted

    settings = dict(document["settings"])
    space, train, data = settings.pop("space", {}), settings.pop("train", {}), document["data"]
    points = settings.pop("enqueue", [])
    fingerprint = str(settings.pop("data", ""))[:12]
    counts = ", ".join(f"{count:,} {status}" for status, count in document["trials"].items() if count)
    best = document["best_value"]
    metric = settings.get("metric", DEFAULT_METRIC)
    lines = [
        *subject(
            "study",
            [f"{document['study']}, {format_memory(document['bytes'])}", f"created {moment(document['created'])}"],
        ),
        *subject("", ["being written by a search"] if document["being_written"] else []),
        *subject("trials", [counts or "none yet", *([] if best is None else [f"best validation {metric} {best:g}"])]),
        *subject("data", [f"{data.get('data', 'unknown')}, fingerprint {fingerprint}", *sizes(data)]),
        *subject("", [shlex.join(words)] if (words := data_words(source_options(document["source"]))) else []),
        *subject("space", [f"{name} {text}" for name, text in space.items()] or ["nothing is searched"]),
        *subject("first", [counted(len(points), "given point")] if points else []),
        *subject("search", wrapped(settings)),
        *subject("training", wrapped(train)),
    ]
    lines += outcome_lines(document)
    for use in document["test_uses"]:
        rest = wrapped({name: value for name, value in use.items() if name != "at"})
        lines += subject("test set", [f"used {moment(use['at'])}", *rest])
    for number, run in enumerate(document["runs"], start=1):
        lines += subject(f"run {number}", run_lines(run))
    return lines


def outcome_lines(document: Mapping[str, Any]) -> list[str]:
    """Write stages, recommendation, final choice and ensemble as the search prints them."""
    from fastnet.report.outcome import format_ensemble, format_final, format_recommendation, format_stage

    lines: list[str] = []
    for stage in document["stages"]:
        report, last = stage["report"], stage["first"] + stage["count"] - 1
        ranges = [f"{name} {text}" for name, text in stage["space"].items()]
        texts = ranges if report is None else format_stage(report)
        lines += subject(f"stage {stage['number']}", [f"trials {stage['first']} to {last}", *texts])
        if report is not None and "recommendation" in report:
            lines += subject("advice", format_recommendation(report["recommendation"]))
    final, ensemble, folder = document["final"], document["ensemble"], Path(document["study"])
    if final is not None:
        lines += subject("final", [*format_final(final), *kept_lines(final["kept"], folder)])
    if ensemble is not None:
        lines += subject("ensemble", [*format_ensemble(ensemble), *ensemble_lines(ensemble, folder)])
        lines += subject("", wrapped({f"trial {row['trial']}": f"× {row['weight']}" for row in ensemble["members"]}))
    return lines


def run_lines(run: Mapping[str, Any]) -> list[str]:
    """Describe one run of a search: time, duration, machine, versions."""
    from fastnet.report.words import versions_of

    machine = run["environment"]
    place = [f"{machine['threads']} threads"] if "threads" in machine else []
    place += [str(machine[name]) for name in ("processor", "system") if name in machine]
    return [
        f"{moment(run['started'])}: {run['new_trials']:,} trials in {run['wall_seconds']:.1f} s, "
        f"compile {run['compile_seconds']:.1f} s",
        ", ".join([*place, *versions_of(machine)]),
    ]


def subject(name: str, texts: list[str]) -> list[str]:
    """Write lines on one subject, its name before the first."""
    return [f"{name if place == 0 else '':10}{printable(text)}".rstrip() for place, text in enumerate(texts) if text]


def sizes(data: Mapping[str, Any]) -> list[str]:
    """Describe the sizes of the data that the study knows."""
    from fastnet.report.text import counted

    words = {"n_train": "training", "n_validation": "validation samples", "n_features": "features"}
    words["n_classes"] = "classes"
    known = [f"{data[name]:,} {word}" for name, word in words.items() if data.get(name) is not None]
    known += [counted(data["n_targets"], "target")] if data.get("n_targets") is not None else []
    return [", ".join(known)] if known else []


def wrapped(settings: Mapping[str, Any]) -> list[str]:
    """Write names and values, filling lines; None values are left out."""
    lines: list[str] = []
    for name, value in settings.items():
        if value is None:
            continue
        text = f"{name} {brief(value)}"
        if lines and len(lines[-1]) + len(text) < 96:
            lines[-1] += f", {text}"
        else:
            lines.append(text)
    return lines


def brief(value: Any) -> str:
    """Write a value for people."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def moment(text: str) -> str:
    """Write a time of the study's file for people.

    >>> moment("2026-11-23T20:10:11+00:00")
    '2026-11-23 20:10:11 UTC'
    """
    return text.replace("T", " ").replace("+00:00", " UTC")


def trial_toml(study: Study, trial: TrialResult, folder: Path) -> str:
    """Write the settings of a trial as TOML, with a comment on their origin."""
    from fastnet.config.settings import to_toml
    from fastnet.report.text import counted

    from .study_commands import trial_settings

    given = trial_settings(study, trial)
    name, value = click.format_filename(folder), f"{trial.value:.6g}"
    head = [f"# trial {trial.id} of {name}: validation {study.metric} {value} after {counted(trial.epochs, 'epoch')}"]
    if "data" not in given:
        head.append(f"# data: {study.about.get('data', 'unknown')}; give its file with --data")
    return "\n".join([*map(printable, head), to_toml(given)]).rstrip("\n")
