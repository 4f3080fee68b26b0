"""Let every write of a command fail, one after the other, and look at what it says and what it leaves.

    python tests/faulty.py --commands search predict --error ENOSPC

From its n-th write below its folder on a command meets a full disk, for every n up to its last. It must end with
status 1 and one sentence that names a file and what to do, or say in a note what is missing; no old file is damaged,
nothing half-written is left, and with room again the same command ends with the same bytes as one that was never
hampered. With ``--once`` only the n-th write fails. ``--error EROFS`` is a file system that has become read-only, and
so on. The writes fail in `faulty.c`, which needs Linux and a C compiler.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WAYS_OUT = ("make room", "kept as", "written to", "choose", "try again", "raise the limit", "--finish")
"""What a sentence about a full or failing disk tells to do has one of these."""

SOURCE = Path(__file__).with_name("faulty.c")
NEVER = 2**60
TINY = ("--hidden", "8", "--epochs", "3", "--samples", "120")
TABLE = ("--preset", "book", "--hidden", "8", "--epochs", "2", "--target", "y", "--quiet")
SEARCH = (
    *("search", *TINY, "--trials", "8", "--stages", "2", "--pruning", "halving", "--first-epochs", "1"),
    *("--pack-size", "4", "--final", "2", "--repeats", "1", "--ensemble-top", "2", "--quiet", "--study", "s"),
)
COMMANDS: dict[str, tuple[str, ...]] = {
    "search": SEARCH,
    "continue": (*SEARCH[: SEARCH.index("--trials") + 1], "12", *SEARCH[SEARCH.index("--trials") + 2 :]),
    "sobol": ("search", *TINY, "--trials", "6", "--sampler", "sobol", "--final", "none", "--quiet", "--study", "s"),
    "train": ("train", *TINY, "--quiet", "--overwrite", "-o", "out.safetensors"),
    "ensemble": ("train", *TINY, "--quiet", "--ensemble", "2", "--overwrite", "-o", "out.safetensors"),
    "predict": ("predict", "m.safetensors", "--data", "long.csv", "--overwrite", "-o", "out.csv"),
    "parquet": ("predict", "m.safetensors", "--data", "long.csv", "--overwrite", "-o", "out.parquet"),
    "onnx": ("export", "m.safetensors", "out.onnx", "--overwrite"),
    "numpy": ("export", "m.safetensors", "program", "--overwrite"),
    "report": ("report", "s"),
    "trials": ("studies", "export", "s", "--format", "jsonl", "--curves", "--overwrite", "-o", "out.jsonl"),
    "journal": ("studies", "export", "s", "--format", "optuna-journal", "--overwrite", "-o", "out.log"),
    "stdin": ("train", "--data", "-", *TABLE, "--overwrite", "-o", "out.safetensors"),
    "processes": (
        *("search", *TINY, "--trials", "6", "--executor", "processes:1", "--final", "none", "--quiet", "--study", "s"),
    ),
}
"""Commands by name; files are those of `Room.prepare`."""


class Damage(AssertionError):
    """Something that a full disk must not cause."""


def build(folder: Path) -> Path:
    """Compile the library that lets writes fail."""
    library = folder / "faulty.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl"], check=True
    )
    return library


@dataclass
class Run:
    """What a command has done: its exit status, its lines on standard error, and the writes that it made."""

    code: int
    lines: list[str]
    writes: int


def run(arguments: Sequence[str], where: Path, *, first: int = NEVER, last: int = NEVER, error: int = 0) -> Run:
    """Run a command in a fork of this process, with the writes of these numbers below its folder failing."""
    library = ctypes.CDLL(os.environ["LD_PRELOAD"])
    library.faults_counted.restype = ctypes.c_long
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as counted:
        pid = os.fork()
        if pid == 0:
            code = 99
            try:
                os.chdir(where)
                tempfile.tempdir = str(where / "temporary")
                os.dup2(os.open("classes.csv" if "-" in arguments else os.devnull, os.O_RDONLY), 0)
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                os.dup2(said.fileno(), 2)
                sys.stdout, sys.stderr = kept = os.fdopen(1, "w"), os.fdopen(2, "w")
                library.faults_arm(os.fsencode(where), ctypes.c_long(first), ctypes.c_long(last), error, 0)
                code = _main(arguments)
                sys.stderr.flush()
                os.pwrite(counted.fileno(), str(library.faults_counted()).encode(), 0)
                del kept  # until here, because it closes what it holds
            except BaseException:
                import traceback

                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(_waited(pid))
        said.seek(0)
        counted.seek(0)
        return Run(code, said.read().decode(errors="replace").splitlines(), int(counted.read() or 0))


def _main(arguments: Sequence[str]) -> int:
    from fastnet_cli.main import main

    sys.argv = ["fastnet", *arguments]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 98
    return 0


def _waited(pid: int) -> int:
    ends = time.monotonic() + 120
    while time.monotonic() < ends:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status
        time.sleep(0.005)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    raise Damage("it hangs")


def content_of(where: Path) -> dict[str, bytes]:
    """Return the files of a folder as far as they must be the same after every run."""
    found = {}
    for path in sorted(path for path in where.rglob("*") if path.is_file()):
        name = path.relative_to(where).as_posix()
        if path.name == "study.sqlite":
            found |= {f"{name} {part}": text for part, text in _study(path.parent).items() if "." not in part}
        elif path.name.startswith("study.sqlite"):
            continue
        elif path.suffix == ".html":
            found[name] = b"whole" if path.read_bytes().rstrip().endswith(b"</html>") else b"cut off"
        elif not name.endswith(".lock"):
            found[name] = path.read_bytes()
    return found


def _study(folder: Path) -> dict[str, bytes]:
    from kills import exported

    from fastnet import StudyError

    try:
        return exported(folder)
    except StudyError as error:
        if "never started" in str(error):
            return {}
        raise Damage(f"the study cannot be read: {error}") from error


@dataclass
class Room:
    """A folder in which a command runs again and again, each time from the same files."""

    name: str
    root: Path
    counts: Counter[str] = field(default_factory=Counter)
    sentences: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.arguments = COMMANDS[self.name]
        self.before = self.root / "before"
        self.where = self.root / "room"
        self.prepare()

    def prepare(self) -> None:
        """Make the files that the command reads, and old ones that it replaces."""
        from kills import make_files

        (self.before / "temporary").mkdir(parents=True)
        make_files(self.before)
        for name in ("out.safetensors", "out.csv", "out.parquet", "out.onnx", "out.jsonl", "out.log"):
            (self.before / name).write_bytes(b"old")
        first = {
            **dict.fromkeys(("predict", "parquet", "onnx", "numpy"), ("train", "--data", "classes.csv", *TABLE, "-o",
                                                                      "m.safetensors")),
            **dict.fromkeys(("report", "trials", "journal", "continue"), SEARCH),
        }.get(self.name)  # fmt: skip
        if first is not None and (made := run(first, self.before)).code:
            raise Damage(f"{self.name} cannot be prepared: it ends with {made.code}: {made.lines}")

    def fresh(self) -> None:
        """Put everything back."""
        shutil.rmtree(self.where, ignore_errors=True)
        shutil.copytree(self.before, self.where)

    def walk(self, error: int, *, once: bool, every: int, spare: Callable[[], None] = lambda: None) -> Iterator[str]:
        """Let the writes fail from one on, or one of them, for each in turn."""
        self.fresh()
        old = content_of(self.where)
        whole = run(self.arguments, self.where)
        if whole.code:
            raise Damage(f"{self.name} ends with {whole.code}: {whole.lines}")
        expected = content_of(self.where)
        yield f"{self.name}: {whole.writes} writes"
        number = 0
        while True:
            spare()
            self.fresh()
            done = run(self.arguments, self.where, first=number, last=number if once else NEVER, error=error)
            if done.code == 0 and done.writes <= number:
                break
            try:
                self.look(done, old, expected)
                again = run(self.arguments, self.where)
                if again.code:
                    raise Damage(f"with room again it fails: {again.lines}")
                _compare(content_of(self.where), expected)
            except Damage as damage:
                yield f"{self.name}, write {number}: DAMAGE {damage}; it said {done.lines}"
                self.counts["damage"] += 1
            self.counts["writes"] += 1
            number += every
        yield f"{self.name}: {self.counts['writes']} writes failed, {self.counts['refused']} ended the command"

    def look(self, done: Run, old: dict[str, bytes], expected: dict[str, bytes]) -> None:
        """Raise `Damage` for anything but a sentence, or what was there before."""
        text = "\n".join(done.lines)
        if "Traceback" in text or "Exception ignored" in text:
            raise Damage("it says more than a sentence")
        if hidden := [path.name for path in self.where.rglob(".*")]:
            raise Damage(f"files are left: {hidden}")
        if done.code == 0 and not any(line.startswith(("Note:", "report:", "picture:")) for line in done.lines):
            _compare(content_of(self.where), expected)
            self.counts["went on"] += 1
            return
        if left := list((self.where / "temporary").iterdir()):
            raise Damage(f"temporary files are left: {left}")
        errors = [line for line in done.lines if line.startswith("Error: ")]
        if done.code not in (0, 1) or (done.code == 1 and len(errors) != 1):
            raise Damage(f"it ends with {done.code} and {len(errors)} errors")
        self.counts["refused" if done.code else "noted"] += 1
        for line in errors or done.lines:
            self.sentences[line.replace(str(self.where), "")] += 1
            if not any(word in line for word in WAYS_OUT):
                raise Damage(f"no way out: {line}")
        found = content_of(self.where)
        for name, content in old.items():
            if not name.startswith("s/") and found.get(name) not in (content, expected.get(name)):
                raise Damage(f"{name} is neither old nor new")


def _compare(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    differ = sorted(name for name in expected.keys() | found.keys() if found.get(name) != expected.get(name))
    if differ:
        raise Damage(f"not the same as without a full disk: {differ}")


def warm(root: Path) -> None:
    """Import and compile in this process what its forks need."""
    import matplotlib.figure
    import onnx

    import fastnet
    import fastnet.report.page

    del matplotlib, onnx
    options: dict[str, Any] = {"hidden": "8", "epochs": 2, "trials": 4, "final": 1, "repeats": 1, "ensemble_top": 2}
    digits = fastnet.take_first(fastnet.load("digits"), 100)
    fastnet.search(None, digits, study=root / "warm", **options)
    fastnet.report.page.write_report(root / "warm")


def campaign(root: Path, names: Sequence[str], error: int, *, once: bool, every: int) -> tuple[dict[str, Any], int]:
    """Walk through the writes of commands; return the counts, and how much was found wrong."""
    warm(root)
    found: dict[str, Any] = {}
    for name in names:
        room = Room(name, root / name)
        for line in room.walk(error, once=once, every=every):
            print(line, flush=True)  # noqa: T201
        found[name] = dict(sorted(room.counts.items())) | {"sentences": dict(room.sentences.most_common())}
        shutil.rmtree(root / name)
    return found, sum(room["damage"] for room in found.values() if "damage" in room)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--commands", nargs="+", choices=list(COMMANDS), default=list(COMMANDS), help="what to run")
    parser.add_argument("--error", default="ENOSPC", help="the error of the system, such as EDQUOT, EIO or EROFS")
    parser.add_argument("--once", action="store_true", help="let one write fail, not all from there on")
    parser.add_argument("--every", type=int, default=1, help="try every so manyth write")
    parser.add_argument("--json", type=Path, help="write the counts to this file")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        if "FASTNET_FAULTY" not in os.environ:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fastnet-faulty-")))
            environment = os.environ | {"FASTNET_FAULTY": str(folder), "LD_PRELOAD": str(build(folder))}
            sys.exit(subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode)
    root = Path(os.environ["FASTNET_FAULTY"])
    found, damage = campaign(
        root, options.commands, getattr(errno, options.error), once=options.once, every=options.every
    )
    text = json.dumps(found, indent=1)
    print(text)  # noqa: T201
    if options.json is not None:
        options.json.write_text(text + "\n")
    sys.exit(bool(damage))


if __name__ == "__main__":
    main()
