"""Random configurations of training, and what each of them is checked against; `soak.py` runs them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[2] / "tests"

sys.path.append(str(TESTS))  # canaries, shapes and exported models of the tests


def tests_module(name: str) -> Any:
    """Import a module of the tests whose name a profile has, too."""
    spec = importlib.util.spec_from_file_location(f"tests_{name}", TESTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made
