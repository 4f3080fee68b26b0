"""Build the source distribution and the wheel of a commit, twice, and keep them if both times gave the same bytes.

    python scripts/release.py dist
    python scripts/release.py dist --commit v0.2.0

What is built follows from the commit, from Python's zlib and from the version of setuptools, which the last line names:
with the same ones anybody gets the same files, and compares them by ``SHA256SUMS``. Times are those of the commit,
owners are nobody, and permissions do not depend on the umask. Needs ``build`` and ``setuptools`` of the extra `test`,
and git.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def unpack_commit(commit: str, folder: Path) -> None:
    """Write the files of a commit into a folder; what lies beside them in the checkout stays out."""
    archive = subprocess.run(["git", "archive", "--format=tar", commit], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")


def normalised(sdist: bytes, seconds: int) -> bytes:
    """Return a source distribution with one time, one owner and two kinds of permissions, sorted by name.

    ``SOURCE_DATE_EPOCH`` does this for wheels; setuptools does not heed it in source distributions.
    """
    written = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(sdist)) as old,
        gzip.GzipFile("", "wb", 9, written, mtime=seconds) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            clean = tarfile.TarInfo(member.name)
            clean.type, clean.size, clean.mtime = member.type, member.size, seconds
            clean.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            new.addfile(clean, old.extractfile(member) if member.isfile() else None)
    return written.getvalue()


def build(commit: str, seconds: int) -> dict[str, bytes]:
    """Return the names and the contents of the source distribution and of the wheel, which is built from it."""
    with tempfile.TemporaryDirectory(prefix="fastnet-release-") as name:
        source, out, again = (Path(name, part) for part in ("source", "out", "again"))
        before = os.umask(0o022)  # a wheel keeps the permissions of the files that the build writes
        try:
            for folder in (source, again):
                folder.mkdir()
            unpack_commit(commit, source)
            _run_build("--sdist", source, out, seconds)
            (sdist,) = out.glob("*.tar.gz")
            sdist.write_bytes(normalised(sdist.read_bytes(), seconds))
            with tarfile.open(sdist) as files:
                files.extractall(again, filter="data")
            (unpacked,) = again.iterdir()
            _run_build("--wheel", unpacked, out, seconds)
        finally:
            os.umask(before)
        return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def _run_build(kind: str, source: Path, out: Path, seconds: int) -> None:
    command = [sys.executable, "-m", "build", kind, "--no-isolation", "--outdir", str(out), str(source)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(seconds)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, help="where to write the two files and SHA256SUMS")
    parser.add_argument("--commit", default="HEAD", help="what to build: a tag, a branch or a commit")
    options = parser.parse_args(arguments)
    shown = subprocess.run(["git", "show", "-s", "--format=%ct", f"{options.commit}^{{commit}}"], cwd=ROOT, check=True,
                           capture_output=True, text=True)  # fmt: skip
    seconds = int(shown.stdout)
    first, second = (build(options.commit, seconds) for _ in range(2))
    different = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    if different:
        raise SystemExit(f"two builds of {options.commit} differ in {', '.join(different)}")
    options.folder.mkdir(parents=True, exist_ok=True)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in first.items()}
    for name, content in first.items():
        (options.folder / name).write_bytes(content)
        print(f"{sums[name]}  {name}  {len(content) / 1e6:.2f} MB")
    lines = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    (options.folder / "SHA256SUMS").write_text(lines, encoding="ascii")
    print(f"built twice, the same bytes: setuptools {version('setuptools')}, zlib {zlib.ZLIB_RUNTIME_VERSION}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
