"""Measure searches whose trials train in other processes: rates, bytes, and what they cost the process that leads.

    python profiles/cluster.py --json profiles/results/cluster.json
    python profiles/cluster.py --simulate --json profiles/results/cluster.json

Threads of one process, worker processes, Dask, MPI and Ray, as far as they are installed, train the same trials on the
same cores, in turn; all must find the same best trial. Thousands of workers are pretended (`_cluster/pretended.py`), so
that the leading process is measured with them, and simulated (`_cluster/simulation.py`), with failures, stragglers and
a network; --simulate repeats only the simulation, from the figures in the file.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from _bench import Report, figure_of, load, machine_text, parser, say
from _cluster.process import WORKLOADS
from _cluster.simulation import WORKERS, Cluster, Costs, Found, Simulation, part_trials, stops, swept

LABELS = {
    "local": "threads of one process", "processes": "processes", "dask": "Dask", "mpi": "MPI", "ray": "Ray",
}  # fmt: skip
PACKAGES = {"dask": "distributed", "mpi": "mpi4py", "ray": "ray"}
PRETENDED = (10, 100, 1000, 10_000)
"""Workers that are pretended."""
TRIALS_EACH, MOST_PRETENDED = 40, 100_000
FEW_TRIALS, QUICK_FEW = 3000, 200
"""Trials of a search whose parts have one trial."""
FLIGHTS = 4000
"""Futures that are waited for, to find out what one of them costs."""
LONGEST = 900.0
BOOK, TABLE, TINY = (WORKLOADS[name].title for name in ("book", "table", "tiny"))
BYTES, LEADER, MANY, SIMULATED = "bytes", "what the leading process does", "pretended workers", "simulated workers"


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    asked = parser(__doc__)
    asked.add_argument("--engines", nargs="+", default=list(LABELS), choices=tuple(LABELS), help="engines to measure")
    asked.add_argument("--rounds", type=int, help="times that each engine takes its turn (default: 5; 1 if quick)")
    asked.add_argument("--simulate", action="store_true", help="repeat only the simulation, from the figures of --json")
    options = asked.parse_args(arguments)
    report = Report("cluster", threads=options.threads, quick=options.quick)
    if options.simulate:
        report = known_report(report, options.json)
    else:
        print(machine_text(report.machine), file=sys.stderr)
        measure(report, [engine for engine in options.engines if available(engine)], options)
    simulate(report, WORKERS[:6] if options.quick else WORKERS)
    report.finish(options.json)


def known_report(report: Report, path: Path | None) -> Report:
    """Return the report of an earlier run, without its simulation."""
    if path is None or not path.is_file():
        sys.exit("--simulate needs the file of an earlier run: give it with --json")
    known = load(path)
    report.machine, report.quick, report.checks = known["machine"], known["quick"], known["verified"]
    report.warm_up_seconds = known["warm_up_seconds"]
    report.figures = [figure for figure in known["figures"] if not figure["section"].startswith(SIMULATED)]
    return report


def available(engine: str) -> bool:
    """Whether an engine is installed here; say so if not."""
    lacks = engine in PACKAGES and find_spec(PACKAGES[engine]) is None
    if lacks or (engine == "mpi" and mpiexec() is None):
        say(f"{LABELS[engine]}: left out, not installed")
        return False
    return True


def mpiexec() -> str | None:
    """Return the program that starts ranks: the one next to this Python, or one of the system."""
    near = Path(sys.executable).parent
    return shutil.which("mpiexec", path=os.pathsep.join([str(near), os.environ.get("PATH", "")]))


# Measurements ---------------------------------------------------------------------------------------------------------


def measure(report: Report, engines: Sequence[str], options: Any) -> None:
    """Measure everything."""
    rounds = options.rounds or (1 if options.quick else 5)
    with report.warming_up():
        cost("local", "book", 8, options.threads)
    for name in ("book", "table"):
        rates(report, name, engines, rounds, options)
    sizes(report, options)
    leader(report, engines, options)
    many(report, options)


def cost(engine: str, workload: str, trials: int, workers: int, *more: str) -> dict[str, Any]:
    """Search once in a process of its own, and return what it printed."""
    python: list[str] = [sys.executable]
    if engine == "mpi":
        root = ["--allow-run-as-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        python = [str(mpiexec()), "-n", str(workers + 1), "--oversubscribe", "--bind-to", "none", *root]
        python += [sys.executable, "-m", "mpi4py.futures"]
    command = [*python, "-m", "_cluster.process", engine, workload, str(trials), "--workers", str(workers), *more]
    folder = Path(__file__).parent
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=LONGEST, check=False)
    if done.returncode:
        sys.exit(f"{engine}, {workload}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def number_of(workload: str, quick: bool) -> int:
    """Return the trials of a search of a workload."""
    return WORKLOADS[workload].quick if quick else WORKLOADS[workload].trials


def rates(report: Report, workload: str, engines: Sequence[str], rounds: int, options: Any) -> None:
    """Measure trials per second of all engines in turn."""
    trials, found = number_of(workload, options.quick), {engine: [] for engine in engines}  # type: ignore[var-annotated]
    for _ in range(rounds):
        for engine in engines:
            found[engine].append(cost(engine, workload, trials, options.threads))
            say(f"{workload}, {LABELS[engine]}: {found[engine][-1]['rate']:.1f} trials/s")
    same_best(report, workload, found)
    report.section(WORKLOADS[workload].title)
    for engine in engines:
        add_rates(report, LABELS[engine], found[engine], found.get("local"))


def same_best(report: Report, workload: str, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """End the profile unless all engines found the same best trial."""
    best = {tuple(one["best"]) for some in found.values() for one in some}
    if len(best) > 1:
        sys.exit(f"{workload}: the best trial depends on the engine: {sorted(best)}")
    report.verified(f"{workload}: the same best trial on {len(found)} engines")


def add_rates(
    report: Report, label: str, some: Sequence[Mapping[str, Any]], local: Sequence[Mapping[str, Any]] | None
) -> None:
    """Add the figures of one engine."""
    each = [one["rate"] for one in some]
    extra = {name: middle(some, name) for name in ("first_seconds", "processor_us_a_trial") if name in some[0]}
    extra |= {name: middle(some, name) for name in ("part_seconds", "part_trials", "spread") if name in some[0]}
    if local:
        extra["of_threads"] = statistics.median(
            one["rate"] / other["rate"] for one, other in zip(some, local, strict=True)
        )
    report.add(label, statistics.median(each), "trials/s", low=min(each), high=max(each), **extra)


def middle(some: Iterable[Mapping[str, Any]], name: str) -> float:
    """Return the median of a figure over runs."""
    return float(statistics.median(one[name] for one in some))


def sizes(report: Report, options: Any) -> None:
    """Measure what a trial is in bytes, on the way and in the study."""
    report.section(BYTES)
    for workload in ("book", "table", "tiny"):
        trials = number_of(workload, options.quick)
        full = cost("processes", workload, trials, options.threads, "--weigh")
        bare = cost("processes", workload, trials, options.threads, "--no-curves")
        for name, value in (
            ("order", full["order_bytes_a_trial"]),
            ("reply", full["reply_bytes_a_trial"]),
            ("study, with curves", full["store_bytes_a_trial"]),
            ("study, without", bare["store_bytes_a_trial"]),
        ):
            report.add(f"{workload}: {name}", value, "B/trial", better="lower")
        report.add(f"{workload}: data, once for each worker", full["data_bytes"], "B", better="")


def leader(report: Report, engines: Sequence[str], options: Any) -> None:
    """Measure the processor time of the leading process for a part and for a trial, and its memory over many trials."""
    report.section(LEADER)
    trials = number_of("tiny", options.quick)
    few = QUICK_FEW if options.quick else FEW_TRIALS
    for engine in engines:
        long = cost(engine, "tiny", trials, options.threads)
        label = LABELS[engine]
        report.add(f"{label}: rate", long["rate"], "trials/s")
        if engine == "local":
            report.add(f"{label}: outside compiled code", long["outside_us_a_trial"], "us", better="lower")
            continue
        short = cost(engine, "tiny", few, options.threads, "--part-seconds", "1e-9")
        part = (short["processor_us_a_trial"] - long["processor_us_a_trial"]) * short["part_trials"]
        report.add(f"{label}: a part", part, "us", better="lower")
        report.add(f"{label}: a trial", long["processor_us_a_trial"], "us", better="lower",
                   trials_of_a_part=long["part_trials"])  # fmt: skip
        grown = 1e6 * (long["memory_last_mb"] - long["memory_first_mb"]) / (0.75 * trials)
        report.add(f"{label}: memory", long["memory_last_mb"], "MB", better="lower", bytes_a_trial=grown)
    own = cost("pretended", "book", trials // 5, 4, "--trial-seconds", "0.002")
    report.add("the search itself: a trial of the book", own["leader_us_a_trial"], "us", better="lower")
    report.add("waiting: a part under way", 1e6 * flight_seconds(FLIGHTS), "us", better="lower")


def flight_seconds(number: int, repeats: int = 5) -> float:
    """Return the seconds, for each part under way, of one turn of the loop that waits for replies."""
    futures: list[Future[Any]] = [Future() for _ in range(number)]

    def turn() -> float:
        began = time.perf_counter()
        wait(futures, timeout=0.0)
        return time.perf_counter() - began

    return statistics.median(turn() for _ in range(repeats)) / number


def many(report: Report, options: Any) -> None:
    """Measure the leading process with thousands of workers, which pretend to train trials as long as the book's."""
    report.section(MANY)
    seconds = trial_seconds(report.as_dict(), BOOK)
    for workers in PRETENDED[:2] if options.quick else PRETENDED:
        trials = min(MOST_PRETENDED, max(1000, (4 if options.quick else TRIALS_EACH) * workers))
        one = cost("pretended", "book", trials, workers, "--trial-seconds", f"{seconds:.6f}")
        report.add(
            f"{workers:,} workers", one["rate"], "trials/s", efficiency=one["rate"] * seconds / workers,
            leader_us_a_trial=one["leader_us_a_trial"], part_trials=one["part_trials"], memory_mb=one["memory_last_mb"],
        )  # fmt: skip
        say(f"{workers:,} pretended workers: {one['rate']:.0f} trials/s")


