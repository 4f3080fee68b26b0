"""The pages of docs/ as a site: every page is in it, and the reference lists every public name."""

from __future__ import annotations

import re
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


def test_the_reference_is_the_public_interface() -> None:
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^::: fastnet\.(\w+)$", page, flags=re.MULTILINE)
    assert sorted([*listed, "__version__"]) == sorted(fastnet.__all__) and "`fastnet.__version__`" in page
    assert len(listed) == page.count("\n::: ")  # nothing but these


def test_what_is_promised_is_that_of_this_version() -> None:
    promise = (DOCS / "api.md").read_text(encoding="utf-8").partition("## What is promised")[2]
    first = re.search(r"Semantic Versioning\]\(\S+\) from (\d+)\.(\d+)\.0 on", promise)
    assert first is not None
    assert tuple(map(int, first.groups())) <= tuple(map(int, fastnet.__version__.split(".")[:2]))
    shown = re.search(r"\*\*Deprecation\.\*\*.*?\n\n", promise, flags=re.DOTALL)
    assert shown is not None and "two minor releases" in shown[0] and "six months" in shown[0]
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "fastnet").rglob("*.py")]
    assert ("nothing is deprecated" in shown[0]) == (not any("DeprecationWarning" in text for text in sources))


@pytest.mark.parametrize("page", ["README.md", "README.ko.md"])
def test_the_first_page_is_short(page: str) -> None:
    assert len((ROOT / page).read_text(encoding="utf-8").splitlines()) <= 200
