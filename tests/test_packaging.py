"""What is installed: the two packages, the script, and the data inside."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import fastnet

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_packages_listed_are_the_folders_with_an_init(project: dict[str, Any]) -> None:
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "fastnet").rglob("__init__.py")}
    found |= {
        ".".join(["fastnet_cli", *path.parent.relative_to(ROOT / "cli").parts])
        for path in (ROOT / "cli").rglob("__init__.py")
    }
    assert sorted(found) == sorted(project["tool"]["setuptools"]["packages"])


def test_every_folder_of_the_library_is_a_package() -> None:
    folders = {path.parent for source in ("fastnet", "cli") for path in (ROOT / source).rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_version_is_the_one_of_the_distribution() -> None:
    assert fastnet.__version__ == metadata("fastnet-mlp")["Version"]


def test_script_starts_the_command_line() -> None:
    scripts = {entry.name: entry.value for entry in entry_points(group="console_scripts")}
    assert scripts["fastnet"] == "fastnet_cli.start:main"


def test_checkout_is_not_on_the_path() -> None:
    spec = find_spec("cli")
    assert spec is None or Path(spec.origin or "").parent != ROOT / "cli", "run pytest, not python -m pytest"


def test_wheel_holds_the_two_packages_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for folder in ("fastnet", "cli"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"fastnet", "fastnet_cli"}
    sources = {
        package: {path.relative_to(ROOT / folder).as_posix() for path in (ROOT / folder).rglob("*.py")}
        for package, folder in (("fastnet", "fastnet"), ("fastnet_cli", "cli"))
    }
    expected = {f"{package}/{path}" for package, paths in sources.items() for path in paths}
    assert expected <= set(names)
    assert {"fastnet/py.typed", "fastnet/data/mnist5k.npz", "fastnet/data/mnist5k.md"} <= set(names)
    assets = {path.relative_to(ROOT).as_posix() for path in (ROOT / "fastnet/report/page/assets").iterdir()}
    assert len(assets) >= 5 and assets <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert wheel.stat().st_size < 2_000_000


def test_public_names_are_the_same_for_readers_and_for_type_checkers() -> None:
    tree = ast.parse(Path(fastnet.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed | {"__version__"} == set(fastnet.__all__)


def test_public_names_can_be_had() -> None:
    for name in fastnet.__all__:
        assert getattr(fastnet, name) is not None
    assert set(dir(fastnet)) == set(fastnet.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        fastnet.nonsense  # noqa: B018