def trial_seconds(result: Mapping[str, Any], section: str) -> float:
    """Return the seconds of a trial on a worker, from the engine that gave most of them."""
    of = [f for f in result["figures"] if f["section"] == section and f.get("part_trials")]
    return float(statistics.median(f["part_seconds"] / f["part_trials"] for f in of))


# Simulation -----------------------------------------------------------------------------------------------------------


def costs_of(result: Mapping[str, Any], engine: str, workload: str) -> Costs:
    """Return what a search costs, from the measurements."""
    label, title = LABELS[engine], WORKLOADS[workload].title
    of_bytes = [figure_of(result, f"{workload}: {name}", BYTES)["value"] for name in ("order", "reply")]
    return Costs(
        trial_seconds=trial_seconds(result, title),
        spread=float(figure_of(result, label, title).get("spread", 0.0)),
        part=1e-6 * max(0.0, figure_of(result, f"{label}: a part", LEADER)["value"]),
        trial=1e-6 * figure_of(result, "the search itself: a trial of the book", LEADER)["value"],
        flight=1e-6 * figure_of(result, "waiting: a part under way", LEADER)["value"],
        trial_bytes=sum(of_bytes),
    )


def simulate(report: Report, counts: tuple[int, ...]) -> None:
    """Simulate more workers than there are, and compare with what was measured."""
    result = report.as_dict()
    measured = {f["section"] for f in result["figures"] if f["name"] in (LABELS["processes"], LABELS["dask"])}
    if find_spec("simpy") is None or not measured:
        say("the simulation is left out: it needs simpy, and figures of processes or Dask")
        return
    engine = "dask" if any(f["name"] == f"{LABELS['dask']}: a part" for f in result["figures"]) else "processes"
    for workload in ("book", "table"):
        costs = costs_of(result, engine, workload)
        compare(report, workload, engine, costs)
        for title, seconds in ways(report, costs):
            report.section(f"{SIMULATED}, {workload}, {title}")
            found = swept(costs, seconds, counts)
            add_simulated(report, counts, found)
    trouble(report, costs_of(result, engine, "book"), counts)


