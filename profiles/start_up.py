"""Measure what it costs to start: imports, `--help`, the first search on a machine, and every later one, by part.

    python profiles/start_up.py --json profiles/results/start_up.json

Every figure is that of a process of its own. The first search compiles into an empty cache folder, on one core and on
all; its trial must be the reference's. Later searches are followed from the start of the process to the moment when
their first trial begins.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _bench import Report, Timing, machine_text, parser, pinned

SEARCH = ("search", "--trials", "1", "--epochs", "1", "--format", "json", "--study")
FASTNET = (sys.executable, "-m", "fastnet_cli")

WATCHED = """
import time
marks = [("interpreter", time.time())]
def mark(name): marks.append((name, time.time()))
import json, sys
from fastnet_cli import main, search
mark("the command line: Click, settings")
import fastnet.training.pack
mark("NumPy, Numba and the kernels' sources")
spent = 0.0
begun = False
class Watched(fastnet.training.pack.PackRun):
    def start(self, *which):
        global begun
        if len(self.status) and not begun:  # not those of the final choice, which follow
            begun = True
            mark("data, study, and what else comes before the trial")
        super().start(*which)
def warm_up(*args, load=fastnet.training.pack.warm_up):
    global spent
    spent = load(*args)
    return spent
fastnet.training.pack.PackRun, fastnet.training.pack.warm_up = Watched, warm_up
sys.argv[0] = "fastnet"
try:
    main.main()
finally:
    told = {"marks": marks, "loading": spent, "modules": list(sys.modules)}
    print(json.dumps(told), file=sys.stderr)
"""
"""The command `fastnet` with marks at its steps; the last line on standard error tells them."""

IMPORTS = """
import contextlib, importlib, sys
for name in sys.argv[1:]:
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
"""
"""Imports what a search does, in the same order, but in one thread: the times of two threads come out mixed up."""

LOADING = "compiled kernels from the cache"


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    options = parser(__doc__).parse_args(arguments)
    report = Report("start_up", threads=options.threads, quick=options.quick)
    print(machine_text(report.machine), file=sys.stderr)
    cold(report, options.threads, quick=options.quick)
    with report.warming_up():
        timed(FASTNET, *SEARCH)
    repeats = 3 if options.quick else 15
    help_and_imports(report, repeats)
    warm(report, repeats)
    report.finish(options.json)


def timed(
    command: tuple[str, ...], *arguments: str, **environment: str
) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Run a command; arguments that end in ``--study`` get a folder that goes away. Return seconds and what was run."""
    with tempfile.TemporaryDirectory() as folder:
        if arguments and arguments[-1] == "--study":
            arguments = (*arguments, str(Path(folder) / "study"))
        began = time.perf_counter()
        done = subprocess.run(
            [*command, *arguments], env=os.environ | environment, cwd=folder, capture_output=True, text=True
        )
        seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stderr}")
    return seconds, done


def cold(report: Report, threads: int, *, quick: bool) -> None:
    """Time the first search of all, whose kernels are compiled."""
    report.section("first search on a machine, from an empty cache")
    for name, numbers in {"one core": [0], "all cores": list(range(threads))}.items():
        if quick and name == "one core" and threads > 1:
            continue
        with tempfile.TemporaryDirectory() as cache, pinned(numbers):
            seconds, done = timed(FASTNET, *SEARCH, FASTNET_CACHE=cache)
            size = sum(file.stat().st_size for file in Path(cache).rglob("*") if file.is_file())
        found = json.loads(done.stdout)
        verify(found)
        report.add(
            f"{name}, whole command", seconds, "s", better="lower", compiling_s=found["run"]["compile_seconds"],
            cache_mb=size / 1e6,
        )  # fmt: skip
    report.verified("the trial of a first search against fastnet.reference")


