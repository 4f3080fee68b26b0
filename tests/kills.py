"""Kill commands of every kind with every signal, at random moments, and look at what they leave.

    python tests/kills.py --kills 200 --json kills.json

A search is killed again and again and carried on with other numbers of threads. After each kill its study must open and
hold every trial that was seen stored before, every model, picture and report must be whole, and no process and no
temporary file may be left; a finished study must be, byte for byte, the one that was never killed. A command that
writes one file must leave the old file or the new one.

Moments are drawn over the whole run, over its end (final choice, models, report), and while a file is being written;
for the last, the program moves files into place slowly.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SLOWLY = """
import os, time
replace = os.replace
def slowly(*names):
    time.sleep(0.15)
    replace(*names)
    time.sleep(0.05)
os.replace = slowly
"""
PROGRAM = "import sys; from fastnet_cli.start import main; sys.argv[0] = 'fastnet'; sys.exit(main())"

SIGNALS = ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "SIGINT twice", "SIGKILL of all")
CODES = {"SIGTERM": {143, -15}, "SIGHUP": {129, -1}, "SIGINT": {130, -2}, "SIGINT twice": {130, -2}}
MOMENTS = ("anywhere", "ending", "writing")
WORKS = ("--final", "2", "--repeats", "2", "--ensemble-top", "3")
EXPORTS = (("csv", "--no-times"), ("jsonl", "--no-times", "--curves"))
TABLE = ("--preset", "book", "--hidden", "16", "--epochs", "8", "--target", "y")

SEARCHES: dict[str, tuple[str, ...]] = {
    "images": ("--trials", "200", "--hidden", "16x2", "--epochs", "10", "--samples", "400"),
    "numbers": ("--data", "numbers.csv", "--trials", "80", *TABLE),
    "classes": (
        *("--data", "classes.csv", "--trials", "27", *TABLE, "--pruning", "halving", "--first-epochs", "2"),
        *("--pack-size", "9", "--cv", "3", "--ensemble", "greedy"),
    ),
    "stages": ("--trials", "150", "--stages", "3", "--expand", "--hidden", "16", "--epochs", "10", "--samples", "300"),
    "sparse": ("--data", "words.svm", "--trials", "80", "--hidden", "16", "--epochs", "8", "--task", "classification"),
    "tpe": ("--trials", "72", "--sampler", "tpe", "--hidden", "16", "--epochs", "8", "--samples", "300"),
    "processes": (
        "--trials",
        "100",
        "--executor",
        "processes:2",
        "--hidden",
        "16",
        "--epochs",
        "8",
        "--samples",
        "300",
    ),
    "live": ("--trials", "200", "--live", "--hidden", "16", "--epochs", "10", "--samples", "300"),
}
"""Searches by name; files are those of `make_files`."""

COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "train": (
        ("train", "--samples", "1000", "--epochs", "40", "--hidden", "64x2", "-o", "out.safetensors"),
        "out.safetensors",
    ),
    "ensemble": (
        ("train", "--samples", "500", "--ensemble", "4", "--epochs", "20", "--hidden", "32", "-o", "out.safetensors"),
        "out.safetensors",
    ),
    "predict": (("predict", "model.safetensors", "--data", "long.csv", "-o", "out.csv"), "out.csv"),
    "export": (("export", "model.safetensors", "out.onnx"), "out.onnx"),
    "report": (("report", "study"), "study/report.html"),
    "trials": (("studies", "export", "study", "--format", "jsonl", "--curves", "-o", "out.jsonl"), "out.jsonl"),
}  # fmt: skip
"""Commands that write one file, and that file; without --overwrite, which `Single` adds where there is one."""


class Damage(AssertionError):
    """Something that a kill must not leave."""


def make_files(folder: Path) -> None:
    """Write the tables and the sparse samples of the searches."""
    chance = random.Random(1)
    rows = [(chance.gauss(0, 1), chance.choice(["red", "green", "blue"]), chance.random()) for _ in range(400)]
    lines = [f"{a:.4f},{b},{c:.3f}" for a, b, c in rows]
    numbers = [f"{line},{2 * a - c + (b == 'red'):.4f}" for line, (a, b, c) in zip(lines, rows, strict=True)]
    classes = [f"{line},{'high' if a + c > 0.5 else 'low'}" for line, (a, b, c) in zip(lines, rows, strict=True)]
    for name, body in (("numbers", numbers), ("classes", classes), ("long", lines * 400)):
        head = "a,b,c" if name == "long" else "a,b,c,y"
        (folder / f"{name}.csv").write_text("\n".join([head, *body, ""]))
    words = []
    for _ in range(300):
        label = chance.randrange(3)
        there = sorted({label * 20 + chance.randrange(20) + 1 for _ in range(6)} | {chance.randrange(60) + 1})
        words.append(f"{label} " + " ".join(f"{place}:{chance.random():.3f}" for place in there))
    (folder / "words.svm").write_text("\n".join([*words, ""]))


@dataclass
class Tally:
    """What was done and what was found."""

    kills: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    compared: Counter[str] = field(default_factory=Counter)
    codes: Counter[tuple[str, int]] = field(default_factory=Counter)
    damage: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the counts by kind, signal and moment."""
        by = {"kind": 0, "signal": 1, "moment": 2}
        counts = {
            name: dict(sorted(sum((Counter({key[at]: n}) for key, n in self.kills.items()), Counter[str]()).items()))
            for name, at in by.items()
        }
        return {
            "kills": self.kills.total(),
            **{f"by_{name}": count for name, count in counts.items()},
            "codes": {f"{name}: {code}": n for (name, code), n in sorted(self.codes.items())},
            "finished_and_equal": dict(sorted(self.compared.items())),
            "damage": self.damage,
        }


