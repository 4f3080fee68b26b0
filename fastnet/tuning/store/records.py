"""The tables of a study's file, and the rows of a trial in them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.config.checks import MAX_EPOCHS
from fastnet.tuning.store.documents import Rules
from fastnet.tuning.store.folder import APPLICATION_ID, DamagedError
from fastnet.tuning.store.shapes import parse
from fastnet.tuning.trial import CURVES, TrialResult

FORMAT_VERSION = 2

TABLES = ("curves", "trials", "stages", "final", "test_uses", "runs", "meta")

SCHEMA = (
    # settings, settings_sha256, about, created; plan; ensemble, once there is one; writing, while a search is
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, started TEXT NOT NULL, environment TEXT NOT NULL, "
    "new_trials INTEGER NOT NULL, wall_seconds REAL NOT NULL, compile_seconds REAL NOT NULL, "
    "compiled_seconds REAL NOT NULL)",
    # params: a JSON object, names sorted. No index: the best 20 of 100,000 trials are found in 0.07 s.
    "CREATE TABLE trials (id INTEGER PRIMARY KEY, stage INTEGER NOT NULL, status TEXT NOT NULL, params TEXT NOT NULL, "
    "value REAL, best_value REAL, best_epoch INTEGER NOT NULL, epochs INTEGER NOT NULL, seconds REAL NOT NULL)",
    # float32, little-endian, C order: (4, epochs that ran), rows as in fastnet.tuning.trial.CURVES; planned counts all
    "CREATE TABLE curves (id INTEGER PRIMARY KEY REFERENCES trials (id), planned INTEGER NOT NULL, "
    "curves BLOB NOT NULL)",
    # space: a JSON object of texts; report: a JSON object, NULL until the stage has ended
    "CREATE TABLE stages (number INTEGER PRIMARY KEY, first INTEGER NOT NULL, count INTEGER NOT NULL, "
    "space TEXT NOT NULL, report TEXT)",
    "CREATE TABLE final (id INTEGER PRIMARY KEY CHECK (id = 1), document TEXT NOT NULL)",
    "CREATE TABLE test_uses (id INTEGER PRIMARY KEY, at TEXT NOT NULL, document TEXT NOT NULL)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT_VERSION}",
)

_DECLARED = {text.split()[2]: text for text in SCHEMA if text.startswith("CREATE TABLE")}

TRIAL_COLUMNS = "trials.id, stage, status, params, value, best_value, best_epoch, epochs, seconds"
# A trial that is already stored stays; any other conflict is an error.
INSERT_TRIAL = "INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
INSERT_CURVES = "INSERT INTO curves VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING"

# Built once; json.dumps would build one for each trial of a search.
_SORTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_ORDERED = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

_EPOCH_BYTES = 4 * len(CURVES)

NO_CURVES = np.empty((len(CURVES), 0), dtype=np.float32)
NO_CURVES.flags.writeable = False


def check_tables(found: Mapping[str, str]) -> None:
    """Raise `DamagedError` unless all tables of `SCHEMA` are declared as there; other tables are allowed."""
    for name, statement in _DECLARED.items():
        if found.get(name) != statement:
            raise DamagedError(f"the table {name}")


def trial_row(trial: TrialResult) -> tuple[Any, ...]:
    """Return the parameters of `INSERT_TRIAL`; SQLite stores NaN as NULL."""
    values = (trial.value, trial.best_value, trial.best_epoch, trial.epochs, trial.seconds)
    return (trial.id, trial.stage, trial.status, as_json(trial.params), *values)


def curves_row(trial: TrialResult) -> tuple[int, int, bytes]:
    """Return the parameters of `INSERT_CURVES`, without trailing epochs in which nothing was measured."""
    curves = trial.curves
    n = planned = curves.shape[1]
    if trial.epochs < planned:
        ran = np.flatnonzero(~np.isnan(curves).all(axis=0))
        n = int(ran[-1]) + 1 if len(ran) else 0
    return (trial.id, planned, np.ascontiguousarray(curves[:, :n], dtype="<f4").tobytes())


def trial_from(row: tuple[Any, ...], rules: Rules) -> TrialResult:
    """Return the trial of a row of `TRIAL_COLUMNS`, optionally followed by planned and curves.

    Raise `DamagedError` if the rules do not allow a value.
    """
    trial, stage, status, params, value, best_value, best_epoch, epochs, seconds, *stored = row
    given = parse(params)
    if not rules.fit((trial, stage, status, value, best_value, best_epoch, epochs, seconds), given):
        raise DamagedError(f"trial {trial}")
    curves = _curves_from(trial, stored, epochs, rules) if stored and stored != [None, None] else NO_CURVES
    value, best_value = (math.nan if number is None else number for number in (value, best_value))
    values = (value, best_value, best_epoch, curves, seconds, stage, epochs)
    return TrialResult(trial, status, given, *values, settings=rules.train)


def _curves_from(trial: int, stored: list[Any], epochs: int, rules: Rules) -> NDArray[np.float32]:
    planned, blob = stored
    least, most = (epochs, MAX_EPOCHS) if rules.epochs is None else (rules.epochs, rules.epochs)
    if not (
        type(planned) is int
        and least <= planned <= most
        and isinstance(blob, bytes)
        and len(blob) % _EPOCH_BYTES == 0
        and epochs <= len(blob) // _EPOCH_BYTES <= planned
    ):
        raise DamagedError(f"the curves of trial {trial}")
    ran = np.frombuffer(blob, dtype="<f4").reshape(len(CURVES), -1)
    curves = np.full((len(CURVES), planned), np.nan, dtype=np.float32)
    curves[:, : ran.shape[1]] = ran
    return curves


def as_json(value: Mapping[str, Any], *, ordered: bool = False) -> str:
    """Write JSON without NaN and infinity, with names sorted or, if `ordered`, in the order given."""
    return (_ORDERED if ordered else _SORTED)(value)


def sha256_of(text: str) -> str:
    """Hash a text, 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def now() -> str:
    """Return the time in UTC, to the second, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def describe_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Name each setting that differs between two studies, also in groups of settings, one level deep.

    Examples
    --------
    >>> describe_differences({"train": {"epochs": 50, "seed": 0}}, {"train": {"epochs": 9, "seed": 0}, "results": 2})
    'epochs 50 -> 9, results none -> 2'
    """
    before, after = _flat(old), _flat(new)
    changed = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    return ", ".join(f"{name} {_brief(before.get(name))} -> {_brief(after.get(name))}" for name in changed)


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat.update(value if isinstance(value, Mapping) else {name: value})
    return flat


def _brief(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return f"{len(value)} points ({sha256_of(_SORTED(value))[:12]})"
    text = str(value)
    return text[:12] if len(text) == 64 and set(text) <= set("0123456789abcdef") else text  # a SHA-256
