"""What is released: a source distribution with everything in it, whose bytes follow from its files alone."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import sys
import tarfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOT_RELEASED = {".ci", ".git", ".github", ".gitignore", "build", "dist"}


def script(name: str) -> ModuleType:
    """Import a script of the folder scripts, which is no package."""
    spec = spec_from_file_location(f"scripts_{name}", ROOT / "scripts" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    found = module_from_spec(spec)
    sys.modules[spec.name] = found  # where its dataclasses look for it
    spec.loader.exec_module(found)
    return found


def packed(files: dict[str, bytes], *, mtime: int, owner: str, mode: int) -> bytes:
    written = io.BytesIO()
    with gzip.GzipFile("", "wb", 1, written, mtime=mtime) as file, tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uname, member.mode = len(content), mtime, owner, mode
            archive.addfile(member, io.BytesIO(content))
    return written.getvalue()


def test_a_source_distribution_depends_on_names_and_contents_alone() -> None:
    release = script("release")
    files = {"p/a.py": b"x = 1\n", "p/b.py": b"", "p/run.sh": b"#!/bin/sh\n"}
    backwards = dict(reversed(files.items()))
    one = release.normalised(packed(files, mtime=5, owner="me", mode=0o664), 1000)
    other = release.normalised(packed(backwards, mtime=77, owner="you", mode=0o600), 1000)
    assert one == other != release.normalised(packed(files | {"p/b.py": b"y"}, mtime=5, owner="me", mode=0o664), 1000)
    with tarfile.open(fileobj=io.BytesIO(one)) as archive:
        members = archive.getmembers()
        contents = {member.name: archive.extractfile(member).read() for member in members}  # type: ignore[union-attr]
    assert contents == files and {(m.mtime, m.uid, m.uname, m.mode) for m in members} == {(1000, 0, "", 0o644)}
    with tarfile.open(
        fileobj=io.BytesIO(release.normalised(packed(files, mtime=5, owner="", mode=0o755), 1))
    ) as archive:
        assert {member.mode for member in archive} == {0o755}


def test_a_source_distribution_holds_the_repository(tmp_path: Path) -> None:
    source = tmp_path / "source"
    left_out = shutil.ignore_patterns(*NOT_RELEASED, ".*", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT, source, ignore=left_out)
    there = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {member.name.split("/", 1)[1] for member in archive if member.isfile()}
    assert there - names == set()
    assert {name for name in names - there if ".egg-info/" not in name} <= {"PKG-INFO", "setup.cfg"}


@pytest.mark.parametrize(
    ("module", "file"),
    [
        ("fastnet/tuning/rules/choice.py", "tests/test_tuning_rules_choice.py"),
        ("fastnet/errors.py", "tests/test_errors.py"),
    ],
)
def test_a_module_is_changed_under_its_own_tests(monkeypatch: pytest.MonkeyPatch, module: str, file: str) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    assert script("mutants").test_file(module) == file and (ROOT / file).is_file()


def test_annotations_are_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    source = "def f(x: int | None, y: int = 1 | 2) -> str | None:\n    return x | y\n"
    found = script("mutants").annotated(source)
    bars = [1000 * (line + 1) + column for line, text in enumerate(source.splitlines())
            for column, letter in enumerate(text) if letter == "|"]  # fmt: skip
    assert [bar in found for bar in bars] == [True, False, True, False]
