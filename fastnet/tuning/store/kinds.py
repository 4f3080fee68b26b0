"""The kinds of the values of hyperparameters, without reading all trials where the names settle them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from fastnet.tuning.space.names import kind_of
from fastnet.tuning.store.folder import DamagedError

_TYPES = {int: "integer", str: "text"}
_KINDS = ("integer", "real", "text")  # SQLite's names, and sorted

Execute = Callable[[str], sqlite3.Cursor]
"""Runs a statement on the file of a study."""


def types_of(names: Sequence[str], execute: Execute) -> dict[str, str]:
    """Return the kind of each searched name: that of the name, or ``real`` unless all its values are whole."""
    if not _any("", execute):
        return dict.fromkeys(names, "real")
    return {name: _TYPES.get(kind_of(name).type) or _real_or_whole(name, execute) for name in names}


def found_types(execute: Execute) -> dict[str, str]:
    """Return the names and kinds in the trials of a study whose settings have no space."""
    kinds: dict[str, str] = {}
    for name, kind in execute("SELECT DISTINCT key, type FROM trials, json_each(trials.params) ORDER BY key, type"):
        if not (isinstance(name, str) and name.isidentifier()) or kind not in _KINDS:
            raise DamagedError("the hyperparameters of a trial")
        kinds[name] = max(kinds.get(name, ""), kind)
    return kinds


def path_of(name: str) -> str:
    """Write where a hyperparameter is, for SQL; only known names enter it."""
    return f"'$.\"{name}\"'"


def _real_or_whole(name: str, execute: Execute) -> str:
    return "real" if _any(f"WHERE json_type(params, {path_of(name)}) = 'real'", execute) else "integer"


def _any(where: str, execute: Execute) -> bool:
    return bool(execute(f"SELECT 1 FROM trials {where} LIMIT 1").fetchall())
