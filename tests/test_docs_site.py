"""The pages of docs/ as a site: every page is in it, and the reference lists every public name."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

import fastnet

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    pages = [*DOCS.glob("*.md"), *DOCS.glob("notebooks/*.ipynb")]
    assert sorted(re.findall(r": (\S+\.(?:md|ipynb))$", navigation, flags=re.MULTILINE)) == sorted(
        path.relative_to(DOCS).as_posix() for path in pages
    )


def test_the_reference_names_every_public_object_and_nothing_that_is_not_there() -> None:
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    objects = re.findall(r"^::: (\S+)$", page, flags=re.MULTILINE)
    for name in objects:
        module, _, attribute = name.rpartition(".")
        assert name == "fastnet.errors" or hasattr(import_module(module), attribute), name
    listed = {name.rpartition(".")[2] for name in objects} | set(re.findall(r"\w+", page.partition("members: ")[2]))
    assert set(fastnet.__all__) - {"__version__", "tuning"} - listed == {"NetworkSpec"}  # which TrainConfig describes


@pytest.mark.parametrize("page", ["README.md", "README.ko.md"])
def test_the_first_page_is_short(page: str) -> None:
    assert len((ROOT / page).read_text(encoding="utf-8").splitlines()) <= 200
