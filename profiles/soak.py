"""Train random configurations and check each against independent truths: a campaign for as long as one likes.

    python profiles/soak.py --minutes 30 --seed 1
    python profiles/soak.py --seed 1 --only 4711

Configuration N of seed S is always the same; what a campaign finds is seen again by ``--only N``. Each is checked by
what applies to it: the NumPy reference in float64 (status, epochs, losses, scores, parameters), finite differences,
the same bits on other numbers of threads, in other packs and orders, alone, in parts, carried on, by another engine,
compiled for other processors (``--processors``), canaries round every buffer, poisoned and diverging neighbours, and
the public functions at the ends of what data and settings can be. ``--bounds`` repeats a share of the campaign with
every index of the kernels checked by Numba. The exit status is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # before NumPy and Numba
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("NUMBA_NUM_THREADS", "4")  # whatever the number of cores, several threads are tried

from _bench import machine
from _soak.bounds import proved
from _soak.drawing import KINDS
from _soak.driving import BOUNDS, answers, campaign, check_processors, in_another
from _soak.record import Record

EVERY = 500
"""Configurations between two lines of progress."""


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    options = _options(arguments)
    if options.answers:
        print(json.dumps(answers(options.seed, range(options.answers))))
        return 0
    record, began = Record(), time.monotonic()
    numbers = [options.only] if options.only is not None else range(options.first, options.first + options.count)
    until = began + 60 * options.minutes if options.minutes else float("inf")
    for number in campaign(record, options.seed, numbers, options.kind, until):
        if record.configurations % EVERY == 0 and not options.quiet:
            rate = (time.monotonic() - began) / record.configurations
            print(f"{number}: {len(record.failures)} failures, {1000 * rate:.0f} ms each", flush=True)
    seconds = 0.0
    for path in options.add:
        earlier = json.loads(path.read_text(encoding="utf-8"))
        record.add(earlier)
        seconds += earlier.get("seconds", 0.0)
    if options.processors:
        check_processors(record, options.seed, options.processors, options.cache)
    found = _described(options, record, seconds + time.monotonic() - began)
    if options.bounds:
        asked = ["--count", str(options.bounds), "--seed", str(options.seed), "--as-json"]
        found["with bounds checked"] = json.loads(in_another(BOUNDS, *asked, cache=options.cache))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(found) if options.as_json else summary(found))
    checked = found.get("with bounds checked", {})
    failed = bool(found["failures"] or checked.get("failures"))
    return int(failed and not options.as_json)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    made = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    made.add_argument("--minutes", type=float, help="end after this time")
    made.add_argument("--count", type=int, default=2**31, help="end after so many configurations")
    made.add_argument("--first", type=int, default=0, help="number of the first configuration")
    made.add_argument("--only", type=int, help="check this configuration alone")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--kind", choices=KINDS, help="configurations of this kind alone")
    made.add_argument("--processors", type=int, default=0, metavar="N", help="compare N of them on other processors")
    made.add_argument("--bounds", type=int, default=0, metavar="N", help="check N again with NUMBA_BOUNDSCHECK=1")
    made.add_argument("--cache", type=Path, help="folder that keeps the kernels compiled for the last two")
    made.add_argument("--json", type=Path, metavar="FILE", help="write all counts to FILE")
    made.add_argument("--add", type=Path, nargs="*", default=[], metavar="FILE", help="add the counts of such FILEs")
    made.add_argument("--answers", type=int, default=0, help=argparse.SUPPRESS)
    made.add_argument("--as-json", action="store_true", help=argparse.SUPPRESS)
    options = made.parse_args(arguments)
    if options.minutes is None and options.count == 2**31 and options.only is None and not options.answers:
        options.minutes = 10.0
    options.quiet = options.as_json or options.only is not None
    return options


def _described(options: argparse.Namespace, record: Record, seconds: float) -> dict[str, Any]:
    about = {"profile": "soak", "seed": options.seed, "seconds": round(seconds, 1), "machine": machine()}
    return about | {"indices checked": proved()} | record.as_dict()


def summary(found: dict[str, Any]) -> str:
    """Write what a campaign found as lines.

    >>> summary({"configurations": 2, "seconds": 1.0, "seed": 1, "checks": {"alone": 4}, "by": {}, "notes": {},
    ...          "largest differences": {}, "failures": []}).splitlines()[-1]
    'nothing failed'
    """
    lines = [f"{found['configurations']} configurations of seed {found['seed']} in {found['seconds']:.0f} s", ""]
    for title, values in (("checks that held", found["checks"]), ("besides", found["notes"])):
        lines += [title, *(f"  {count:>9} {name}" for name, count in values.items())]
    lines.append("largest differences")
    lines += [
        f"  {off['off']:9.2g} {name} ({off['configuration']})" for name, off in found["largest differences"].items()
    ]
    for name, counts in found["by"].items():
        lines.append(f"{name}: " + ", ".join(f"{value} {count}" for value, count in counts.items()))
    for failure in found["failures"]:
        lines += ["", f"FAILED {failure['number']} ({failure['kind']}): {failure['words']}", f"  {failure['drawn']}"]
    return "\n".join([*lines, "", f"{len(found['failures'])} FAILED" if found["failures"] else "nothing failed"])


if __name__ == "__main__":
    sys.exit(main())
