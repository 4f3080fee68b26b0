"""The notebooks of the documentation run from a clean kernel, and are stored with what they print."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

NEEDS = {"cluster": "distributed"}
"""Packages of notebooks that few have installed."""

BOOKS = sorted((Path(__file__).resolve().parents[1] / "docs" / "notebooks").glob("*.ipynb"))

# In a process of its own: the client of Jupyter leaves event loops and sockets behind, which are warnings here.
RUN = """
import sys
import nbformat
from nbclient import NotebookClient

book = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(book, timeout=600, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}}).execute()
"""


@pytest.mark.parametrize("book", BOOKS, ids=[book.stem for book in BOOKS])
def test_it_runs(book: Path, tmp_path: Path) -> None:
    if book.stem in NEEDS:
        pytest.importorskip(NEEDS[book.stem])
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(book), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("book", BOOKS, ids=[book.stem for book in BOOKS])
def test_it_is_stored_with_its_outputs(book: Path) -> None:
    text = book.read_text(encoding="utf-8")
    code = [cell for cell in nbformat.reads(text, as_version=4).cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    assert all(cell.execution_count for cell in code) and len(outputs) >= len(code) // 2
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert max(len(line) for cell in code for line in cell.source.splitlines()) <= 82  # what a page of the site shows
    assert len(text) < 1_000_000 and not re.search(r"/(home|root|tmp|work|Users)/", text)


def test_there_are_four() -> None:
    assert [book.stem for book in BOOKS] == ["chapter-6", "cluster", "scikit-learn", "table"]


@pytest.mark.slow
def test_the_python_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (BOOKS[0].parents[1] / "notebooks.md").read_text(encoding="utf-8")
    codes = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {}
    for code in codes:
        code = code.replace('interrupt="return"', 'interrupt="return", timeout=4')  # instead of the stop button
        exec(compile(code, "notebooks.md", "exec"), known)
    assert len(codes) == 7 and known["figure"].layout.title.text == "The first search"
    assert known["result"].interrupted and len(known["result"].trials) > 0 and (tmp_path / "slices.html").is_file()


def test_the_page_names_every_figure() -> None:
    from fastnet.model.plotted import ModelFigures
    from fastnet.tuning.view.plotted import StudyFigures

    page = (BOOKS[0].parents[1] / "notebooks.md").read_text(encoding="utf-8")
    names = {name for owner in (ModelFigures, StudyFigures) for name in vars(owner) if name.startswith("plot_")}
    assert names == set(re.findall(r"^\| `(plot_\w+)\(", page, re.MULTILINE)) and len(names) == 8
