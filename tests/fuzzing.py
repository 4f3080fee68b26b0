"""Read damaged files whose damages are guided by the branches that they reach, by atheris (libFuzzer for Python).

    python tests/fuzzing.py csv study --runs 100000 --folder /dev/shm
    python tests/fuzzing.py csv --replay fuzzing-failures/csv-0123456789abcdef

Readers, sound files and the judgement are those of `mutating.py`. A new file is one that reached a new branch of
fastnet, damaged by the ways of `mutations.py` or by libFuzzer's own. A file that fails is kept in ``--failures`` and
the fuzzer goes on; after a crash of the process it starts again, and the file that was being read is kept. What was
counted is added to ``--counts``, a line of JSON for each process, of which ``--table`` makes a table.

Install atheris with ``pip install atheris``; it is needed for nothing else.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

HOW = "fuzzing.py needs atheris, which is not installed: pip install atheris"
INSTRUMENTED = ("fastnet.config", "fastnet.data", "fastnet.model", "fastnet.tuning")
"""Packages whose branches guide the damages."""
MOST_SILENT = 600.0
"""Seconds after which a process that counts no files is ended."""


class Counts:
    """What came of the files of one process."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self.name, self.options = name, options
        self.kinds: Counter[str] = Counter()
        self.slowest, self.memory, self.began = 0.0, 0, time.perf_counter()
        self.written = self.began

    def add(self, kind: str, seconds: float) -> None:
        self.kinds[kind] += 1
        self.slowest = max(self.slowest, seconds)
        many = self.kinds.total() % 500 == 0 or self.kinds.total() >= self.options.runs
        if many or time.perf_counter() - self.written > 10.0:
            self.written = time.perf_counter()
            self.write()

    def write(self) -> None:
        """Note the counts so far, so that a crash costs few of them."""
        self.memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        seconds = time.perf_counter() - self.began
        found = {"reader": self.name, "files": self.kinds.total(), "kinds": self.kinds, "seconds": round(seconds, 1)}
        found |= {"slowest": round(self.slowest, 3), "MiB": self.memory, "seed": self.options.seed}
        path = Path(f"{self.options.counts}.{os.getpid()}")
        path.write_text(json.dumps(found))


