"""Read damaged files, very many of them: each gives a result or a FastnetError of one sentence, and nothing else.

    python tests/mutating.py npz study csv --files 100000 --seed 0

Files are made of sound ones of `damaged.py` by the ways of `mutations.py`. Reading one may end in a `FastnetError`, or
give something that can then be used: a data set, a model that predicts, a study that answers every question. Any other
exception, a Python warning, a message of several lines, a crash, more than `MOST_SECONDS` or `MOST_BYTES` more memory
is a failure: its file is kept in ``--failures``, and ``--only N`` makes file N of a seed again. With ``--memory``
readers that can parse contents do so without files, which is faster.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from damaged import READERS
from mutations import Reader

from fastnet.errors import FastnetError, FastnetWarning

MOST_SECONDS = 10.0
MOST_BYTES = 256 * 2**20
DATA_LIMIT = 4 * 2**30
"""Bytes that the process of one reader may have at all, libraries included."""


BATCH = 100
"""Contents without files whose memory is measured together."""


class TooSlowError(BaseException):
    """Reading took longer than it may; no `Exception`, lest it be taken for a damage."""


# How it is tried ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What came of one file: ``result``, the name of an error of fastnet, or a failure with its reason."""

    number: int
    kind: str
    failure: str
    seconds: float
    content: bytes


def try_files(name: str, folder: Path, numbers: Sequence[int], seed: int) -> Iterator[Outcome]:
    """Make, read and use damaged files; all of it follows from the reader's name, the seed and the file's number."""
    reader = READERS[name]
    seeds = reader.seeds(folder)
    place = folder / "tried"
    place.mkdir()
    path = place / reader.name
    for content in seeds:  # what is imported and compiled now is not counted later
        path.write_bytes(content)
        for number in range(20 if name == "study" else 2):
            with contextlib.suppress(FastnetError), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                path.write_bytes(content)
                reader.read(path, random.Random(number))
    for number in numbers:
        chance = random.Random(f"{name} {seed} {number}")
        content = reader.damage(chance, seeds)
        place.mkdir(exist_ok=True)
        path.write_bytes(content)
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        kind, failure = read_once(reader, path, chance)
        seconds = time.perf_counter() - began
        more = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        if not failure and more > MOST_BYTES:
            failure = f"took {more / 2**20:.0f} MiB"
        yield Outcome(number, kind, failure, seconds, content)


def try_in_memory(name: str, folder: Path, numbers: Sequence[int], seed: int) -> Iterator[Outcome]:
    """Make and parse damaged contents without files, for readers that can; what they need is asked once for many.

    Memory is that of `BATCH` contents together.
    """
    reader = READERS[name]
    assert reader.parse is not None
    seeds = reader.seeds(folder)
    parse = replace(reader, read=lambda path, chance: reader.parse(chance.content, chance))  # type: ignore[union-attr, attr-defined]
    for first in range(0, len(numbers), BATCH):
        some = numbers[first : first + BATCH]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = [Outcome(number, *_parsed(parse, name, seeds, number, seed)) for number in some]
        more = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        if more > MOST_BYTES:
            found[-1] = replace(found[-1], kind="failure", failure=f"one of {BATCH} took {more / 2**20:.0f} MiB")
        yield from found


def _parsed(reader: Reader, name: str, seeds: Sequence[bytes], number: int, seed: int) -> tuple[str, str, float, bytes]:
    chance = _Chance(f"{name} {seed} {number}")
    content = chance.content = reader.damage(chance, seeds)
    began = time.perf_counter()
    try:
        reader.read(Path(), chance)
        kind, failure = "result", ""
    except FastnetError as error:
        kind, text = type(error).__name__, str(error)
        failure = "" if len(text.splitlines()) == 1 else f"not one line: {text[:200]!r}"
    except Exception as error:
        kind, failure = "failure", f"{type(error).__name__}: {str(error)[:200]}\n{traceback.format_exc()}"
    seconds = time.perf_counter() - began
    return kind, failure or (f"took {seconds:.0f} s" if seconds > MOST_SECONDS else ""), seconds, content


class _Chance(random.Random):
    """A source of chance that carries the content that it made."""

    content = b""


