"""What a campaign found: how often what was checked, how far results were off, and what failed."""

from __future__ import annotations

import traceback
from collections import Counter, defaultdict
from typing import Any

from _soak.drawing import Drawn

MOST_FAILURES = 200
"""Failures of which the words are kept."""


class Wrong(Exception):
    """A result is not what it must be."""


class Record:
    """Counts of one campaign.

    Attributes
    ----------
    configurations : int
    checks : Counter
        By name.
    traits : dict of str to Counter
        Configurations by each of `Drawn.traits`.
    notes : Counter
        What happened besides, such as trials that diverged.
    worst : dict of str to (float, int)
        Largest share of its tolerance that a difference took, and the configuration.
    failures : list of dict

    Examples
    --------
    >>> record, other = Record(), Record()
    >>> record.passed("alone"), other.passed("alone", 2), other.within("answers", 1e-7)
    (None, None, None)
    >>> record.add(other.as_dict())
    >>> record.checks["alone"], record.worst
    (3, {'answers': (1e-07, -1)})
    """

    def __init__(self) -> None:
        self.configurations = 0
        self.checks: Counter[str] = Counter()
        self.traits: dict[str, Counter[str]] = defaultdict(Counter)
        self.notes: Counter[str] = Counter()
        self.worst: dict[str, tuple[float, int]] = {}
        self.failures: list[dict[str, Any]] = []
        self._number = -1

    def begin(self, drawn: Drawn) -> None:
        """Count a configuration."""
        self._number = drawn.number
        self.configurations += 1
        for name, value in drawn.traits().items():
            if name == "kind" or drawn.kind in ("training", "poison", "shared"):
                self.traits[name][str(value)] += 1

    def passed(self, check: str, times: int = 1) -> None:
        """Count a check that held."""
        self.checks[check] += times

    def note(self, what: str) -> None:
        """Count something that is no check."""
        self.notes[what] += 1

    def within(self, what: str, off: float) -> None:
        """Keep the largest difference of a kind."""
        if what not in self.worst or off > self.worst[what][0]:
            self.worst[what] = off, self._number

    def failed(self, drawn: Drawn, error: BaseException) -> None:
        """Keep a failure with all that is needed to see it again."""
        words = str(error) if isinstance(error, Wrong) else "".join(traceback.format_exception(error)[-6:])
        if len(self.failures) < MOST_FAILURES:
            self.failures.append({"number": drawn.number, "kind": drawn.kind, "words": words, "drawn": repr(drawn)})

    def add(self, found: dict[str, Any]) -> None:
        """Add what another campaign found, as `as_dict` returned it."""
        self.configurations += found["configurations"]
        self.checks.update(found["checks"])
        self.notes.update(found["notes"])
        for name, counts in found["by"].items():
            self.traits[name].update(counts)
        for name, other in found["largest differences"].items():
            if name not in self.worst or other["off"] > self.worst[name][0]:
                self.worst[name] = other["off"], other["configuration"]
        self.failures += found["failures"]

    def as_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return {
            "configurations": self.configurations,
            "checks": dict(sorted(self.checks.items())),
            "notes": dict(sorted(self.notes.items())),
            "by": {name: dict(sorted(counts.items())) for name, counts in sorted(self.traits.items())},
            "largest differences": {
                name: {"off": off, "configuration": n} for name, (off, n) in sorted(self.worst.items())
            },
            "failures": self.failures,
        }
