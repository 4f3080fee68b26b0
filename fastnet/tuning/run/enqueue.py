"""Points that a search tries first: reading and checking them; `sampler.Enqueued` puts them into the search.

The points are a setting of the study, so its first trials follow from its settings and their numbers like all others.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastnet.config.searching import MOST_POINTS, SearchConfig
from fastnet.config.settings import is_tame
from fastnet.errors import ConfigError
from fastnet.files import as_path
from fastnet.tuning.run.stages import stage_ids
from fastnet.tuning.space.given import point_of
from fastnet.tuning.space.names import Value
from fastnet.tuning.space.space import Space
from fastnet.tuning.store.folder import STUDY_FILE
from fastnet.tuning.store.study import Study

BEST_POINTS = 20
"""Trials that are taken of another study: its best."""

MAX_BYTES = 64 * 2**20
"""A larger file cannot be a list of points."""

Given = str | os.PathLike[str] | Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
"""What `read_points` reads."""


def checked_points(config: SearchConfig, space: Space) -> tuple[dict[str, Value], ...]:
    """Return the points of a search with the types of its space.

    Raises
    ------
    ConfigError
        If a point does not suit the space, or the points do not suit the search.

    Examples
    --------
    >>> config = SearchConfig(space={"dropout": "uniform:0:0.5"}, enqueue=[{"dropout": "0.25"}, {}])
    >>> checked_points(config, Space.parse(config.space))
    ({'dropout': 0.25}, {})
    """
    if not config.enqueue:
        return ()
    if config.sampler == "grid":
        raise ConfigError("enqueue: a grid has points of its own; choose another sampler, or leave enqueue out")
    first = len(stage_ids(config.trials, config.stages)[0])
    if config.stages > 1 and len(config.enqueue) > first:
        raise ConfigError(
            f"enqueue: {len(config.enqueue)} points are more than the {first} trials of the first stage; "
            "give fewer points, more trials, or one stage"
        )
    points = []
    for number, given in enumerate(config.enqueue, start=1):
        try:
            points.append(point_of(space, given))
        except ConfigError as error:
            raise ConfigError(f"enqueue, point {number}: {error}") from None
    return tuple(points)


def read_points(given: Given) -> tuple[Mapping[str, Any], ...]:
    """Read points that a search is to try first.

    Parameters
    ----------
    given : mapping, sequence of mappings, text or path
        Values by name; JSON text that begins with a bracket or a brace; or a path: a file of JSON, JSON lines or CSV
        with a header, the folder of a study, or a storage of Optuna, a journal or SQLite. Of a study the
        `BEST_POINTS` best trials are taken, best first.

    Returns
    -------
    tuple of mapping
        Not yet checked, see `checked_points`; missing values are left out.

    Raises
    ------
    ConfigError
        If it cannot be read.
    StudyError
        If a study cannot be read.

    Examples
    --------
    >>> read_points('{"learning_rate": 0.03}')
    ({'learning_rate': 0.03},)
    """
    if given is None:
        return ()
    if isinstance(given, Mapping):
        return (given,)
    if isinstance(given, str) and given.lstrip()[:1] in ("[", "{"):
        return _from_json(given, "enqueue")
    if isinstance(given, (str, os.PathLike)):
        return _from_path(as_path(given, "enqueue"))
    if not isinstance(given, Iterable):
        raise ConfigError(f"enqueue={str(given)[:40]!r}: give a path, a mapping, or a list of mappings")
    return tuple(given)


def _from_path(path: Path) -> tuple[Mapping[str, Any], ...]:
    if path.is_dir() or path.name == STUDY_FILE:
        with Study.read(path if path.is_dir() else path.parent) as study:
            points = tuple(dict(trial.params) for trial in study.best(BEST_POINTS, curves=False))
            if not points:
                raise ConfigError(f"enqueue: {path}: none of the {study.count():,} trials of the study has a value")
            return points
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"enqueue: {path}: {error.strerror or error}; give a file, or the folder of a study"
        ) from None
    if content.startswith(b"SQLite format 3\0") or b'"op_code"' in content.partition(b"\n")[0]:
        from fastnet.tuning.run.optuna import best_points

        return best_points(path, BEST_POINTS)
    if len(content) > MAX_BYTES:
        raise ConfigError(f"enqueue: {path}: larger than {MAX_BYTES // 2**20} MiB; give at most {MOST_POINTS:,} points")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"enqueue: {path}: not UTF-8 text; points are JSON, JSON lines or CSV") from None
    source = f"enqueue: {path}"
    return _from_json(text, source) if text.lstrip()[:1] in ("[", "{") else _from_csv(text, source)


def _from_json(text: str, source: str) -> tuple[Mapping[str, Any], ...]:
    """Read one JSON object, a list of them, or one in each line."""
    try:
        read = _parsed(text)
    except (ValueError, RecursionError) as error:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
        if len(lines) < 2 or text.lstrip().startswith("["):
            raise ConfigError(f"{source}: cannot be read as JSON: {error}") from None
        read = [_of_line(line, f"{source}: line {number}") for number, line in lines]
    points = [read] if isinstance(read, Mapping) else read
    for number, point in enumerate(points, start=1):
        if not isinstance(point, Mapping):
            raise ConfigError(
                f"{source}: point {number} is {str(point)[:40]!r}; write a JSON object of names and values"
            )
    return tuple({name: value for name, value in point.items() if value is not None} for point in points)


def _of_line(line: str, place: str) -> Any:
    try:
        return _parsed(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{place} cannot be read as JSON: {error}") from None


def _parsed(text: str) -> Any:
    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not a finite number")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            raise ValueError(f"{next(name for name in names if names.count(name) > 1)} is given twice")
        return made

    value = json.loads(text, parse_constant=refuse, object_pairs_hook=once)
    if not is_tame(value):
        raise ValueError("a number or a nesting is too large")
    return value


def _from_csv(text: str, source: str) -> tuple[Mapping[str, Any], ...]:
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    points = []
    try:
        names = next(reader, [])
        if not names or len(set(names)) < len(names) or not all(map(str.strip, names)):
            raise ConfigError(
                f"{source}: the first line must name each column once, such as learning_rate,weight_decay"
            )
        for row in reader:
            if len(row) > len(names):
                raise ConfigError(f"{source}: line {reader.line_num} has {len(row)} values for {len(names)} columns")
            if row:
                points.append({name: cell for name, cell in zip(names, row, strict=False) if cell.strip()})
    except csv.Error as error:
        raise ConfigError(f"{source}: line {reader.line_num} cannot be read as CSV: {error}") from None
    return tuple(points)