def read_once(reader: Reader, path: Path, chance: random.Random) -> tuple[str, str]:
    unraised: list[str] = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda about: unraised.append(repr(about.exc_value))
    handler = signal.signal(signal.SIGALRM, _too_slow)
    left, _ = signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)  # of a test runner's own
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", FastnetWarning)
            reader.read(path, chance)
        kind, failure = "result", ""
    except FastnetError as error:
        kind, text = type(error).__name__, str(error)
        failure = "" if len(text.splitlines()) == 1 else f"not one line: {text[:200]!r}"
    except TooSlowError:
        kind, failure = "failure", f"took more than {MOST_SECONDS:g} s\n{traceback.format_exc()}"
    except Exception as error:
        kind, failure = "failure", f"{type(error).__name__}: {str(error)[:200]}\n{traceback.format_exc()}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, left)
        sys.unraisablehook = hook
    return kind, failure or "".join(unraised)


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlowError


def run_reader(name: str, options: argparse.Namespace) -> int:
    """Try the files of one reader in this process; print what came of them."""
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_DATA, (DATA_LIMIT, DATA_LIMIT))
    numbers = range(options.begin, options.files) if options.only is None else [options.only]
    kinds: Counter[str] = Counter()
    slowest, failures, began = 0.0, 0, time.perf_counter()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        attempts = try_in_memory if options.memory and READERS[name].parse else try_files
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", FastnetWarning)
        for outcome in attempts(name, Path(folder), numbers, options.seed):
            kinds[outcome.kind] += 1
            slowest = max(slowest, outcome.seconds)
            if outcome.failure:
                failures += 1
                options.failures.mkdir(parents=True, exist_ok=True)
                (options.failures / f"{name}-{options.seed}-{outcome.number}").write_bytes(outcome.content)
                print(f"FAILED {name} {outcome.number}: {outcome.failure}", flush=True)  # noqa: T201
            if outcome.number % 10_000 == 9_999:
                print(f"{name}: {outcome.number + 1} files", flush=True)  # noqa: T201
    counts = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    seconds = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if options.counts:
        found = {"reader": name, "files": kinds.total(), "kinds": kinds, "seconds": round(seconds, 1)}
        found |= {"slowest": round(slowest, 3), "MiB": int(memory), "seed": options.seed, "code": 0}
        with options.counts.open("a") as stream:
            stream.write(json.dumps(found) + "\n")
    print(  # noqa: T201
        f"{name}: {kinds.total()} files in {seconds:.0f} s, {failures} failures; {counts}; "
        f"slowest {slowest:.2f} s, {memory:.0f} MiB at most",
        flush=True,
    )
    return failures


def main() -> int:
    """Run from the command line: each reader in a process of its own, which may crash."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("readers", nargs="*", default=[*READERS], choices=[*READERS], help="which readers")
    parser.add_argument("--files", type=int, default=1000, help="files for each reader")
    parser.add_argument("--begin", type=int, default=0, help="number of the first file")
    parser.add_argument("--seed", type=int, default=0, help="seed of the damages")
    parser.add_argument("--only", type=int, help="make and read this one file alone")
    parser.add_argument("--folder", type=Path, help="where to work, best in memory; the system's place if left out")
    parser.add_argument("--failures", type=Path, default=Path("mutating-failures"), help="where failures are kept")
    parser.add_argument("--counts", type=Path, help="add what was counted to this file, see fuzzing.py --table")
    parser.add_argument("--memory", action="store_true", help="parse contents without files where a reader can")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        return min(run_reader(options.readers[0], options), 1)
    failed = 0
    for name in options.readers:
        command = [sys.executable, __file__, name, "--here", "--seed", str(options.seed), "--files", str(options.files)]
        command += ["--begin", str(options.begin), "--failures", str(options.failures)]
        command += [] if options.only is None else ["--only", str(options.only)]
        command += ["--memory"] if options.memory else []
        command += [] if options.counts is None else ["--counts", str(options.counts)]
        command += [] if options.folder is None else ["--folder", str(options.folder)]
        code = subprocess.run(command, check=False).returncode
        if code not in (0, 1):
            print(f"FAILED {name}: the process ended with code {code}", flush=True)  # noqa: T201
        failed += code != 0
    return min(failed, 1)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    sys.exit(main())
