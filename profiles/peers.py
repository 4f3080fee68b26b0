"""Measure this project beside what else could be used, on the same data and cores, in one run.

Six sections: `trial` trains the networks of the book's search, on one core and on all; `network` one network at a
time; `search` runs whole random searches on all cores; `cold` runs a search of 100 trials on one core from the start of
the process to its end, first with nothing cached; `small` trains the networks of `_networks.SMALL` on tables, on one
core; `folds` runs random searches of a table with five folds on all cores. Every peer runs in processes of its own, in
the settings in which it came out fastest (`_peers/` says which), two of them also as they are shipped, and has to learn
as plain NumPy does before it is timed. All peers take turns in every round, so that a slow moment of the machine meets
them alike.

    python profiles/peers.py --quick
    python profiles/peers.py --data-dir DATA --json peers.json --png peers.png
    python profiles/peers.py --only trial --peers torch,jax

Everything takes about 50 minutes on two cores, `--quick` about ten, without the peers that are slowest to start; with
`--only` and `--keep` the sections can be measured one by one into the same file.

The peers come with `pip install '.[bench]'`. Without a folder of MNIST the images inside the package are used.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import _bench
import numpy as np
from _bench import say
from _peers import small, task
from _peers.catalog import CHECK_ALIAS, OURS, PEERS, SLOW, environment, missing, tuned
from _peers.process import PROFILES, PeerError, Process, Team, changed

SECTIONS = ("trial", "network", "search", "cold", "small", "folds")

ONE_CORE = "Networks of a search, one core"
ALL_CORES = "Networks of a search, all cores"
SEARCH = "Random search, all cores"
COLD = "Whole search, one core, nothing cached"
WARM = "Whole search, one core, caches filled"
NETWORKS = {
    "784-512-512-10, batch 128, Adam, all cores": ((512, 512), 128),
    "784-100-10, batch 32, Adam, all cores": ((100,), 32),
}

TRIALS_AT_ONCE = 8
"""Networks that a core trains in a round: a multiple of what PyTorch stacks and JAX maps."""

TOLERANCE_ACCURACY = 0.05
"""Allowed between mean validation accuracies of 24 networks each: the difference has a standard error of 0.01."""
STRONG_DECAY = 0.1
"""Shrinks every weight by a fifth over a trial, so that a peer that penalises differently is found out."""
TOLERANCE_LOSS = 0.25
"""Allowed, relative, between mean validation losses under strong weight decay: the standard error is 0.06, half the
decay lowers the loss by 0.36, none by 0.54, twice as much raises it by 0.81 (48 networks each on MNIST)."""


class Bench:
    """One run: its arguments, its data and its report.

    Parameters
    ----------
    arguments : argparse.Namespace
        From `parse`.
    folder : Path
        For data, caches and studies; deleted afterwards.
    """

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self.arguments = arguments
        self.folder = folder
        self.threads: int = arguments.threads
        self.report = _bench.Report("peers", threads=self.threads, quick=arguments.quick)
        self.report.machine |= {
            name: _bench.package_version(name) for name in ("scikit-learn", "torch", "jax", "optuna")
        }
        self.notes: list[str] = []
        self.data = "mnist" if arguments.data_dir else "mnist5k"
        self.notes.append(f"data: {'MNIST' if arguments.data_dir else 'the 5,000 images of MNIST inside the package'}")
        self.small = folder / "small.npz"
        task.samples(self.data, arguments.data_dir, 500).write(self.small)

    def note(self, text: str) -> None:
        """Keep a sentence for the report, and show it now."""
        if text not in self.notes:
            self.notes.append(text)
            say(text)

    def chosen(self, kind: str) -> list[str]:
        """Return the peers of a kind that were asked for and are installed; what is missing is noted."""
        names = [name for name, entry in PEERS.items() if getattr(entry, kind) and name in self.arguments.peers]
        if not tuned(self.report.machine["features"], self.report.machine["processor"]):
            names = [name for name in names if not PEERS[name].as_shipped]
        for name in names:
            if missing(name):
                self.note(f"{PEERS[name].label}: {missing(name)}")
        return [name for name in names if not missing(name)]

    def start(self, name: str, processes: int, threads: int, home: str = "") -> Team:
        """Start a peer in so many processes of so many threads, each on cores of its own."""
        variables = environment(
            name, threads, self.folder, self.report.machine["features"], self.report.machine["processor"]
        )
        last = _bench.cores() - 1  # the first core does more of the system's own work
        numbers = [[last - p] if threads == 1 and processes <= last + 1 else range(last + 1) for p in range(processes)]
        return Team([Process(home or PEERS[name].home, threads, some, variables) for some in numbers])

    def add(self, name: str, timing: _bench.Timing, work: float, unit: str, ours: float, **extra: Any) -> None:
        """Add the rate of a peer, and how many times that of this project is."""
        figure = timing.rate(work)
        ratio = {} if np.isnan(ours) else {"ratio": round(ours / figure["value"], 2)}
        self.report.add(PEERS[name].label, unit=unit, **figure, **ratio, **extra)


def trial_section(bench: Bench) -> None:
    """Time the training of a search's networks, on one core and on all."""
    teams = verified_teams(bench)
    if not teams:
        return
    try:
        seconds: dict[tuple[str, str], list[float]] = {}
        for turn in range(bench.arguments.rounds or (2 if bench.arguments.quick else 7)):
            for name, (alone, together) in teams.items():
                one = alone.share("trials", parts(1, 1, turn))[0]
                seconds.setdefault((ONE_CORE, name), []).append(one / TRIALS_AT_ONCE)
                many = together.share("trials", parts(bench.threads, len(together.processes), turn))[0]
                seconds.setdefault((ALL_CORES, name), []).append(many / (TRIALS_AT_ONCE * bench.threads))
            say(f"trial: round {turn + 1}: {', '.join(f'{n} {seconds[ONE_CORE, n][-1]:.3f}' for n in teams)} s")
    finally:
        for team in {team for pair in teams.values() for team in pair}:
            team.close()
    for section in (ONE_CORE, ALL_CORES):
        bench.report.section(section)
        timings = {name: _bench.Timing(tuple(seconds[section, name])) for name in teams}
        ours = 1 / timings[OURS].median if OURS in timings else np.nan
        for name, timing in timings.items():
            bench.add(name, timing, 1, "trials/s", ours, ms=round(1e3 * timing.median, 1))


