"""Messages for files that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastnet.data.readers.failure import unreadable
from fastnet.errors import DataError


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (FileNotFoundError(2, "No such file or directory"), "a/b.npz: no such file"),
        (IsADirectoryError(21, "Is a directory"), "a/b.npz: is a folder, where a file is needed"),
        (PermissionError(13, "Permission denied"), "a/b.npz: cannot be read (Permission denied)"),
        (OSError("disk on fire"), "a/b.npz: cannot be read (disk on fire)"),
    ],
)
def test_a_file_that_cannot_be_opened_is_named_with_the_reason(error: OSError, says: str) -> None:
    found = unreadable(Path("a/b.npz"), error)
    assert isinstance(found, DataError) and str(found) == says