class Child:
    """A command in a session of its own, with its own folder for temporary files."""

    def __init__(self, arguments: Sequence[str], where: Path, *, slowly: bool = False) -> None:
        self.temporary = where / "temporary"
        self.temporary.mkdir(exist_ok=True)
        self._log = where / "errors.txt"
        code = (SLOWLY if slowly else "") + PROGRAM
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code, *arguments], cwd=where, stdout=subprocess.DEVNULL, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_heed,
                env=os.environ | {"TMPDIR": str(self.temporary)},
            )  # fmt: skip
        self.code: int | None = None

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        self.code = self._process.poll()
        return self.code is not None

    def wait(self, seconds: float = 300.0) -> int:
        """Return its exit status, and kill it if it does not end."""
        try:
            self.code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            raise Damage(f"it does not end within {seconds:.0f} s: {self.said()[-1000:]}") from None
        return self.code

    def send(self, name: str, chance: random.Random) -> None:
        """Send a signal as those do who send it: a terminal to all, the system to one."""
        number = getattr(signal, name.split()[0])
        to_all = name.endswith("all") or number in (signal.SIGINT, signal.SIGHUP)
        for _ in range(2 if name.endswith("twice") else 1):
            with contextlib.suppress(ProcessLookupError):
                (os.killpg if to_all else os.kill)(self._process.pid, number)
            if name.endswith("twice"):
                time.sleep(chance.choice((0.0, 0.05, 0.3)))

    def said(self) -> str:
        """Return what it wrote on standard error."""
        return self._log.read_text(errors="replace")

    def check_left(self, name: str = "") -> None:
        """Raise `Damage` if it left processes, a traceback, or temporary files; they may outlive a kill of all."""
        ends = time.monotonic() + 20
        while left := _of_session(self._process.pid):
            if time.monotonic() > ends:
                raise Damage(f"processes {left} are left")
            time.sleep(0.1)
        files = sorted(path.name for path in self.temporary.iterdir())
        if files and not name.endswith("all"):
            raise Damage(f"temporary files are left: {files}")
        said = self.said()
        if "Traceback" in said or "Exception ignored" in said or "leaked" in said:
            raise Damage(f"it says more than a sentence: {said[-3000:]}")


def _heed() -> None:
    """Undo that signals are ignored, as nohup and the background of a shell pass it on."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _of_session(session: int) -> list[int]:
    """Return the processes of a session that live."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state, _, _, its = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(its) == session and state not in "ZX":
                    found.append(int(entry.name))
    return found


def check_whole(path: Path) -> None:
    """Raise `Damage` unless a file is whole, as far as its kind shows."""
    if not path.exists():
        return
    content = path.read_bytes()
    ends = {".png": b"IEND\xaeB`\x82", ".html": b"</html>"}.get(path.suffix)
    if ends is not None and not content.rstrip().endswith(ends):
        raise Damage(f"{path.name} is cut off after {len(content)} bytes")
    if path.suffix == ".safetensors":
        import fastnet

        try:
            fastnet.load_model(path)
        except fastnet.FastnetError as error:
            raise Damage(f"{path.name} is damaged: {error}") from error