def verify(found: dict[str, Any]) -> None:
    """End the profile unless the trial of a search is the reference's."""
    import numpy as np

    import fastnet
    from fastnet import reference
    from fastnet.data.pipeline.scaling import fit_scaler

    trial, train = found["trials"][0], found["settings"]["train"]
    data = fastnet.take_first(fastnet.load("mnist5k"), found["settings"]["samples"])
    parts = fastnet.split(data.y)
    x = fit_scaler(data.x, parts.train).apply(data.x)
    expected = reference.training.train(
        x, data.y.astype(np.int64), parts.train, parts.validation, (784, *(100,) * 6, 10), epochs=1, stream=trial["id"],
        batch_size=train["batch_size"], learning_rate=trial["learning_rate"], weight_decay=trial["weight_decay"],
    )  # fmt: skip
    error = abs(trial["train_loss"] - float(expected.train_loss[0]))
    if not error <= 1e-4:
        sys.exit(f"the training loss of the first trial is {error:.3g} away from fastnet.reference")


def help_and_imports(report: Report, repeats: int) -> None:
    """Time what does no work, and the imports of a whole search."""
    report.section("without work")
    for name, command in {
        "python -c pass": (sys.executable, "-c", "pass"),
        "fastnet --help": (*FASTNET, "--help"),
        "fastnet search --help": (*FASTNET, "search", "--help"),
    }.items():
        seconds = Timing(tuple(timed(command)[0] for _ in range(repeats)))
        report.add(name, unit="ms", better="lower", **seconds.scaled(1e3))
    report.section("imports of a whole search, its picture included (python -X importtime, which adds some)")
    _, done = timed((sys.executable, "-c", WATCHED), *SEARCH)
    loaded = json.loads(done.stderr.splitlines()[-1])["modules"]
    _, done = timed((sys.executable, "-X", "importtime", "-c", IMPORTS, *loaded))
    for name, (seconds, modules) in by_package(done.stderr).items():
        report.add(name, 1e3 * seconds, "ms", better="lower", modules=modules)


def by_package(importtime: str, least: float = 0.005) -> dict[str, tuple[float, int]]:
    """Sum the lines of ``python -X importtime`` by package: seconds and modules, longest first.

    What takes less than `least` seconds is put together.

    >>> by_package("import time:     9000 |       9000 |   numpy.linalg\\nimport time:  1000 |  10000 | numpy\\n")
    {'numpy': (0.01, 2)}
    """
    sums: dict[str, tuple[int, int]] = {}  # microseconds, modules
    for line in importtime.splitlines():
        if not line.startswith("import time:") or "self [us]" in line:
            continue
        own, _, module = line.removeprefix("import time:").split("|")
        top = module.strip().split(".")[0]
        name = "standard library" if top in sys.stdlib_module_names else top.replace("fastnet_cli", "fastnet")
        spent, modules = sums.get(name, (0, 0))
        sums[name] = spent + int(own), modules + 1
    small = [name for name, (spent, _) in sums.items() if spent < 1e6 * least]
    if small:
        others = [sums.pop(name) for name in small]
        sums["others"] = sum(spent for spent, _ in others), sum(modules for _, modules in others)
    longest = sorted(sums.items(), key=lambda item: -item[1][0])
    return {name: (spent / 1e6, modules) for name, (spent, modules) in longest}


def warm(report: Report, repeats: int) -> None:
    """Follow later searches to their first trial."""
    parts: dict[str, list[float]] = {}
    whole, trial = [], []
    for _ in range(repeats):
        launched = time.time()
        seconds, done = timed((sys.executable, "-c", WATCHED), *SEARCH)
        told = json.loads(done.stderr.splitlines()[-1])
        before = launched
        for name, moment in told["marks"]:
            parts.setdefault(name, []).append(moment - before)
            before = moment
        parts[told["marks"][-1][0]][-1] -= told["loading"]
        parts.setdefault(LOADING, []).append(told["loading"])
        trial.append(before - launched)
        whole.append(seconds)
    report.section("later searches, to the first trial")
    report.add("to the first trial", unit="ms", better="lower", **Timing(tuple(trial)).scaled(1e3))
    report.add("whole command of one short trial, with its picture", unit="ms", better="lower",
               **Timing(tuple(whole)).scaled(1e3))  # fmt: skip
    report.section("later searches, by part")
    for name, seconds_of in parts.items():
        report.add(name, unit="ms", better="lower", **Timing(tuple(seconds_of)).scaled(1e3))


if __name__ == "__main__":
    main()
