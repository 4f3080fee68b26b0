"""Says which copy of fastnet the tests run on, and refuses an installed copy that is not this checkout's."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent
SOURCES = {"fastnet": ROOT / "fastnet", "fastnet_cli": ROOT / "cli"}


def pytest_configure() -> None:
    """Stop before the first test where the tests would say nothing about this checkout."""
    if _folder("fastnet") is None:
        raise pytest.UsageError("fastnet is not installed here: run python3 -m pip install '.[test]' first")
    for package, source in SOURCES.items():
        folder = _folder(package)
        stale = [] if folder in (None, source) else _differences(source, folder)
        if stale:
            raise pytest.UsageError(
                f"the installed {package} is not the one of this checkout ({stale[0]} differs): remove the folder "
                "build, if there is one, and run python3 -m pip install '.[test]' again, or once with -e"
            )


def pytest_report_header() -> str:
    """One line at the head of every run."""
    return f"fastnet: testing the copy in {_folder('fastnet')}"


def _folder(package: str) -> Path | None:
    spec = find_spec(package)
    return None if spec is None or spec.origin is None else Path(spec.origin).resolve().parent


def _differences(source: Path, installed: Path) -> list[str]:
    ours, theirs = ({path.relative_to(root) for path in root.rglob("*.py")} for root in (source, installed))
    changed = {path for path in ours & theirs if (source / path).read_bytes() != (installed / path).read_bytes()}
    return sorted(map(str, (ours ^ theirs) | changed))
