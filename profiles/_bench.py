"""What every profile shares: the machine, the clock, and a report of named figures as a table and as JSON.

A profile warms up, verifies against `fastnet.reference`, then times. Its figures go into a `Report`:

    {"profile": "trial", "quick": false, "machine": {...}, "warm_up_seconds": 3.1, "verified": ["..."],
     "figures": [{"section": "...", "name": "...", "value": 1.0, "unit": "ms", "better": "lower",
                  "low": 0.9, "high": 1.2, ...}]}

`low` and `high` are the 10th and 90th percentile of the repeats; further fields of a figure are free. Section and name
together are unique: `compare.py` and `readme.py` find figures by them. `better` is "higher", "lower" or "" for what is
only described.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "profiles" / "results"

_VECTOR_FEATURES = ("sse2", "avx", "avx2", "fma", "avx512f", "avx512bw", "avx512vl", "neon", "sve")


# The machine ----------------------------------------------------------------------------------------------------------


def machine(threads: int | None = None) -> dict[str, Any]:
    """Describe what a profile runs on: processor, cores, vectors, versions, commit; no host name and no path."""
    import llvmlite.binding as llvm

    from fastnet.kernels.host import LANES

    features = llvm.get_host_cpu_features()
    return {
        "processor": processor(),
        "architecture": llvm.get_host_cpu_name(),
        "cores": cores(),
        "caches": caches(),
        "lanes": LANES,
        "features": [name for name in _VECTOR_FEATURES if features.get(name)],
        "threads": threads or cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: package_version(name) for name in ("numpy", "numba", "llvmlite")},
        "fastnet": package_version("fastnet-mlp"),
        "commit": commit(),
    }


def processor() -> str:
    """Name of the processor as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.lower().startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def caches() -> dict[str, int]:
    """Bytes of the data caches that the first core sees, by level ("L1", "L2", ...); empty where nobody tells."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        if (folder / "type").read_text().strip() in ("Data", "Unified"):
            size = (folder / "size").read_text().strip()
            found["L" + (folder / "level").read_text().strip()] = int(size.rstrip("KM")) << (
                20 if size[-1] == "M" else 10
            )
    return found


def package_version(name: str) -> str:
    """Version of an installed package, or nothing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def commit() -> str:
    """Commit of the checkout, with a plus sign where files differ from it; nothing outside a checkout."""
    name = _output("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")
    return name + ("+" if name and _output("git", "-C", str(ROOT), "status", "--porcelain", "-uno") else "")


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


@contextmanager
def pinned(core_numbers: Sequence[int]) -> Iterator[None]:
    """Keep this process, and what it starts, on these of its cores (0 is the first), where the system allows."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    available = sorted(before)
    os.sched_setaffinity(0, {available[n % len(available)] for n in core_numbers})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


# Time -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Timing:
    """Seconds of one call in repeated runs."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return float(np.median(self.seconds))

    @property
    def best(self) -> float:
        """The shortest."""
        return min(self.seconds)

    @property
    def low(self) -> float:
        """10th percentile."""
        return float(np.percentile(self.seconds, 10))

    @property
    def high(self) -> float:
        """90th percentile."""
        return float(np.percentile(self.seconds, 90))

    def scaled(self, factor: float) -> dict[str, float]:
        """Value, low and high of the time in another unit (1e6 for microseconds), for `Report.add`."""
        return {"value": factor * self.median, "low": factor * self.low, "high": factor * self.high}

    def rate(self, work: float) -> dict[str, float]:
        """Value, low and high of `work` per second, for `Report.add`."""
        return {"value": work / self.median, "low": work / self.high, "high": work / self.low}


def measure(call: Callable[[int], Any], *, repeats: int = 15, at_least: float = 2e-3) -> Timing:
    """Time ``call(n)``, which does its work `n` times, per piece of work.

    The first call warms up and is not counted. `n` is chosen so that a repeat takes `at_least` seconds.
    """
    return interleaved([call], repeats=repeats, at_least=at_least)[0]


def interleaved(calls: Sequence[Callable[[int], Any]], *, repeats: int = 15, at_least: float = 2e-3) -> list[Timing]:
    """Time several calls as `measure` does, in turn, so that a slow moment of the machine meets all of them alike."""
    counts = [_count(call, at_least) for call in calls]
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, count, into in zip(calls, counts, seconds, strict=True):
            started = time.perf_counter()
            call(count)
            into.append((time.perf_counter() - started) / count)
    return [Timing(tuple(some)) for some in seconds]


def _count(call: Callable[[int], Any], at_least: float) -> int:
    call(1)
    count = 1
    while True:
        started = time.perf_counter()
        call(count)
        spent = time.perf_counter() - started
        if spent >= 0.5 * at_least:
            return max(1, round(count * at_least / spent))
        count *= 4


# The report -----------------------------------------------------------------------------------------------------------