def ways(report: Report, costs: Costs) -> Iterable[tuple[str, float | None]]:
    """Yield the ways to cut parts: of 2 seconds, as the library does, and of 10."""
    for seconds in (2.0, 10.0):
        yield f"parts of {seconds:.0f} s", seconds


def add_simulated(report: Report, counts: Sequence[int], found: Sequence[Found]) -> None:
    """Add a figure for each number of workers, and the number where efficiency falls below 0.9."""
    for workers, one in zip(counts, found, strict=True):
        report.add(f"{workers:,} workers", one.rate, "trials/s", efficiency=one.efficiency, leader_busy=one.busy,
                   network_busy=one.link_busy, part_trials=one.part_trials, limit=one.limit)  # fmt: skip
    report.add("most workers at 0.9 of their speed", stops(tuple(counts), list(found)), "workers")


def compare(report: Report, workload: str, engine: str, costs: Costs) -> None:
    """Compare the simulation with the measurement on this machine, and with pretended workers."""
    result = report.as_dict()
    report.section(f"{SIMULATED}, {workload}, next to measured ones")
    workers = report.machine["threads"]
    real = figure_of(result, LABELS[engine], WORKLOADS[workload].title)["value"]
    add_compared(report, f"{workers} workers, {LABELS[engine]}", Simulation(costs, Cluster(workers)).run().rate, real)
    if workload != "book":
        return
    free = Costs(costs.trial_seconds, 0.06, part_of_leader(result, costs), costs.trial, costs.flight, 0.0)
    for figure in [f for f in result["figures"] if f["section"] == MANY]:
        number = int(figure["name"].split()[0].replace(",", ""))
        simulated = Simulation(free, Cluster(number, delay=0.0)).run().rate
        add_compared(report, f"{number:,} workers, pretended", simulated, figure["value"])


