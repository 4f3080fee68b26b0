"""The cores and the memory that this process may use: those of the machine, within the limits of its container.

A container does not hide its machine's cores and memory. Its limits are files of the control groups (cgroups, version 1
or 2) of the process; the limits of every enclosing group apply too. Missing, unreadable or damaged files set no limit.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/")

_MOST = 1_000_000
"""Most bytes read from a file."""

_LARGEST = 2**60
"""A memory limit this large means no limit: version 1 writes the largest number that fits."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may use.

    Parameters
    ----------
    affinity : int
        Cores that the system lets it run on, at least 1.
    quota : float or None
        Cores' worth of time that its control groups allow, such as 1.5; None for no limit.
    physical : int or None
        Bytes of memory of the machine; None where the system does not report it.
    allowed : int or None
        Bytes of memory that its control groups allow; None for no limit.

    Examples
    --------
    >>> limits = Limits(affinity=8, quota=1.5, physical=2**34, allowed=2**31)
    >>> limits.cores, limits.memory == 2**31
    (2, True)
    """

    affinity: int
    quota: float | None = None
    physical: int | None = None
    allowed: int | None = None

    @property
    def cores(self) -> int:
        """Number of threads worth starting: the affinity or the quota rounded up, whichever is smaller; at least 1."""
        return self.affinity if self.quota is None else max(1, min(self.affinity, math.ceil(self.quota)))

    @property
    def memory(self) -> int | None:
        """Bytes of memory that it may use at most; None if unknown."""
        known = [size for size in (self.physical, self.allowed) if size is not None]
        return min(known, default=None)


def limits_of_process(root: Path = _ROOT) -> Limits:
    """Read the limits of this process; ``proc`` and ``sys`` are looked up below `root`."""
    groups = _groups(root)
    return Limits(
        affinity=_affinity(),
        quota=min(_quotas(groups), default=None),
        physical=_physical_memory(root),
        allowed=min(_memory_limits(groups), default=None),
    )


def usable_cores() -> int:
    """Return the number of cores that this process may use, see `Limits.cores`."""
    groups = _groups(_ROOT)
    return Limits(_affinity(), min(_quotas(groups), default=None)).cores


def usable_memory() -> int | None:
    """Return the bytes of memory that this process may use at most, see `Limits.memory`."""
    return limits_of_process().memory


def free_memory() -> int | None:
    """Return the bytes of memory that this process may still take; other processes are ignored. None if unknown.

    Limits of the process itself (``ulimit -v`` and ``ulimit -d``) count as those of the machine and its container do.
    """
    rooms = list(_room_of_process())
    if (limit := usable_memory()) is not None:
        rooms.append(limit - (resident_memory() or 0))
    return max(0, min(rooms)) if rooms else None


def _room_of_process() -> Iterator[int]:
    """Yield the bytes that are left of each limit of this process: of its address space, and of its data."""
    try:
        import resource
    except ImportError:  # Windows
        return
    used = _read(Path("/proc/self/statm")).split()
    for name, place in (("RLIMIT_AS", 0), ("RLIMIT_DATA", 5)):
        limit = resource.getrlimit(getattr(resource, name))[0]
        if limit != resource.RLIM_INFINITY and place < len(used):
            yield limit - int(used[place]) * resource.getpagesize()


def resident_memory() -> int | None:
    """Return the bytes of memory that this process uses, its peak on systems that report nothing better, else None."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return pages * resource.getpagesize()


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def _groups(root: Path) -> dict[str, list[Path]]:
    """Return the folders of this process's control groups and of all above them, as far as they are visible.

    The keys name what version 1 limits there, ``cpu`` or ``memory``; an empty key stands for version 2.
    """
    groups: dict[str, list[Path]] = {"": [], "cpu": [], "memory": []}
    places = dict(_places(root))
    for mount_root, mount, kind, options in _mounts(root):
        for name in ("",) if kind == "cgroup2" else groups.keys() & set(options):
            groups[name] += _chain(root, mount_root, mount, places.get(name, "/"))
    return groups


def _places(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the path of this process for each controller of version 1; version 2 has an empty name."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if path.startswith("/") and (names or number == "0"):
            for name in names.split(","):
                yield name, path


def _mounts(root: Path) -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield root, mount point, type and options of every mounted hierarchy of control groups."""
    for line in _read(root / "proc/self/mountinfo").splitlines():
        first, dash, last = line.partition(" - ")
        fields, kinds = first.split(" "), last.split(" ")
        if dash and len(fields) >= 6 and len(kinds) >= 3 and kinds[0] in ("cgroup", "cgroup2"):
            yield _unescaped(fields[3]), _unescaped(fields[4]), kinds[0], kinds[2].split(",")


def _chain(root: Path, mount_root: str, mount: str, path: str) -> list[Path]:
    """Return the folder of a path in a mounted hierarchy and the folders above it, up to the mount point."""
    top = root / mount.lstrip("/")
    inside = [part for part in path.split("/") if part]
    above = [part for part in mount_root.split("/") if part]
    if inside[: len(above)] != above or ".." in inside:
        return [top]  # mounted from elsewhere, as in a container without its own namespace: the visible group is ours
    inside = inside[len(above) :]
    return [top.joinpath(*inside[:n]) for n in range(len(inside), -1, -1)]


def _quotas(groups: dict[str, list[Path]]) -> Iterator[float]:
    """Yield the cores that each group allows."""
    found = [_read(folder / "cpu.max").split() for folder in groups[""]]
    found += [
        [_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")] for folder in groups["cpu"]
    ]
    for words in found:
        numbers = [_positive(word) for word in words]
        if len(numbers) == 2 and numbers[0] is not None and numbers[1] is not None:
            yield numbers[0] / numbers[1]


def _memory_limits(groups: dict[str, list[Path]]) -> Iterator[int]:
    """Yield the bytes that each group allows."""
    files = [folder / "memory.max" for folder in groups[""]]
    files += [folder / "memory.limit_in_bytes" for folder in groups["memory"]]
    for file in files:
        limit = _positive(_read(file).strip())
        if limit is not None and limit < _LARGEST:
            yield limit


def _physical_memory(root: Path) -> int | None:
    for line in _read(root / "proc/meminfo").splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "MemTotal:" and words[2] == "kB":
            kilobytes = _positive(words[1])
            return None if kilobytes is None else 1024 * kilobytes
    if root != _ROOT or sys.platform == "win32":
        return None
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None
    return size if size > 0 else None


def _positive(text: str) -> int | None:
    """Read a number above 0; None for anything else, such as ``max`` or ``-1``."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 25 and int(text) > 0 else None


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return os.fsdecode(file.read(_MOST))
    except (OSError, ValueError):
        return ""


def _unescaped(text: str) -> str:
    r"""Decode a name in mountinfo, where a blank is written as ``\040``."""
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8) & 255]), os.fsencode(text)))