def verified_teams(bench: Bench) -> dict[str, tuple[Team, Team]]:
    """Start the peers that train trials, compile, and keep those that learn alike: (on one core, on all) of each."""
    count = TRIALS_AT_ONCE * (2 if bench.arguments.quick else 3)
    expected = bench.start("numpy", bench.threads, 1)
    expected.call("prepare", "trials", str(bench.small))
    reference = learnt(expected, count)
    expected.close()
    say(f"reference: validation accuracy {reference[0]:.3f}, loss under weight decay {reference[1]:.3f}")
    teams: dict[str, tuple[Team, Team]] = {}
    for name in bench.chosen("trials"):
        entry = PEERS[name]
        started: list[Team] = []
        try:
            with bench.report.warming_up():
                started.append(bench.start(name, bench.threads if entry.process_per_core else 1, 1))
                if not entry.process_per_core:
                    started.append(bench.start(name, 1, bench.threads))
                for team in started:
                    team.call("prepare", "trials", str(bench.small))
                    team.share("trials", parts(len(team.processes), len(team.processes), 0))
            if name in CHECK_ALIAS:
                checked = bench.start(name, bench.threads, 1, CHECK_ALIAS[name])
                checked.call("prepare", "trials", str(bench.small))
                found = learnt(checked, count)
                checked.close()
            else:
                found = learnt(started[-1], count)
            compare(bench, name, found, reference, count)
        except PeerError as error:
            bench.note(f"{entry.label}: left out: {error}")
            for team in started:
                team.close()
            continue
        teams[name] = (started[0], started[-1])
    return teams


