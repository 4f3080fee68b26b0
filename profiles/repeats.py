"""Measure what a long-lived process loses: everything a notebook or a service does, over and over in one process.

    python profiles/repeats.py --repeats 1000 --json profiles/results/repeats.json

Each round does every piece of work of `_repeats/work.py` once. After each, memory (once unused memory is returned),
descriptors, threads, child processes, temporary files, shared memory, objects, cached values and compiled functions are
counted. After the first rounds, which import, compile and fill caches of fixed size, nothing may grow. Linux only.
"""

from __future__ import annotations

import argparse
import functools
import gc
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _bench import Report, machine_text, parser, say
from _process import settled
from _repeats.work import RARE, WORK

REPEATS, QUICK_REPEATS = 1000, 12
RARE_EVERY = 20
WARM_UP = 0.2
"""Share of the rounds that are not judged."""

LEAST_GROWTH = 4096.0
"""Bytes of memory a round that are too few to tell: a page."""


class Counts(NamedTuple):
    """What the process takes after a round."""

    memory: float  # bytes that are not pages of files
    descriptors: int
    threads: int
    children: int
    temporary: int
    shared: int
    objects: int
    cached: int
    compiled: int


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    made = parser(__doc__)
    made.add_argument("--repeats", type=int, metavar="N", help=f"rounds (default: {REPEATS}; {QUICK_REPEATS} if quick)")
    made.add_argument("--minutes", type=float, metavar="N", help="as many rounds as N minutes allow, instead")
    made.add_argument("--only", choices=[*WORK, *RARE], help="do this piece of work only")
    made.add_argument("--types", action="store_true", help="list the types of which there are more objects at the end")
    options = made.parse_args(arguments)
    report = Report("repeats", threads=options.threads, quick=options.quick)
    print(machine_text(report.machine), file=sys.stderr)
    work = WORK if options.only is None else {options.only: (WORK | RARE)[options.only]}
    rare = RARE if options.only is None else {}
    going = limit(options)
    warnings.simplefilter("ignore")  # data so tiny arouse doubts
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "temporary"
        own.mkdir()
        os.environ["TMPDIR"] = tempfile.tempdir = str(own)
        rounds = repeat(work, rare, Path(folder) / "work", going, types=options.types)
    grown = judge(report, rounds, sum(map(len, (work, rare))))
    report.finish(options.json)
    if grown:
        sys.exit(f"growing: {', '.join(grown)}")


def limit(options: argparse.Namespace) -> Callable[[int], bool]:
    """Return what says whether there is one more round."""
    if options.minutes is not None:
        end = time.monotonic() + 60 * options.minutes
        return lambda rounds: time.monotonic() < end
    most = options.repeats or (QUICK_REPEATS if options.quick else REPEATS)
    return lambda rounds: rounds < most


def repeat(
    work: Mapping[str, Callable[[Path, int], None]], rare: Mapping[str, Callable[[Path, int], None]], folder: Path,
    going: Callable[[int], bool], *, types: bool = False,
) -> list[np.ndarray]:  # fmt: skip
    """Do the work round after round; return what the process takes after each."""
    rounds: list[np.ndarray] = []  # which the collector does not track, unlike tuples
    before: dict[str, int] = {}
    while going(len(rounds)):
        number = len(rounds)
        for each in (work | rare if number % RARE_EVERY == 0 else work).values():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            each(folder, number)
        rounds.append(np.array(counted(), np.float64))
        if types and number == max(2, QUICK_REPEATS // 3):
            before = by_type()
        if number % 50 == 0:
            say(f"round {number}: {Counts(*rounds[-1].tolist())}")
    if types:
        more = {name: n - before.get(name, 0) for name, n in by_type().items() if n > before.get(name, 0)}
        say("\n".join(f"{n:+8d}  {name}" for name, n in sorted(more.items(), key=lambda item: -item[1])[:25]))
    return rounds


def counted() -> Counts:
    """Count what this process takes now."""
    now = settled()
    return Counts(
        1e6 * now.own, now.descriptors, now.threads, now.children, now.temporary, now.shared,
        len(gc.get_objects()), cached(), compiled(),
    )  # fmt: skip


def of_fastnet() -> list[Any]:
    """Return the values of all modules of the library."""
    modules = [module for name, module in list(sys.modules.items()) if name.split(".")[0] == "fastnet"]
    return [value for module in modules for value in vars(module).values()]


def cached() -> int:
    """Count what the library's caches and module-level collections contain."""
    total, seen = 0, set()
    for value in of_fastnet():
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, functools._lru_cache_wrapper):
            own = value.__module__.split(".")[0] == "fastnet"  # others have a limit that they reach late
            total += value.cache_info().currsize if own else 0
        elif isinstance(value, (list, dict, set)):
            total += len(value)
    return total


def compiled() -> int:
    """Count the versions of the compiled functions."""
    found = {id(value): value for value in of_fastnet() if hasattr(value, "nopython_signatures")}
    return sum(len(value.nopython_signatures) for value in found.values())


def by_type() -> dict[str, int]:
    """Count the objects of each type."""
    found: dict[str, int] = {}
    for one in gc.get_objects():
        name = f"{type(one).__module__}.{type(one).__qualname__}"
        found[name] = found.get(name, 0) + 1
    return found


def judge(report: Report, rounds: list[np.ndarray], pieces: int) -> list[str]:
    """Fit a line to each count after the warm-up; return the names of those that grow.

    A count grows if its line rises by more than three standard errors, as the scatter of four parts of the rounds gives
    them, and by one over the rounds; memory by a page a round as well.
    """
    judged = np.array(rounds[int(WARM_UP * len(rounds)) :])
    report.section(f"{len(rounds):,} rounds of {pieces} pieces of work")
    grown = []
    for place, name in enumerate(Counts._fields):
        slope, error = line(judged[:, place])
        least = LEAST_GROWTH if name == "memory" else 1.0 / len(judged)
        grows = slope > 3 * error and slope > least
        scale, unit = (1e-6, "MB") if name == "memory" else (1.0, "")
        per = ("B" if name == "memory" else "") + " a round"
        report.add(name, scale * judged[-1, place], unit, better="lower", after_warm_up=scale * judged[0, place],
                   most=scale * judged[:, place].max(), growth=slope, error=error, of_growth=per.strip(),
                   verdict="grows" if grows else "level")  # fmt: skip
        if grows:
            grown.append(name)
    return grown


def line(values: np.ndarray) -> tuple[float, float]:
    """Return the slope of a line through values, one a round, and its standard error."""
    n = len(values)
    if n < 8:
        return float(values[-1] - values[0]) / max(n - 1, 1), 0.0
    x = np.arange(n)
    slope = float(np.polyfit(x, values, 1)[0])
    parts = [float(np.polyfit(x[k], values[k], 1)[0]) for k in np.array_split(x, 4) if len(k) > 1]
    return slope, float(np.std(parts) / 2)


if __name__ == "__main__":
    main()