def part_of_leader(result: Mapping[str, Any], costs: Costs) -> float:
    """Return the seconds of the leading thread for a part, from few pretended workers."""
    figure = next(f for f in result["figures"] if f["section"] == MANY)
    return max(0.0, 1e-6 * figure["leader_us_a_trial"] - costs.trial) * float(figure["part_trials"])


def add_compared(report: Report, name: str, simulated: float, measured: float) -> None:
    """Add a simulated rate next to a measured one."""
    report.add(name, simulated, "trials/s", better="", measured=measured, off=simulated / measured - 1)


def trouble(report: Report, costs: Costs, counts: tuple[int, ...]) -> None:
    """Simulate failures, stragglers, workers that join slowly, and a slow network."""
    report.section(f"{SIMULATED}, book, parts of 2 s, with trouble")
    workers = 200 if 200 in counts else max(counts)
    cases: dict[str, dict[str, float]] = {
        "nothing": {},
        "a worker fails once an hour": {"failure_seconds": 3600.0},
        "a worker fails every five minutes": {"failure_seconds": 300.0},
        "one part in a hundred takes ten times as long": {"stragglers": 0.01},
        "workers join over a minute": {"join_seconds": 60.0},
        "a network of 10 Mbit/s": {"link": 1.25e6},
    }
    length: dict[str, Callable[[Simulation], Found]] = {
        name: (lambda one: one.run(seconds=600.0)) for name in cases if "fails" in name
    }
    for name, case in cases.items():
        simulation = Simulation(costs, Cluster(workers, **case), 2.0)
        one = length.get(name, Simulation.run)(simulation)
        report.add(name, one.efficiency, "of 1", workers=workers, limit=one.limit)


__all__ = ["Costs", "costs_of", "main", "part_trials"]

if __name__ == "__main__":
    main()