def command(*arguments: str) -> str:
    """Run a command of the command line in this process and return what it prints."""
    from fastnet_cli.main import cli

    printed = io.TextIOWrapper(io.BytesIO(), write_through=True)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        try:
            cli(list(arguments), prog_name="fastnet", standalone_mode=True)
        except SystemExit as end:
            if end.code not in (0, None):
                raise Damage(f"fastnet {' '.join(arguments)} ends with {end.code}") from None
    return printed.buffer.getvalue().decode()  # type: ignore[attr-defined]


def stored(folder: Path) -> dict[int, bytes]:
    """Return the curves of the trials that a study holds, by number; none where there is no study yet."""
    from fastnet.errors import StudyError
    from fastnet.tuning import Study

    try:
        with Study.read(folder) as study:
            return {trial.id: trial.curves.tobytes() for trial in study.iter_trials()}
    except StudyError as error:
        if any(words in str(error) for words in ("no study found", "never started", "this file is empty")):
            return {}
        raise Damage(f"the study cannot be read: {error}") from error


def exported(folder: Path) -> dict[str, bytes]:
    """Return all of a study that does not depend on time: trials, curves, choices, models and the picture."""
    from unsteady import without_times

    from fastnet.tuning import Study

    with Study.read(folder) as study:
        chosen = {"final": study.final(), "ensemble": study.ensemble(), "stages": {"": study.stages()}}
    forms = {" ".join(form): command("studies", "export", str(folder), "--format", *form) for form in EXPORTS}
    texts = forms | {name: repr(without_times(document)) for name, document in chosen.items()}
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".safetensors", ".png")}
    return files | {name: text.encode() for name, text in texts.items()}


class Search:
    """A kind of search that is killed again and again until it is complete, and then begun anew."""

    def __init__(self, kind: str, root: Path, threads: Sequence[int]) -> None:
        self.kind, self.arguments = kind, SEARCHES[kind]
        self.where = root / kind
        self.where.mkdir(parents=True)
        make_files(self.where)
        self._turns = itertools.cycle(threads)
        self._number = 0
        self.folder = self.where / "whole"
        self._run(max(threads))  # may compile, and so tells nothing of how long it takes
        began = time.monotonic()
        self.folder = self.where / "again"
        self._run(max(threads))
        self.seconds = time.monotonic() - began
        self.total = len(stored(self.folder))
        self.expected = exported(self.where / "whole")
        if exported(self.folder) != self.expected:
            raise Damage("two whole studies differ")
        self.next()

    code = 0

    def next(self) -> None:
        """Begin another study."""
        self._number += 1
        self.folder = self.where / f"killed-{self._number}"

    def begin(self, threads: int, *, slowly: bool = False) -> Child:
        """Begin the search, or carry it on."""
        arguments = ("search", *self.arguments, *WORKS, "--study", self.folder.name, "--jobs", str(threads))
        return Child(arguments, self.where, slowly=slowly)

    def _run(self, threads: int) -> None:
        child = self.begin(threads)
        if child.wait(3600):
            raise Damage(f"the search fails: {child.said()[-2000:]}")
        child.check_left()

    def kill(self, name: str, moment: str, chance: random.Random) -> bool:
        """Run it and kill it at a moment; return whether it was still running then, and look at what is left."""
        there = set(self.folder.glob(".*"))  # of a process that was killed before
        child = self.begin(next(self._turns), slowly=moment == "writing")
        began = time.monotonic()
        if moment != "anywhere":  # its beginning matters less
            while not child.ended() and len(_ids(self.folder)) < self.total and time.monotonic() < began + 120:
                time.sleep(0.02)
        if moment == "writing":
            wanted = chance.randrange(1, 5)
            while not child.ended() and wanted:
                if any(self.folder.glob(".*.part")):
                    wanted -= 1
                    if wanted:
                        time.sleep(0.2)
                time.sleep(0.002)
        else:
            until = time.monotonic() + chance.uniform(0, self.seconds * (1 if moment == "anywhere" else 0.7))
            while not child.ended() and time.monotonic() < until:
                time.sleep(0.005)
        before = stored(self.folder)
        running = not child.ended()
        if running:
            child.send(name, chance)
        code = child.wait()
        self.code = code
        self.look(before, child, code if running else 0, name, running=running)
        if not name.startswith("SIGKILL") and (left := set(self.folder.glob(".*")) - there):
            raise Damage(f"files are left: {sorted(path.name for path in left)}")
        return running

    def look(self, before: dict[int, bytes], child: Child, code: int, name: str, *, running: bool) -> None:
        """Raise `Damage` for anything that a kill must not leave."""
        if running and not name.startswith("SIGKILL") and code not in CODES[name] | {0}:
            raise Damage(f"it ends with {code} after {name}: {child.said()[-2000:]}")
        now = stored(self.folder)
        if any(now.get(trial) != curves for trial, curves in before.items()):
            raise Damage(f"of {len(before)} stored trials some are missing or differ afterwards")
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                check_whole(path)
        if now:
            command("studies", "show", str(self.folder))
            command("studies", "ls", str(self.where))
            lines = command("studies", "export", str(self.folder), "--format", "jsonl", "--no-times").splitlines()
            if len(lines) != len(now):
                raise Damage(f"{len(lines)} of {len(now)} trials are exported")
        child.check_left(name)

    def finish(self) -> None:
        """Carry the study on to its end, and compare it with the one that was never killed."""
        child = self.begin(next(self._turns))
        if child.wait():
            raise Damage(f"the search cannot be carried on: {child.said()[-2000:]}")
        child.check_left()
        found = exported(self.folder)
        differ = sorted(
            name for name in self.expected.keys() | found.keys() if self.expected.get(name) != found.get(name)
        )
        if differ:
            raise Damage(f"the finished study differs from the one that was never killed: {differ}")
        if hidden := sorted(path.name for path in self.folder.glob(".*")):
            raise Damage(f"files are left in the finished study: {hidden}")
        self.next()


