"""Which versions `./check.sh oldest` installs; the installing itself is CI's."""

from __future__ import annotations

import runpy
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "environments.py"))


def test_every_requirement_has_a_lower_bound_and_nothing_else():
    found = SCRIPT["bounds"]((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert {"numpy", "numba", "matplotlib", "pytest"} <= set(found)
    assert all(version[0].isdigit() for version in found.values())


def test_a_requirement_may_say_where_it_applies():
    text = """[project]\ndependencies = []\noptional-dependencies.test = ["ray>=2.40; python_version < '3.14'"]"""
    assert SCRIPT["bounds"](text) == {"ray": "2.40"}


@pytest.mark.parametrize("requirement", ["numpy", "numpy>=1.26,<3", "numpy==1.26", "numpy<3; python_version>'3'"])
def test_a_requirement_without_a_lower_bound_alone_is_refused(requirement):
    text = f'[project]\ndependencies = ["{requirement}"]\noptional-dependencies.test = []'
    with pytest.raises(SystemExit, match="has no lower bound alone"):
        SCRIPT["bounds"](text)


@pytest.mark.parametrize(
    ("versions", "bound", "expected"),
    [
        (["2.1", "2.0.1", "1.9"], "2", "2.0.1"),
        (["10.0", "9.0", "2.0"], "9", "9.0"),
        (["8.0.0", "8.0.1"], "8", "8.0.0"),
        (["8", "8.0.1"], "8.0", "8"),
        (["3.0rc1", "2.9.post1", "3.1"], "2.9", "3.1"),
        (["1.0"], "1.0.1", None),
    ],
)
def test_the_lowest_version_within_a_bound_is_taken(versions, bound, expected):
    assert SCRIPT["lowest"](versions, bound) == expected


def test_the_scripts_of_the_checks_can_be_read_by_bash():
    for script in ("check.sh", ".ci/run"):
        subprocess.run(["bash", "-n", script], cwd=ROOT, check=True)
    done = subprocess.run(["./check.sh"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "oldest" in done.stdout


def test_the_core_names_files_that_are_there():
    from conftest import CORE

    assert [name for name in CORE if not (ROOT / "tests" / f"{name}.py").is_file()] == []


SHARED_FILES = {"experiments": "test_experiments", "reference": "test_reference", "report_page": "test_report_page"}
"""Folders whose small modules of one kind share a test file, unless they have one of their own."""


@pytest.mark.parametrize("package", ["fastnet", "cli"])
def test_every_module_has_a_test_file_of_its_name(package):
    missing = []
    for module in sorted((ROOT / package).rglob("*.py")):
        if module.name in ("__init__.py", "__main__.py", "_version.py"):
            continue
        parts = [part.strip("_") for part in module.relative_to(ROOT).with_suffix("").parts]
        name = "_".join(parts[1:] if package == "fastnet" else parts)
        folder = name.removesuffix(f"_{parts[-1]}")
        names = [f"test_{name}", *([SHARED_FILES[folder]] if folder in SHARED_FILES else [])]
        if not any((ROOT / "tests" / f"{found}.py").is_file() for found in names):
            missing.append(f"{module.relative_to(ROOT)}: tests/{names[0]}.py")
    assert missing == []
