"""How the kernels are compiled: in one place, cached by their sources, and never for another type."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from fastnet.kernels import _jit

KERNELS = Path(_jit.__file__).parent
PACKAGE = KERNELS.parent
COMPILERS = {"njit", "jit", "cfunc", "vectorize", "guvectorize", "generated_jit", "stencil", "jit_module", "jitclass"}
OPTIONS = {"fastmath", "nogil", "error_model", "boundscheck", "locals", "forceobj"}


def names_of_compilers(source: Path) -> list[str]:
    """Where a file imports or names one of Numba's decorators, or gives one of their options."""
    found = []
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        named = ""
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("numba"):
            named = next((alias.name for alias in node.names if alias.name in COMPILERS | {"*"}), "")
        elif isinstance(node, ast.Attribute) and node.attr in COMPILERS:
            named = node.attr
        elif isinstance(node, ast.keyword) and node.arg in OPTIONS:
            named = node.arg
        if named:
            found.append(f"{source.relative_to(PACKAGE)}:{node.lineno if hasattr(node, 'lineno') else '?'}: {named}")
    return found


def test_only_one_file_names_numbas_decorators_and_options():
    sources = sorted(PACKAGE.rglob("*.py"))
    assert len(sources) > 30
    assert [place for source in sources if source != KERNELS / "_jit.py" for place in names_of_compilers(source)] == []
    assert len(names_of_compilers(KERNELS / "_jit.py")) >= 3, "the check finds nothing where there is something"


def test_fast_math_is_never_asked_for():
    for source in sorted(KERNELS.glob("*.py")):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.keyword) and node.arg == "fastmath"), source
            assert not (isinstance(node, ast.keyword) and node.arg == "flags"), f"{source}: an LLVM fast-math flag"


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a current folder")
def test_kernels_compile_without_a_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def take(values: Any, place: int) -> Any:
        return values[place]  # Numba tries for a constant here, and words the failure for itself

    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert numba.njit(take)(np.arange(3), 2) == 2
