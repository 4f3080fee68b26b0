"""The outcome of an experiment: two sentences, claims that hold or not, tables and figures, with all numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from fastnet.experiments.summary import Spread, plain
from fastnet.report.chart import Figure
from fastnet.report.text import aligned

SCHEMA_VERSION = 1
"""Raised when a field of the JSON is renamed, removed or changes its meaning."""

Cell: TypeAlias = str | int | float | Spread | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim of the chapter, and whether it holds here.

    Parameters
    ----------
    text : str
        The claim.
    holds : bool
        Whether the numbers of this run satisfy `rule`.
    rule : str
        The measurement by which the claim holds.
    """

    text: str
    holds: bool
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under heads; the first column is text.

    Parameters
    ----------
    title : str
    heads : tuple of str
    rows : sequence of sequence of str, int, float, Spread or None
    """

    title: str
    heads: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]

    def cells(self) -> list[list[str]]:
        """Return the rows as texts.

        Examples
        --------
        >>> Table(title="", heads=("a", "n", "x"), rows=[("b", 1200, 0.5), ("c", None, 1e-8)]).cells()
        [['b', '1,200', '0.5'], ['c', '-', '1e-08']]
        """
        return [[_written(cell) for cell in row] for row in self.rows]

    def lines(self) -> list[str]:
        """Return title, heads and rows as aligned text."""
        return [self.title, *aligned([list(self.heads), *self.cells()], "l" + "r" * (len(self.heads) - 1))]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values ready for JSON."""
        return {"title": self.title, "heads": list(self.heads), "rows": plain(self.rows)}


def _written(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, (str, Spread)):
        return str(cell)
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:.4g}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """The outcome of an experiment.

    Parameters
    ----------
    name, title : str
    question : str
        Its question, with the section of *Deep Learning from Scratch*.
    seen, verdict : str
        Two sentences made of the measured numbers: the observation, and whether the chapter's claim holds here.
    remarks : tuple of str
        Further sentences.
    claims : tuple of Claim
    tables : tuple of Table
    figures : tuple of Figure
        The first one is the experiment's picture.
    settings : dict
        Settings of the networks.
    results : dict
        Numbers that no table contains.
    lab : dict
        Data and seeds.
    """

    name: str
    title: str
    question: str
    seen: str
    verdict: str
    claims: tuple[Claim, ...]
    tables: tuple[Table, ...]
    figures: tuple[Figure, ...]
    settings: dict[str, Any]
    lab: dict[str, Any]
    remarks: tuple[str, ...] = ()
    results: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return everything ready for JSON: the same on every machine and with any number of threads."""
        claims = [{"text": claim.text, "holds": claim.holds, "rule": claim.rule} for claim in self.claims]
        return {
            "schema_version": SCHEMA_VERSION,
            "experiment": self.name,
            "title": self.title,
            "question": self.question,
            "sentences": [self.seen, self.verdict],
            "remarks": list(self.remarks),
            "claims": claims,
            **plain(self.lab),
            "settings": plain(self.settings),
            "tables": [table.to_dict() for table in self.tables],
            "results": plain(self.results),
            "figures": [plain(figure.to_dict()) for figure in self.figures],
        }
