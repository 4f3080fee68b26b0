"""The experiments of the chapter: what they measure, and that they say no more than that."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from fastnet import experiments
from fastnet.config.experiment import EXPERIMENTS
from fastnet.errors import ConfigError, DataError
from fastnet.experiments.files import FIGURES

TINY: dict[str, Any] = {"seeds": 2, "epochs": 2, "samples": 40, "test_samples": 50}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, experiments.Outcome]:
    return {outcome.name: outcome for outcome in experiments.run_each(EXPERIMENTS, "mnist5k", jobs=2, **TINY)}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_outcomes_contain_sentences_claims_tables_and_figures(outcomes, name):
    outcome = outcomes[name]
    document = outcome.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert [sentence[-1] for sentence in document["sentences"]] == [".", "."]
    assert "nan" not in " ".join([*document["sentences"], *document["remarks"]]).lower().split()
    assert outcome.claims and all(claim.rule for claim in outcome.claims)
    assert tuple(figure.name for figure in outcome.figures) == FIGURES[name]
    for table in outcome.tables:
        assert table.rows and all(len(row) == len(table.heads) for row in table.rows)
    assert document["seeds"] == [0, 1] and document["data"]["test_samples"] == 50


def test_outcomes_do_not_depend_on_threads_or_on_each_other(outcomes):
    for name in EXPERIMENTS:
        alone = experiments.run(name, "mnist5k", jobs=1, **TINY)
        assert alone.to_dict() == outcomes[name].to_dict(), name


def test_figures_contain_the_trained_curves(outcomes):
    [chart, *_] = outcomes["overfit"].figures
    test, training = chart.to_dict()["panels"][0]["series"]
    rows = {row[0]: row[1] for row in outcomes["overfit"].tables[0].rows}
    assert test["y"][-1] == pytest.approx(rows["test accuracy"])
    assert training["y"][-1] == pytest.approx(rows["training accuracy"])
    assert len(test["x"]) == len(test["low"]) == TINY["epochs"]


def test_files_are_written_whole_and_the_same_again(outcomes, tmp_path):
    expected = []
    for outcome in outcomes.values():
        expected += experiments.write(outcome, tmp_path, {"seconds": 1.0})
        assert (
            experiments.files_of(outcome.name, tmp_path)
            == expected[-len(experiments.files_of(outcome.name, tmp_path)) :]
        )
    page = experiments.write_index(list(outcomes.values()), tmp_path)
    assert sorted([*expected, page]) == sorted(tmp_path.iterdir())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    experiments.write(outcomes["dropout"], tmp_path, {"seconds": 1.0})
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert json.loads(before["dropout.json"])["run"] == {"seconds": 1.0}
    assert b"<text" not in before["dropout.svg"] and before["dropout.png"].startswith(b"\x89PNG")
    check_page(before["index.html"].decode(), tmp_path)


def check_page(text: str, folder: Path) -> None:
    """The page closes what it opens and links to only the files next to it."""

    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []
            self.links: list[str] = []

        def handle_starttag(self, tag: str, attributes: Any) -> None:
            self.links += [value for name, value in attributes if name in ("href", "src")]
            if tag not in ("meta", "img"):
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    for link in reader.links:
        assert (link[1:] in EXPERIMENTS) if link.startswith("#") else (folder / link).is_file()
    assert "@import" not in text and "url(" not in text


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (ConfigError, "did you mean overfit", lambda: experiments.run("overfitt", "mnist5k")),
        (ConfigError, "did you mean seeds", lambda: experiments.run("data", "digits", seed=1)),
        (ConfigError, "seeds=0: must be a whole number from 1", lambda: experiments.run("data", "mnist5k", seeds=0)),
        (ConfigError, "test_samples=1: must be", lambda: experiments.run("data", "mnist5k", test_samples=1)),
        (DataError, "4000 training samples", lambda: experiments.run("data", "mnist5k", samples=4001)),
        (DataError, "need at least 10", lambda: experiments.run("data", ([[0.0], [1.0], [2.0]], [0, 1, 1]))),
        (ConfigError, "data is a int", lambda: experiments.run("data", 3)),
    ],
)  # fmt: skip
def test_impossible_settings_are_refused_before_anything_runs(error, words, call):
    with pytest.raises(error, match=words):
        call()


def test_stopping_ends_an_experiment():
    with pytest.raises(KeyboardInterrupt):
        experiments.run("overfit", "mnist5k", should_stop=lambda: True, **TINY | {"epochs": 100_000})


def test_the_guide_shows_every_figure_and_names_every_command():
    docs = Path(__file__).resolve().parents[1] / "docs"
    text = (docs / "chapter-6.md").read_text(encoding="utf-8")
    pictures = {name for names in FIGURES.values() for name in names}
    assert {path.stem for path in (docs / "chapter-6").glob("*.png")} == pictures
    assert all(f"(chapter-6/{name}.png)" in text for name in pictures)
    assert all(f"fastnet experiment {name} --data mnist" in text for name in EXPERIMENTS)
