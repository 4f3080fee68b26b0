"""Messages for files that cannot be read."""

from __future__ import annotations

from pathlib import Path

from fastnet.errors import DataError


def unreadable(path: Path, error: OSError) -> DataError:
    """Return the error for a file that the system refuses to open."""
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: no such file")
    if isinstance(error, IsADirectoryError):
        return DataError(f"{path}: is a folder, where a file is needed")
    return DataError(f"{path}: cannot be read ({error.strerror or error})")