class Report:
    """Named figures of one profile.

    Parameters
    ----------
    profile : str
        Name of the script.
    threads : int, optional
        Threads it may use, all cores by default.
    quick : bool
        Whether it was told to take less care.
    """

    def __init__(self, profile: str, *, threads: int | None = None, quick: bool = False) -> None:
        self.profile = profile
        self.quick = quick
        self.machine = machine(threads)
        self.warm_up_seconds = 0.0
        self.checks: list[str] = []
        self.figures: list[dict[str, Any]] = []
        self._section = ""

    @contextmanager
    def warming_up(self) -> Iterator[None]:
        """Count what the body takes as compiling and warming up."""
        started = time.perf_counter()
        yield
        self.warm_up_seconds += time.perf_counter() - started

    def verified(self, what: str) -> None:
        """Note what was compared with the reference and found right."""
        self.checks.append(what)

    def section(self, title: str) -> None:
        """Begin a table."""
        self._section = title

    def add(
        self, name: str, value: float, unit: str, *, better: str = "higher", low: float | None = None,
        high: float | None = None, **extra: Any,
    ) -> None:  # fmt: skip
        """Add a figure; `better` says whether "higher" or "lower" is better, "" that neither is."""
        key = (self._section, name)
        if key in ((figure["section"], figure["name"]) for figure in self.figures):
            raise ValueError(f"the figure {name!r} is twice in {self._section!r}")
        if better not in ("higher", "lower", ""):
            raise ValueError(f"better is {better!r}, and must be 'higher', 'lower' or empty")
        figure = {"section": self._section, "name": name, "value": float(value), "unit": unit, "better": better}
        if low is not None and high is not None:
            figure |= {"low": float(low), "high": float(high)}
        self.figures.append(figure | extra)

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "profile": self.profile,
            "quick": self.quick,
            "machine": self.machine,
            "warm_up_seconds": round(self.warm_up_seconds, 3),
            "verified": self.checks,
            "figures": self.figures,
        }

    def finish(self, path: Path | None = None) -> None:
        """Print the tables, and write the JSON where a path is given."""
        print(text_of(self.as_dict()))
        if path is not None:
            save(self.as_dict(), path)


def save(result: Mapping[str, Any], path: Path) -> None:
    """Write a result as JSON, figures rounded to six digits, one figure a line."""
    head = {key: value for key, value in result.items() if key != "figures"}
    lines = [json.dumps(_rounded(figure), ensure_ascii=False) for figure in result["figures"]]
    text = (
        json.dumps(head, ensure_ascii=False, indent=1)[:-2] + ',\n "figures": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def load(path: Path) -> dict[str, Any]:
    """Read a result back."""
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


def figure_of(result: Mapping[str, Any], name: str, section: str | None = None) -> dict[str, Any]:
    """Return the one figure of a result with this name (and section)."""
    found = [f for f in result["figures"] if f["name"] == name and section in (None, f["section"])]
    if len(found) != 1:
        raise KeyError(f"{result['profile']} has {len(found)} figures called {name!r}, and must have one")
    return dict(found[0])


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


# Tables ---------------------------------------------------------------------------------------------------------------


def text_of(result: Mapping[str, Any]) -> str:
    """Write a result as aligned tables."""
    parts = [f"{result['profile']}{' (quick)' if result['quick'] else ''}", machine_text(result["machine"])]
    parts.append(f"compiling and warming up: {result['warm_up_seconds']:.1f} s")
    parts.extend(f"verified: {check}" for check in result["verified"])
    sections = dict.fromkeys(figure["section"] for figure in result["figures"])
    for section in sections:
        some = [figure for figure in result["figures"] if figure["section"] == section]
        parts.append("")
        parts.extend([section] if section else [])
        parts.append(table(some))
    return "\n".join(parts)


def machine_text(about: Mapping[str, Any]) -> str:
    """Describe a machine in two lines."""
    sizes = ", ".join(f"{level} {size >> 10} kB" for level, size in about["caches"].items())
    return (
        f"{about['processor']} ({about['architecture']}), {about['cores']} cores, {about['threads']} threads, "
        f"{about['lanes']} lanes ({' '.join(about['features'])}){'; ' + sizes if sizes else ''}\n"
        f"{about['system']}, Python {about['python']}, NumPy {about['numpy']}, Numba {about['numba']}, "
        f"llvmlite {about['llvmlite']}, fastnet {about['fastnet']} {about['commit']}".rstrip()
    )


def table(figures: Sequence[Mapping[str, Any]]) -> str:
    """Align figures: name, value, unit, spread, then a column for every further field."""
    known = ("section", "name", "value", "unit", "better", "low", "high")
    extra = list(dict.fromkeys(key for figure in figures for key in figure if key not in known))
    rows = [["", "", "", "10-90 %", *extra]]
    for figure in figures:
        spread = f"{number(figure['low'])} to {number(figure['high'])}" if "low" in figure else ""
        rows.append([figure["name"], number(figure["value"]), figure["unit"], spread])
        rows[-1].extend(number(figure[key]) if key in figure else "" for key in extra)
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    left = (0, 2)
    lines = []
    for row in rows:
        cells = [
            cell.ljust(w) if k in left else cell.rjust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def number(value: Any) -> str:
    """Write a number with four digits, anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    digits = max(0, 3 - int(np.floor(np.log10(abs(value)))))
    return f"{value:,.{min(digits, 6)}f}"


def say(text: str) -> None:
    """Write on the error stream how far a profile is."""
    print(text, file=sys.stderr, flush=True)


# Arguments ------------------------------------------------------------------------------------------------------------


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of every profile; the first line of `doc` describes it."""
    made = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    made.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE as well")
    made.add_argument("--quick", action="store_true", help="less care, much less time")
    made.add_argument(
        "--threads", type=int, default=cores(), metavar="N", help="most threads to use (default: all cores)"
    )
    return made
