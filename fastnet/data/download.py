"""Download one file from the first of several mirrors that delivers it complete."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from fastnet.data.readers.idx import BROKEN_FILE_ERRORS, open_gzip_or_plain
from fastnet.errors import DataError
from fastnet.files import part_next_to, remove_parts
from fastnet.trust import keep_from_others

Progress = Callable[[str, int, int], None]
"""Called during a download with the file name, the bytes done and the total bytes (0 if unknown)."""

TIMEOUT_SECONDS = (10.0, 30.0)
"""Longest wait for a connection, and for the next bytes of a transfer."""

MOST_BYTES = 1 << 28
"""Largest file that is downloaded; the largest of those that are known has 26 MB."""

_CHUNK = 1 << 16
_WAY_OUT = "name a folder that holds the data with data_dir or FASTNET_DATA_DIR"


def fetch(name: str, sha256: str, *, mirrors: Sequence[str], folder: Path, progress: Progress | None = None) -> Path:
    """Download a file into a folder unless it is already there, and return its path.

    Parameters
    ----------
    name : str
        Name of the file, at the mirrors and in the folder.
    sha256 : str
        SHA-256 of its content, decompressed if it is gzip: mirrors compress the same content differently.
    mirrors : sequence of str
        Addresses to which the name is appended, tried in order.
    folder : Path
        Created if it does not exist. The file appears in it complete and verified, in one step, so several processes
        may fetch the same file at once.

    Raises
    ------
    DataError
        If no mirror delivers the file (each is named with the reason), or the folder cannot be written to.
    """
    target = folder / name
    if target.is_file():
        return target
    reasons = []
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        for mirror in mirrors:
            reason = _fetch_from(mirror + name, target, sha256, progress)
            if reason is None:
                return target
            reasons.append(f"{mirror + name} ({reason})")
    except OSError as error:
        if target.is_file():
            return target  # another process placed it first; not every system lets two replace a file at once
        raise DataError(f"{folder}: cannot be written ({error.strerror or error}); {_WAY_OUT}") from None
    raise DataError(f"{name} could not be downloaded from {', '.join(reasons)}; try again, or {_WAY_OUT}")


def unpacked_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, decompressed if it is gzip.

    Raises `OSError`, `EOFError` or `zlib.error` if it cannot be read or is a damaged gzip file.
    """
    digest = hashlib.sha256()
    with open_gzip_or_plain(path) as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def _fetch_from(url: str, target: Path, sha256: str, progress: Progress | None) -> str | None:
    """Download one address to `target`; return None, or in a few words why that failed."""
    import requests

    part = part_next_to(target)
    plain = {"Accept-Encoding": "identity"}  # the bytes of the file, without compression by the server
    try:
        with (
            requests.get(url, stream=True, timeout=TIMEOUT_SECONDS, headers=plain) as response,
            part.open("wb") as file,
        ):
            keep_from_others(file.fileno())
            remove_parts(target.parent, os.fstat(file.fileno()).st_mtime)
            response.raise_for_status()
            said = response.headers.get("Content-Length", "")
            total, done = int(said) if said.isascii() and said.isdigit() and len(said) < 16 else 0, 0
            for piece in response.iter_content(_CHUNK):
                file.write(piece)
                done += len(piece)
                if done > MOST_BYTES:
                    return f"more than {MOST_BYTES / 1e6:.0f} MB"
                if progress is not None:
                    progress(target.name, min(done, total) if total else done, total)
        if unpacked_sha256(part) != sha256:
            return "wrong checksum"
        part.replace(target)
    except requests.HTTPError as error:
        return f"HTTP status {'unknown' if error.response is None else error.response.status_code}"
    except requests.Timeout:
        return "no answer in time"
    except requests.exceptions.ChunkedEncodingError:
        return "the transfer broke off"
    except requests.RequestException:
        return "no connection"
    except (*BROKEN_FILE_ERRORS, DataError):  # the last if it unpacks without end
        return "a truncated or damaged gzip file"
    finally:
        part.unlink(missing_ok=True)
    return None
