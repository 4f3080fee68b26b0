"""Kill a real search at random moments, carry it on with other numbers of threads, and compare what it exports.

    python tests/killing.py --kills 20 --threads 1 2 4

A study that is killed ever again must be, byte for byte in its exported trials and curves, the study that was never
killed. When one is complete before all kills are used up, the next begins. Arguments after ``--`` are those of the
search; without them it is one of some seconds.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

PROGRAM = [sys.executable, "-m", "fastnet_cli"]
SEARCH = ("--trials", "1500", "--hidden", "16", "--epochs", "10", "--samples", "400")
EXPORTS = (("csv", "--no-times"), ("jsonl", "--no-times", "--curves"))


def search(folder: Path, threads: int, arguments: Sequence[str]) -> subprocess.Popen[str]:
    """Begin a search in a process of its own, or carry one on."""
    command = [*PROGRAM, "search", *arguments, "--study", str(folder), "--jobs", str(threads)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def exported(folder: Path) -> list[bytes]:
    """Export the trials of a study in every form that must not change."""
    return [
        subprocess.run([*PROGRAM, "studies", "export", str(folder), "--format", *form], check=True,
                       stdout=subprocess.PIPE).stdout
        for form in EXPORTS
    ]  # fmt: skip


def stored(folder: Path) -> int:
    """Count the trials that a study holds; 0 where it is not there yet."""
    from fastnet.errors import StudyError
    from fastnet.tuning import Study

    try:
        with Study.read(folder) as study:
            return study.count()
    except StudyError:
        return 0


def run_killed(folder: Path, threads: int, arguments: Sequence[str], seconds: float) -> bool:
    """Run a search and kill it after so many seconds; return whether it was still running then."""
    with search(folder, threads, arguments) as process:
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
            process.communicate()
            return True
        assert process.stderr is not None
        if process.returncode != 0:
            raise RuntimeError(f"the search ended with code {process.returncode}: {process.stderr.read()}")
        return False


def kill_and_compare(
    root: Path, *, kills: int, threads: Sequence[int], seed: int = 0, arguments: Sequence[str] = SEARCH
) -> Iterator[str]:
    """Do what this script is for, and tell each step; raise `AssertionError` where a study is not the whole one."""
    chance = random.Random(seed)
    for name in ("first", "whole"):  # the first may have to compile, and so tells nothing of how long a search takes
        began = time.monotonic()
        if run_killed(root / name, max(threads), arguments, seconds=3600):
            raise RuntimeError("the search takes more than an hour")
    duration = time.monotonic() - began
    expected = exported(root / "whole")
    assert exported(root / "first") == expected, "two whole studies differ"
    total = stored(root / "whole")
    yield f"whole: {total} trials in {duration:.1f} s"
    turns = itertools.cycle(threads)
    number = done = 0
    while done < kills:
        number += 1
        folder = root / f"killed-{number}"
        while done < kills and (before := stored(folder)) < total:
            jobs, seconds = next(turns), chance.uniform(0.0, duration)
            if not run_killed(folder, jobs, arguments, seconds):
                break
            done += 1
            now = stored(folder)
            yield f"kill {done}: study {number} on {jobs} threads after {seconds:.2f} s, {before} to {now} trials"
        jobs = next(turns)
        if run_killed(folder, jobs, arguments, seconds=3600):
            raise RuntimeError("the search takes more than an hour")
        assert exported(folder) == expected, f"study {number} is not the one that was never killed"
        yield f"study {number}: finished on {jobs} threads, the same bytes"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=20, help="how often to kill")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads, used in turn")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder if left out")
    parser.add_argument("search", nargs="*", help="arguments of the search, after --")
    options = parser.parse_args()
    root = options.folder or Path(tempfile.mkdtemp(prefix="fastnet-kills-"))
    try:
        for line in kill_and_compare(
            root, kills=options.kills, threads=options.threads, seed=options.seed, arguments=options.search or SEARCH
        ):
            print(line, flush=True)  # noqa: T201
    finally:
        if options.folder is None:
            shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