def learnt(team: Team, count: int) -> tuple[float, float]:
    """Mean validation accuracy at a good learning rate, and mean validation loss under strong weight decay."""
    share = -(-count // len(team.processes))
    found = []
    for decay in (1e-8, STRONG_DECAY):
        arguments = [([0.01] * share, [decay] * share, 1000 + p) for p in range(len(team.processes))]
        found.append(np.concatenate(team.share("trials", arguments)[1]).mean(axis=0))
    return float(found[0][3]), float(found[1][2])


def compare(bench: Bench, name: str, found: tuple[float, float], expected: tuple[float, float], count: int) -> None:
    """Raise `PeerError` unless a peer has learnt what the reference has."""
    words = f"validation accuracy {found[0]:.3f}, loss under weight decay {found[1]:.3f}"
    say(f"{name}: {words}")
    if abs(found[0] - expected[0]) > TOLERANCE_ACCURACY or abs(found[1] / expected[1] - 1) > TOLERANCE_LOSS:
        raise PeerError(f"it learns otherwise ({words}) than the reference ({expected[0]:.3f}, {expected[1]:.3f})")
    initial = " (with the book's initial weights)" if name in CHECK_ALIAS else ""
    bench.report.verified(f"{PEERS[name].label}: {words}, {count} networks each{initial}")


def parts(cores: int, processes: int, seed: int) -> list[tuple[list[float], list[float], int]]:
    """Draw the trials of a round, `TRIALS_AT_ONCE` a core, the same for every peer, and share them out."""
    rng = np.random.default_rng(seed)
    rates = 10 ** rng.uniform(-6, -2, (processes, cores * TRIALS_AT_ONCE // processes))
    decays = 10 ** rng.uniform(-8, -4, rates.shape)
    return [(rates[p].tolist(), decays[p].tolist(), seed * processes + p) for p in range(processes)]


def network_section(bench: Bench) -> None:
    """Time one network after the other, and see that they come out alike."""
    quick = bench.arguments.quick
    path = bench.folder / "large.npz"
    data = task.samples(bench.data, bench.arguments.data_dir, 5000 if quick and bench.data == "mnist" else None)
    data.write(path)
    epochs = 2 if quick else bench.arguments.rounds or 5
    for section, (hidden, batch) in NETWORKS.items():
        teams = {}
        for name in bench.chosen("network"):
            try:
                with bench.report.warming_up():
                    teams[name] = fastest(bench, name, path, hidden, batch)
            except PeerError as error:
                bench.note(f"{PEERS[name].label}: left out: {error}")
        train: dict[str, list[float]] = {name: [] for name in teams}
        total: dict[str, list[float]] = {name: [] for name in teams}
        for epoch in range(epochs):
            for name, (team, _) in teams.items():
                seconds, (evaluation, *_) = team.call("epoch")[0], team.call("evaluate")[0]
                train[name].append(seconds)
                total[name].append(seconds + evaluation)
            say(f"network {hidden}: epoch {epoch + 1}: {', '.join(f'{n} {train[n][-1]:.2f}' for n in teams)} s")
        accuracies = {name: team.call("test_accuracy")[0] for name, (team, _) in teams.items()}
        for team, _ in teams.values():
            team.close()
        bench.report.section(section)
        ours = len(data.x_train) / _bench.Timing(tuple(train[OURS])).median if OURS in teams else np.nan
        for name, (_, threads) in teams.items():
            extra = {"test accuracy": round(accuracies[name], 4), "threads": threads}
            extra["s/epoch, evaluated"] = round(float(np.median(total[name])), 3)
            bench.add(name, _bench.Timing(tuple(train[name])), len(data.x_train), "samples/s", ours, **extra)
        alike(bench, section, accuracies, epochs, 0.015 if len(data.x_train) > 10_000 else 0.06)


def alike(bench: Bench, section: str, accuracies: dict[str, float], epochs: int, tolerance: float) -> None:
    """Note whether the test accuracies after the same epochs agree."""
    if not accuracies:
        return
    middle = float(np.median(list(accuracies.values())))
    far = [PEERS[name].label for name, value in accuracies.items() if abs(value - middle) > tolerance]
    if far:
        bench.note(f"{section}: {', '.join(far)}: test accuracy more than {tolerance} from the others' {middle:.4f}")
    else:
        bench.report.verified(
            f"{section}: after {epochs} epochs all test accuracies within {tolerance} of {middle:.4f}"
        )


def fastest(bench: Bench, name: str, path: Path, hidden: tuple[int, ...], batch: int) -> tuple[Team, int]:
    """Start a peer with one thread and with all, and keep the faster; this project chooses by itself."""
    candidates = [bench.threads] if name == OURS else sorted({1, bench.threads})
    best, best_seconds, best_threads = None, np.inf, 0
    for threads in candidates:
        team = bench.start(name, 1, threads)
        try:
            team.call("prepare", "network", str(path), hidden, batch)
            if len(candidates) == 1:
                return team, threads
            seconds = team.call("epoch")[0]
        except PeerError:
            team.close()
            raise
        loser = team
        if seconds < best_seconds:
            loser, best, best_seconds, best_threads = best, team, seconds, threads
        if loser:
            loser.close()
    assert best is not None
    best.call("prepare", "network", str(path), hidden, batch)
    return best, best_threads


def search_section(bench: Bench) -> None:
    """Time random searches over the book's ranges, as a user would call them."""
    arguments, quick = bench.arguments, bench.arguments.quick
    counts = dict.fromkeys(PEERS, arguments.peer_trials or (10 * bench.threads if quick else 60))
    counts[OURS] = 40 if quick else 200
    options = {"data": bench.data, "data_dir": arguments.data_dir, "samples": 500}
    teams = {}
    for name in bench.chosen("search"):
        entry = PEERS[name]
        try:
            with bench.report.warming_up():
                several = entry.process_per_core
                teams[name] = bench.start(name, bench.threads if several else 1, 1 if several else bench.threads)
                teams[name].call("prepare", "search", str(bench.small), options)
        except PeerError as error:
            bench.note(f"{entry.label}: left out: {error}")
    seconds: dict[str, list[float]] = {name: [] for name in teams}
    best: dict[str, float] = {}
    for turn in range(1 if quick else arguments.rounds or 3):
        for name, team in teams.items():
            n = len(team.processes)
            shares = [(counts[name] // n + (p < counts[name] % n), turn * n + p) for p in range(n)]
            spent, values = team.share("search", shares)
            seconds[name].append(spent / counts[name])
            best[name] = max([best.get(name, 0.0), *values])
        say(f"search: round {turn + 1}: {', '.join(f'{n} {1 / seconds[n][-1]:.2f}' for n in teams)} trials/s")
    for team in teams.values():
        team.close()
    bench.report.section(SEARCH)
    ours = 1 / float(np.median(seconds[OURS])) if OURS in teams else np.nan
    for name in teams:
        timing = _bench.Timing(tuple(seconds[name]))
        bench.add(name, timing, 1, "trials/s", ours, trials=counts[name], best=round(best[name], 3))


def cold_section(bench: Bench) -> None:
    """Time whole processes that search on one core, with nothing cached, and again with what they had cached."""
    n_trials = 10 if bench.arguments.quick else 100
    names = bench.chosen("whole")
    cold: dict[str, list[float]] = {name: [] for name in names}
    warm: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(1 if bench.arguments.quick else bench.arguments.rounds or 3):
        for name in list(cold):
            with tempfile.TemporaryDirectory(dir=bench.folder) as caches:
                try:
                    cold[name].append(whole(bench, name, n_trials, Path(caches), "first"))
                    again = PEERS[name].caches
                    warm[name].append(whole(bench, name, n_trials, Path(caches), "second") if again else cold[name][-1])
                except PeerError as error:
                    bench.note(f"{PEERS[name].label}: left out: {error}")
                    del cold[name], warm[name]
        say(f"cold: round {turn + 1}: {', '.join(f'{n} {cold[n][-1]:.1f}/{warm[n][-1]:.1f}' for n in cold)} s")
    for section, seconds in ((COLD, cold), (WARM, warm)):
        bench.report.section(section)
        ours = float(np.median(seconds[OURS])) if OURS in seconds else np.nan
        for name, some in seconds.items():
            figure = _bench.Timing(tuple(some)).scaled(1.0)
            ratio = {} if np.isnan(ours) else {"ratio": round(figure["value"] / ours, 2)}
            bench.report.add(PEERS[name].label, unit="s", better="lower", **figure, **ratio, trials=n_trials)


def whole(bench: Bench, name: str, n_trials: int, caches: Path, study: str) -> float:
    """Run one process from start to end on one core; return its seconds.

    Ours stores its study and draws a picture besides, but trains no final choice, for the others have none.
    """
    machine = bench.report.machine
    variables = environment(name, 1, bench.folder, machine["features"], machine["processor"])
    variables |= {
        "FASTNET_CACHE": str(caches / "fastnet"),
        "TORCHINDUCTOR_CACHE_DIR": str(caches / "inductor"),
        "JAX_COMPILATION_CACHE_DIR": str(caches / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    if name == OURS:
        command = ["-m", "fastnet_cli", "search", "--trials", str(n_trials), "--jobs", "1", "--data", bench.data]
        command += ["--samples", "500", "--study", str(caches / study), "--final", "none"]
        command += ["--data-dir", bench.arguments.data_dir] if bench.arguments.data_dir else []
    else:
        command = ["-m", "_peers.whole", PEERS[name].home, str(bench.small), str(n_trials)]
    with _bench.pinned([_bench.cores() - 1]):
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *command], cwd=PROFILES, env=changed(variables), capture_output=True, text=True
        )
        seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise PeerError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return seconds


def names_of(allowed: Sequence[str]) -> Callable[[str], list[str]]:
    """Return a reader of comma-separated names, all of them allowed."""

    def read(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in names if name not in allowed]
        if unknown or not names:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown) or 'nothing'}: give some of {', '.join(allowed)}")
        return names

    return read


def data_folder(text: str) -> str:
    """Return the folder as an absolute path if MNIST is in it."""
    from fastnet.data.readers.idx import find_idx_files

    folder = Path(text).expanduser().absolute()
    if not any(find_idx_files(place) for place in (folder / "mnist", folder)):
        raise argparse.ArgumentTypeError(f"{text}: holds no files of MNIST, in it or in its subfolder mnist")
    return str(folder)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = _bench.parser(__doc__)
    options: dict[str, dict[str, Any]] = {
        "--only": {"type": names_of(SECTIONS), "default": list(SECTIONS), "metavar": "NAME,..."},
        "--peers": {"type": names_of(list(PEERS)), "metavar": "NAME,..."},
        "--data-dir": {"type": data_folder, "default": os.environ.get("FASTNET_DATA_DIR") or None, "metavar": "DIR"},
    }
    parser.add_argument("--only", help=f"sections, of {', '.join(SECTIONS)}", **options["--only"])
    parser.add_argument("--peers", help=f"peers, of {', '.join(list(PEERS)[1:])}", **options["--peers"])
    parser.add_argument("--data-dir", help="folder of MNIST (default: FASTNET_DATA_DIR)", **options["--data-dir"])
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each section (7, 5 epochs, 3, 3, 5, 3)")
    parser.add_argument("--peer-trials", type=int, metavar="N", help="trials of the other searches (60); 20 are fair")
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw bars to FILE, and for dark pages to FILE-dark")
    parser.add_argument("--keep", action="store_true", help="keep what the file of --json says of sections left out")
    made = parser.parse_args(arguments)
    if any(value is not None and value < 1 for value in (made.rounds, made.peer_trials, made.threads)):
        parser.error("--rounds, --peer-trials and --threads are at least 1")
    if made.keep and not made.json:
        parser.error("--keep needs --json FILE")
    made.threads = min(made.threads, _bench.cores())
    made.peers = made.peers or [name for name in PEERS if not (made.quick and name in SLOW)]
    made.peers = [OURS, *(name for name in made.peers if name != OURS)]
    return made


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Add to a result what an older one says of sections that the new one has not."""
    sections = {figure["section"] for figure in new["figures"]}
    order = [ONE_CORE, ALL_CORES, *NETWORKS, SEARCH, COLD, WARM, *small.sections()]
    figures = [figure for figure in old["figures"] if figure["section"] not in sections] + new["figures"]
    return new | {
        "quick": old["quick"] or new["quick"],
        "figures": sorted(figures, key=lambda figure: order.index(figure["section"])),
        "verified": list(dict.fromkeys(old["verified"] + new["verified"])),
        "notes": list(dict.fromkeys(old.get("notes", []) + new["notes"])),
    }


def main() -> None:
    """Run the sections asked for."""
    arguments = parse()
    sections = {
        "trial": trial_section, "network": network_section, "search": search_section, "cold": cold_section,
        "small": small.small_section, "folds": small.folds_section,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments, Path(folder))
        for name in SECTIONS:
            if name in arguments.only:
                sections[name](bench)
    result = bench.report.as_dict() | {"notes": bench.notes}
    if arguments.keep and arguments.json.exists():
        result = merged(_bench.load(arguments.json), result)
    print(_bench.text_of(result))
    print("\nratio: how many times as fast this project is; RandomizedSearchCV and fit keep no curves, all others do")
    print(*result["notes"], sep="\n")
    if arguments.json:
        _bench.save(result, arguments.json)
    if arguments.png:
        from _peers.chart import draw

        for path in draw(result, arguments.png):
            say(f"drawn: {path}")


if __name__ == "__main__":
    main()