def fuzz(name: str, options: argparse.Namespace, folder: Path) -> None:
    """Fuzz one reader in this process, which libFuzzer ends."""
    atheris = _atheris()
    with atheris.instrument_imports(include=list(INSTRUMENTED), enable_loader_override=False):
        _import_readers()
    from mutating import DATA_LIMIT, MOST_BYTES, READERS, read_once

    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_DATA, (DATA_LIMIT, DATA_LIMIT))
    reader, counts = READERS[name], Counts(name, options)
    seeds = reader.seeds(folder)
    place, corpus = folder / "tried", folder / "corpus"
    for each in (place, corpus):
        each.mkdir()
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)
    path = place / reader.name
    _warm_up(reader, path, seeds, 20 if name == "study" else 2)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def try_one(content: bytes) -> None:
        nonlocal most
        place.mkdir(exist_ok=True)
        path.write_bytes(content)
        began = time.perf_counter()
        kind, failure = read_once(reader, path, random.Random(content))
        seconds = time.perf_counter() - began
        now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if not failure and 1024 * (now - most) > MOST_BYTES:
            failure = f"took {(now - most) / 1024:.0f} MiB"
        most = max(most, now)
        counts.add("failure" if failure else kind, seconds)
        if failure:
            print(f"FAILED {name}: {keep(content, name, options)}: {failure}", flush=True)  # noqa: T201

    def damage(content: bytes, most_bytes: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.3:
            return bytes(atheris.Mutate(content, most_bytes))
        some = [content] if chance.random() < 0.5 and content else seeds
        try:
            return reader.damage(chance, [*some, *([] if some is seeds else seeds[:1])])[:most_bytes]
        except Exception:  # a way that needs a sound file, such as JSON that can be read
            return bytes(atheris.Mutate(content, most_bytes))

    # The alarm is that of `mutating.py`; atheris would end at once with a time limit of 0.
    arguments = [sys.argv[0], f"-runs={options.runs}", f"-seed={options.seed + 1}", "-verbosity=0", "-timeout=100000"]
    arguments += [f"-max_len={2 * max(map(len, seeds))}", "-rss_limit_mb=4096", "-len_control=0", str(corpus)]
    atheris.Setup(arguments, try_one, custom_mutator=damage, internal_libfuzzer=True)
    atheris.Fuzz()


def keep(content: bytes, name: str, options: argparse.Namespace) -> Path:
    """Keep a file that failed, under a name of its content."""
    options.failures.mkdir(parents=True, exist_ok=True)
    path: Path = options.failures / f"{name}-{hashlib.sha256(content).hexdigest()[:16]}"
    path.write_bytes(content)
    return path


def replay(name: str, file: Path, folder: Path) -> int:
    """Read one file again, as it was read then; print what came of it."""
    from mutating import READERS, read_once

    reader, content = READERS[name], file.read_bytes()
    seeds = reader.seeds(folder)
    (folder / "tried").mkdir()
    path = folder / "tried" / reader.name
    _warm_up(reader, path, seeds, 2)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    kind, failure = read_once(reader, path, random.Random(content))
    print(f"{name} {file}: {failure or kind}")  # noqa: T201
    return int(bool(failure))


def _warm_up(reader: Any, path: Path, seeds: list[bytes], times: int) -> None:
    """Read sound files, so that what is imported and compiled now is not counted later."""
    import contextlib
    import warnings

    from fastnet.errors import FastnetError

    for content in seeds:
        for number in range(times):
            with contextlib.suppress(FastnetError), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
                reader.read(path, random.Random(number))


def _atheris() -> Any:
    try:
        import atheris
    except ImportError:
        raise SystemExit(HOW) from None
    return atheris


def _import_readers() -> None:
    import fastnet.config.searching
    import fastnet.data.readers.table
    import fastnet.data.registry
    import fastnet.model.ensemble
    import fastnet.tuning.run.enqueue
    import fastnet.tuning.run.wire  # noqa: F401


def run(name: str, options: argparse.Namespace) -> int:
    """Fuzz one reader in processes of its own until the runs are done; return how many processes crashed."""
    left, crashes = options.runs, 0
    while left > 0 and crashes < 20:
        with tempfile.TemporaryDirectory(dir=options.folder, prefix=f"fuzz-{name}-") as folder:
            command = [
                sys.executable,
                __file__,
                name,
                "--here",
                folder,
                "--runs",
                str(left),
                "--counts",
                options.counts,
            ]
            command += ["--seed", str(options.seed + 1000 * crashes), "--failures", str(options.failures)]
            process = subprocess.Popen(command, cwd=folder, stderr=options.log)
            noted = Path(f"{options.counts}.{process.pid}")
            code = _ended(process, noted)
            found = json.loads(noted.read_text()) if noted.is_file() else {"reader": name, "files": 0}
            noted.unlink(missing_ok=True)
            with Path(options.counts).open("a") as stream:
                stream.write(json.dumps(found | {"code": code}) + "\n")
            left -= found["files"] if found["files"] else left
            if code:
                crashes += 1
                for file in Path(folder).glob("tried/*"):
                    if file.is_file():
                        kept = keep(file.read_bytes(), name, options)
                        print(f"FAILED {name}: {kept}: the process ended with code {code}", flush=True)  # noqa: T201
        left = 0 if not code else left
    return crashes


def _ended(process: subprocess.Popen[bytes], noted: Path) -> int:
    """Wait for the end of a process; end it if nothing was counted for long, as compiled code hears no alarm."""
    last, seen = time.monotonic(), 0.0
    while (code := process.poll()) is None:
        time.sleep(0.5)
        changed = noted.stat().st_mtime if noted.is_file() else 0.0
        if changed != seen:
            last, seen = time.monotonic(), changed
        if time.monotonic() - last > MOST_SILENT:
            process.kill()
    return code


def table(counts: Path) -> str:
    """Return what was counted so far, a line for each reader."""
    rows: dict[str, dict[str, Any]] = {}
    for line in counts.read_text().splitlines():
        found = json.loads(line)
        row = rows.setdefault(found["reader"], {"files": 0, "kinds": Counter(), "slowest": 0.0, "MiB": 0})
        row["files"] += found["files"]
        row["kinds"].update(found.get("kinds", {}))
        row["slowest"], row["MiB"] = (
            max(row["slowest"], found.get("slowest", 0.0)),
            max(row["MiB"], found.get("MiB", 0)),
        )
    lines = [
        "| reader | inputs | read | refused | failed | slowest, s | whole process, MiB |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, row in rows.items():
        read, failed = row["kinds"]["result"], row["kinds"]["failure"]
        refused = row["kinds"].total() - read - failed
        lines.append(
            f"| {name} | {row['files']:,} | {read:,} | {refused:,} | {failed:,} | {row['slowest']:.2f} | {row['MiB']} |"
        )
    total = sum(row["files"] for row in rows.values())
    return "\n".join([*lines, f"{total:,} inputs"])


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("readers", nargs="*", help="which readers; all if left out")
    parser.add_argument("--runs", type=int, default=10_000, help="files for each reader")
    parser.add_argument("--seed", type=int, default=0, help="seed of the damages")
    parser.add_argument("--folder", type=Path, help="where to work, best in memory; the system's place if left out")
    parser.add_argument("--failures", type=Path, default=Path("fuzzing-failures"), help="where failures are kept")
    parser.add_argument("--counts", default="fuzzing-counts.jsonl", help="the file of what was counted")
    parser.add_argument("--replay", type=Path, help="read this one file again")
    parser.add_argument("--table", action="store_true", help="print what was counted")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.failures, options.counts = options.failures.absolute(), str(Path(options.counts).absolute())
    if options.table:
        print(table(Path(options.counts)))  # noqa: T201
        return 0
    if options.here:
        fuzz(options.readers[0], options, options.here)
        return 0
    if options.replay:
        faulthandler.enable()
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            return replay(options.readers[0], options.replay, Path(folder))
    _atheris()
    from mutating import READERS

    with Path(f"{options.counts}.log").open("w") as options.log:  # what libFuzzer says
        return min(sum(run(name, options) for name in options.readers or READERS), 1)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    sys.exit(main())
