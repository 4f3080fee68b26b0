"""Run the tests in a fresh virtual environment with the oldest or the newest versions that pyproject.toml allows.

    python scripts/environments.py oldest
    python scripts/environments.py newest -m core

Oldest: of each requirement the lowest version within its bound that has a wheel for this Python. Newest: what pip
finds, without pre-releases. Arguments after the first go to pytest. ``--keep FOLDER`` keeps the environment.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = (".git", "build", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis", ".venv")


def bounds(text: str) -> dict[str, str]:
    """Return the lower bound of every requirement of the project and of its tests."""
    project = tomllib.loads(text)["project"]
    found = {}
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)>=([0-9.]+)(;.*)?", requirement)
        if match is None:
            raise SystemExit(f"pyproject.toml: {requirement!r} has no lower bound alone; write it as name>=version")
        found[match[1]] = match[2]
    return found


def lowest(versions: list[str], bound: str) -> str | None:
    """Return the lowest of some versions that is at least a bound; None if there is none."""

    def key(version: str) -> list[int]:
        parts = [int(part) for part in version.split(".")]
        while parts and parts[-1] == 0:  # 8 is 8.0.0
            parts.pop()
        return parts

    final = [version for version in versions if re.fullmatch(r"[0-9]+(\.[0-9]+)*", version)]
    return min((version for version in final if key(version) >= key(bound)), key=key, default=None)


def available(python: Path, name: str) -> list[str]:
    """Ask pip which versions of a package have a wheel for this Python."""
    command = [python, "-m", "pip", "index", "versions", "--only-binary", ":all:", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    match = re.search(r"^Available versions: (.*)$", done.stdout, re.MULTILINE)
    if match is None:
        raise SystemExit(f"pip finds no wheel of {name} for this Python: {done.stderr.strip()[-500:]}")
    return match[1].split(", ")


def oldest_pins(python: Path) -> list[str]:
    """Return a pin for each requirement, such as ``numpy==1.26.0``."""
    pins = []
    for name, bound in bounds((ROOT / "pyproject.toml").read_text(encoding="utf-8")).items():
        version = lowest(available(python, name), bound)
        if version is None:
            raise SystemExit(f"pip finds no wheel of {name} from {bound} on for this Python")
        pins.append(f"{name}=={version}")
    return pins


def make(folder: Path, checkout: Path, which: str) -> Path:
    """Make an environment with the project and its tests in it; return its Python."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        # An older pip does not know the wheels of newer versions, nor every option that is used here.
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--upgrade", "pip"], check=True)
    pins = folder / "pins.txt"
    pins.write_text("\n".join(oldest_pins(python)) if which == "oldest" else "", encoding="utf-8")
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--prefer-binary", "--upgrade", "--upgrade-strategy", "eager",
         "--constraint", pins, f"{checkout}[test]"],
        check=True,
    )  # fmt: skip
    return python


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("which", choices=("oldest", "newest"))
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where to keep the environment")
    options, arguments = parser.parse_known_args()
    os.environ["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    with tempfile.TemporaryDirectory(prefix="fastnet-environment-") as work:
        # A copy, because setuptools would also pack what an earlier build left in ./build.
        checkout = Path(work, "checkout")
        shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(*LEFT_OUT))
        python = make(options.keep or Path(work, "environment"), checkout, options.which)
        print(f"The {options.which} versions:", flush=True)
        subprocess.run([python, "-m", "pip", "list"], check=True)
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        environment["PATH"] = os.pathsep.join([str(python.parent), environment.get("PATH", "")])
        shared = ROOT.parent / "shared" / "data"
        if shared.is_dir():  # real image sets, where somebody has put them beside the checkout
            environment.setdefault("FASTNET_TEST_DATA", str(shared))
        return subprocess.call([python.parent / "pytest", *arguments], cwd=checkout, env=environment)


if __name__ == "__main__":
    sys.exit(main())