def _ids(folder: Path) -> list[int]:
    from fastnet.errors import FastnetError
    from fastnet.tuning import Study

    try:
        with Study.read(folder) as study:
            return list(study.stored_ids().tolist())
    except FastnetError:
        return []


class Single:
    """A command that writes one file over an old one: afterwards the file is the old one or the new one."""

    def __init__(self, kind: str, root: Path, threads: Sequence[int]) -> None:
        self.kind = kind
        self.arguments, out = COMMANDS[kind]
        self.where = root / kind
        self.where.mkdir(parents=True)
        self.out = self.where / out
        self.total = 0
        make_files(self.where)
        self._prepare()
        began = time.monotonic()
        self._run()
        self.seconds = time.monotonic() - began
        self.new = self._content()
        self.overwrite = () if kind == "report" else ("--overwrite",)
        self.old = {
            ".safetensors": self.new[: len(self.new) // 2], ".csv": b"old\n", ".onnx": b"old", ".jsonl": b"{}\n",
            ".html": b"<html>old</html>",
        }[self.out.suffix]  # fmt: skip
        del threads

    overwrite: tuple[str, ...] = ()
    code = 0

    def _prepare(self) -> None:
        if self.kind in ("predict", "export"):
            made = Child(("train", "--data", "classes.csv", *TABLE, "-o", "model.safetensors"), self.where)
        elif self.kind in ("report", "trials"):
            made = Child(("search", *SEARCHES["images"], "--study", "study"), self.where)
        else:
            return
        if made.wait():
            raise Damage(made.said())

    def _content(self) -> bytes:
        return self.out.read_bytes() if self.out.exists() else b""

    def _run(self) -> None:
        child = Child((*self.arguments, *self.overwrite), self.where)
        if child.wait():
            raise Damage(f"{self.kind} fails: {child.said()[-2000:]}")
        child.check_left()

    def kill(self, name: str, moment: str, chance: random.Random) -> bool:
        """Run it and kill it at a moment; return whether it was still running then, and look at what is left."""
        self.out.write_bytes(self.old)
        there = set(self.out.parent.glob(".*"))  # of a process that was killed before
        child = Child((*self.arguments, *self.overwrite), self.where, slowly=moment == "writing")
        if moment == "writing":
            while not child.ended() and not any(self.out.parent.glob(".*.part")):
                time.sleep(0.002)
        else:
            until = time.monotonic() + self.seconds * chance.uniform(0 if moment == "anywhere" else 0.6, 1)
            while not child.ended() and time.monotonic() < until:
                time.sleep(0.005)
        running = not child.ended()
        if running:
            child.send(name, chance)
        self.code = code = child.wait()
        if running and not name.startswith("SIGKILL") and code not in CODES[name] | {0}:
            raise Damage(f"it ends with {code} after {name}: {child.said()[-2000:]}")
        found = self._content()
        if found != self.old and not self._is_new(found):
            raise Damage(f"{self.out.name} is neither the old file nor the new one: {len(found)} bytes, {found[:60]!r}")
        if not name.startswith("SIGKILL") and (left := sorted(set(self.out.parent.glob(".*")) - there)):
            raise Damage(f"files are left: {left}")
        child.check_left(name)
        return running

    def _is_new(self, found: bytes) -> bool:
        """Whether a file is the new one; a training that was asked to end has the best epoch up to then."""
        if found == self.new:
            return True
        check_whole(self.out)
        return self.out.suffix in (".safetensors", ".html") and len(found) > 1000

    def finish(self) -> None:
        """Run it to its end: the file is that of a command that was never killed, and nothing else is left."""
        self._run()
        if self.out.suffix != ".html" and self._content() != self.new:
            raise Damage(f"{self.out.name} is another than that of a command that was never killed")
        if left := sorted(path.name for path in self.out.parent.glob(".*")):
            raise Damage(f"files are left: {left}")


KINDS: dict[str, Callable[[str, Path, Sequence[int]], Search | Single]] = {
    **dict.fromkeys(SEARCHES, Search),
    **dict.fromkeys(COMMANDS, Single),
}


def kill_and_look(
    root: Path, tally: Tally, *, kinds: Sequence[str], kills: int, threads: Sequence[int], seed: int, a_study: int = 5
) -> Iterator[str]:
    """Do what this script is for, and tell each step; what is found wrong goes into the tally."""
    chance = random.Random(seed)
    share = -(-kills // len(kinds))
    for kind in kinds:
        try:
            subject = KINDS[kind](kind, root, threads)
        except Damage as error:
            tally.damage.append(f"{kind}: {error}")
            yield f"{kind}: DAMAGE {error}"
            continue
        yield f"{kind}: {subject.total} trials in {subject.seconds:.1f} s"
        done = tries = 0
        ways = [(name, moment) for moment in MOMENTS for name in SIGNALS]
        chance.shuffle(ways)
        for name, moment in itertools.cycle(ways):
            if done >= share or tries > 3 * share + 10:
                break
            tries += 1
            try:
                if subject.kill(name, moment, chance):
                    done += 1
                    tally.kills[kind, name, moment] += 1
                    tally.codes[name, subject.code] += 1
                if tries % a_study == 0 or done == share:
                    subject.finish()
                    tally.compared[kind] += 1
            except Damage as error:
                tally.damage.append(f"{kind}, {name}, {moment}: {error}")
                yield f"{kind}, {name}, {moment}: DAMAGE {error}"
                if isinstance(subject, Search):
                    shutil.rmtree(root / "damaged" / subject.folder.name, ignore_errors=True)
                    subject.next()
        yield f"{kind}: {done} kills in {tries} tries, {tally.compared[kind]} times finished and equal"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=len(KINDS) * 2, help="how often to kill, over all kinds")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS), help="what to kill")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 3], help="numbers of threads, used in turn")
    parser.add_argument("--seed", type=int, default=0, help="seed of signals and moments")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder if left out")
    parser.add_argument("--json", type=Path, help="write the counts to this file")
    options = parser.parse_args()
    root = options.folder or Path(tempfile.mkdtemp(prefix="fastnet-kills-"))
    tally = Tally()
    began = time.monotonic()
    try:
        for line in kill_and_look(
            root, tally, kinds=options.kinds, kills=options.kills, threads=options.threads, seed=options.seed
        ):
            print(f"{time.monotonic() - began:.0f} s, {tally.kills.total()} kills: {line}", flush=True)  # noqa: T201
            if options.json is not None:  # what has been done counts also if the campaign is ended
                options.json.write_text(json.dumps(tally.as_json(), indent=1) + "\n")
    finally:
        if options.folder is None:
            shutil.rmtree(root, ignore_errors=True)
    text = json.dumps(tally.as_json(), indent=1)
    print(text)  # noqa: T201
    sys.exit(bool(tally.damage))


if __name__ == "__main__":
    main()
