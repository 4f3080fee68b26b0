"""Whose files are trusted: what lies in a cache is used only if nobody else could have put it there."""

from __future__ import annotations

import os
import stat
from functools import cache
from pathlib import Path


def distrust(folder: Path) -> str:
    """Return why the files in a folder must not be used: somebody else could have put them there.

    The result is a sentence; it is empty if only this user, the owner of the installed package, or root can write into
    the folder, which need not exist. Files are trusted from anyone who could also change the package itself. A folder
    that a group may write to is trusted if the group is the user's private one, as many systems create them.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     distrust(Path(name))
    ''
    """
    if os.name == "nt":
        return ""
    for place in (folder, folder.parent):
        try:
            found = place.stat()
        except OSError:
            continue
        if not stat.S_ISDIR(found.st_mode):  # nothing can be in it
            continue
        if found.st_uid not in _trusted():
            return f"{place}: belongs to another user"
        # Where the sticky bit is set, as in /tmp, nobody can replace what belongs to another user.
        if _is_loose(found) and not (found.st_mode & stat.S_ISVTX and place != folder):
            return f"{place}: other users may write to it; run: chmod go-w {place}"
    return ""


def distrust_file(found: os.stat_result) -> str:
    """Return why the content of a file must not be used, as the end of a sentence; empty if it may be.

    `found` is best that of the open file, which nobody can exchange any more.
    """
    if os.name == "nt":
        return ""
    if found.st_uid not in _trusted():
        return "belongs to another user"
    return "other users may write to it" if _is_loose(found) else ""


def keep_from_others(descriptor: int) -> None:
    """Let nobody else write to an open file, whatever the user's mask allows."""
    if os.name != "nt":
        os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & ~(stat.S_IWGRP | stat.S_IWOTH))


def _is_loose(found: os.stat_result) -> bool:
    return bool(found.st_mode & (stat.S_IWOTH if _is_private(found.st_gid) else stat.S_IWOTH | stat.S_IWGRP))


@cache
def _trusted() -> frozenset[int]:
    return frozenset((0, os.getuid(), os.geteuid(), Path(__file__).stat().st_uid))


@cache
def _is_private(group: int) -> bool:
    """Whether a group is root's, or has no member but this user: by convention it then has the user's name."""
    import grp
    import pwd

    if group == 0:
        return True
    try:
        return group == os.getegid() and grp.getgrgid(group).gr_name == pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return False
