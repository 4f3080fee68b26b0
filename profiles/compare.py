"""Compare two results of the same profile, figure by figure.

    python profiles/compare.py old.json new.json --threshold 10

The gain is how many times better the new figure is: above 1 faster, below 1 slower. Exits with 1 where a figure got
worse by more than the threshold.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _bench import load, number


@dataclass(frozen=True)
class Row:
    """One figure in both results; `gain` is None where neither direction is better, or a value is not positive."""

    section: str
    name: str
    old: float
    new: float
    unit: str
    gain: float | None
    within_spread: bool

    def regressed(self, threshold: float) -> bool:
        """Whether it got worse by more than `threshold` percent."""
        return self.gain is not None and self.gain < 1 - threshold / 100


def rows_of(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Row]:
    """Pair the figures that both results have, in the order of the new one."""
    before = {(figure["section"], figure["name"]): figure for figure in old["figures"]}
    rows = []
    for after in new["figures"]:
        figure = before.get((after["section"], after["name"]))
        if figure is None or figure["unit"] != after["unit"]:
            continue
        a, b = figure["value"], after["value"]
        gain = None
        if after["better"] and a > 0 and b > 0:
            gain = b / a if after["better"] == "higher" else a / b
        rows.append(Row(after["section"], after["name"], a, b, after["unit"], gain, overlap(figure, after)))
    return rows


def overlap(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether the ranges that two figures were measured in overlap; False where one has none."""
    if not all("low" in figure and "high" in figure for figure in (a, b)):
        return False
    return bool(a["low"] <= b["high"] and b["low"] <= a["high"])


def alone(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Name the figures that only one result has, or that have another unit."""
    units = [{(f["section"], f["name"]): f["unit"] for f in result["figures"]} for result in (old, new)]
    sentences = []
    for words, mine, other in (("only in the old", *units), ("only in the new", *reversed(units))):
        sentences += [f"{words}: {' / '.join(filter(None, key))}" for key in mine if key not in other]
    sentences += [
        f"other unit: {' / '.join(filter(None, key))}: {unit}, then {units[1][key]}"
        for key, unit in units[0].items()
        if key in units[1] and units[1][key] != unit
    ]
    return sentences


def doubts(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say what makes the comparison doubtful."""
    sentences = []
    for what in ("processor", "architecture", "cores", "threads"):
        a, b = (result.get("machine", {}).get(what) for result in (old, new))
        if a != b:
            sentences.append(f"note: the {what} differs: {a}, then {b}")
    if old.get("quick") != new.get("quick"):
        sentences.append("note: one of them was measured with --quick")
    return sentences


def table(rows: Sequence[Row], threshold: float) -> str:
    """Align the rows under their sections, and mark what got worse."""
    cells = [["", "old", "new", "", "gain", ""]]
    for row in rows:
        gain = "" if row.gain is None else f"{row.gain:.3f}"
        mark = ""
        if row.regressed(threshold):
            mark = "worse (ranges overlap)" if row.within_spread else "WORSE"
        cells.append([row.name, number(row.old), number(row.new), row.unit, gain, mark])
    widths = [max(len(line[k]) for line in cells) for k in range(len(cells[0]))]
    lines, section = [], ""
    for k, line in enumerate(cells):
        if k and rows[k - 1].section != section:
            section = rows[k - 1].section
            lines += ["", section] if section else [""]
        padded = [
            cell.ljust(w) if c in (0, 3, 5) else cell.rjust(w)
            for c, (cell, w) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def read(path: Path) -> dict[str, Any]:
    """Read a result; exit with a sentence where it is none."""
    try:
        result = load(path)
    except OSError as error:
        sys.exit(f"{path}: cannot be read ({error.strerror}); give a file that a profile wrote with --json")
    except (json.JSONDecodeError, UnicodeDecodeError):
        sys.exit(f"{path}: is not JSON; give a file that a profile wrote with --json")
    if not isinstance(result, dict) or not isinstance(result.get("figures"), list):
        sys.exit(f"{path}: has no figures; give a file that a profile wrote with --json")
    return result


def percent(text: str) -> float:
    """Read a threshold."""
    value = float(text)
    if not 0 <= value < 100:
        raise argparse.ArgumentTypeError(f"{text}: give percent from 0 to below 100")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return 1 where something got worse, else 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--threshold", type=percent, default=10.0, metavar="PERCENT", help="allowed loss (default: 10)")
    given = parser.parse_args(arguments)
    old, new = read(given.old), read(given.new)
    if old.get("profile") != new.get("profile"):
        sys.exit(
            f"{given.old} is of {old.get('profile')} and {given.new} of {new.get('profile')}: give two of one profile"
        )
    rows = rows_of(old, new)
    if not rows:
        sys.exit(f"{given.old} and {given.new} have no figure in common: measure the same sections")
    print(table(rows, given.threshold))
    print(*alone(old, new), *doubts(old, new), sep="\n")
    worse = [row for row in rows if row.regressed(given.threshold)]
    print(f"{len(rows)} figures, {len(worse)} worse by more than {given.threshold:g} %")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
