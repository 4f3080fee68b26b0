"""The page of the report: its content for every kind of study, and its escaping."""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fastnet_cli.study_commands import commands
from studies import ABOUT, add_ensemble, make_study

from fastnet.report.page import write_report
from fastnet.report.page.write import plotly_script
from fastnet.tuning import Study

MANY = {"hidden": "choice:8,16x2", "optimizer": "choice:sgd,adam", "batch_size": "logint:8:64",
        "dropout": "uniform:0:0.5", "warmup_epochs": "uniform:0:2", "learning_rate": "log:1e-4:1"}  # fmt: skip


class Text(HTMLParser):
    """The words of a page and the data of its charts; fails on a tag that is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.data: dict[str, Any] = {}
        self.tags: list[str] = []
        self.inside: list[tuple[str, str | None]] = []
        self.feed(page)
        assert self.inside == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "link", "progress", "br"):
            self.inside.append((tag, dict(attributes).get("id")))

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop()[0] == tag

    def handle_data(self, text: str) -> None:
        if self.inside and self.inside[-1] == ("script", "data"):
            self.data = json.loads(text)
        elif not self.inside or self.inside[-1][0] not in ("script", "style"):
            self.words.append(text)

    def __str__(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def page_of(folder: Path) -> Text:
    return Text(write_report(folder, commands=commands).read_text(encoding="utf-8"))


# What the page says ---------------------------------------------------------------------------------------------------


def test_the_page_shows_best_choice_and_test(tmp_path: Path) -> None:
    page = page_of(make_study(tmp_path / "s"))
    with Study.read(tmp_path / "s") as study:
        best = study.best(1)[0]
    text = str(page)
    assert f"best of 80 trials {best.value:.4g} validation accuracy, trial {best.id}" in text
    assert "The best of many trials was also lucky" in text and "over 3 fresh seeds" in text
    assert "0.853 accuracy of the network kept, loss 0.51 The test set was used once." in text
    assert "Abacus 9, Linux, 2 threads" in text and "11, 12, 13" in text and "on one more seed (77)" in text
    assert [len(trial["validation_loss"]) for trial in page.data["curves"]["trials"]] == [6] * 20
    assert page.data["points"]["id"] == list(range(80))
    assert len(page.data["divergence"]) == 2 and page.data["importance"]["all"]["labels"][0] == "learning rate"
    assert sum(page.data["divergence"][0]["diverged"]) == page.data["points"]["status"].count(2) > 0


def test_the_ensemble_is_described_and_repeated_by_the_command(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "s")
    add_ensemble(folder)
    text = str(page_of(folder))
    assert "the best alone" in text and "Kept: the greedy selection" in text and "test accuracy 0.861" in text
    assert "Evaluated on the test set 2 times; these figures are now optimistic." in text and "used once" not in text
    assert "--ensemble-top 10 --ensemble greedy" in text


KINDS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "one trial": ({"trials": 1, "diverge": 9.0}, ("best of 1 trial ", "No trial diverged")),
    "all diverged": (
        {"trials": 12, "diverge": 0.0}, ("All trials diverged", "No final choice", "12 of 12 trials diverged, 100.0 %")
    ),
    "no trial": ({"trials": 0, "ended": False}, ("it has stored 0 trials", "No trial is stored yet", "none yet")),
    "unfinished": ({"ended": False}, ("has not finished; it has stored 80 trials", "this stage has not ended")),
    "no curves": ({"curves": False}, ("This study keeps no learning curves.",)),
    "no choice": ({"final": False}, ("No final choice was made", "The test set was not used.", "--final none")),
    "stages": ({"trials": 120, "stages": 3}, ("stage 3", "next", "--stages 3")),
    "loss": ({"metric": "loss"}, ("validation loss", "--metric loss")),
    "names": ({"space": MANY}, ("hidden", "16x2", "adam", "choice:8,16x2")),
    "nothing searched": ({"space": {}, "learning_rate": None}, ("Nothing was searched",)),
    "folds": ({"folds": 5}, ("5 stratified folds", "--cv 5")),
    "halving": ({"pruning": "halving"}, ("stopped early because others were better", "--pruning halving")),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_study_has_an_honest_page(tmp_path: Path, kind: str) -> None:
    settings, words = KINDS[kind]
    settings = {name: value for name, value in settings.items() if value is not None}
    page = page_of(make_study(tmp_path / "s", **settings))
    for word in words:
        assert word in str(page), str(page)
    assert json.dumps(page.data, allow_nan=False)
    assert not re.search(r"\bnan\b|\binf\b|None|undefined", str(page)), str(page)


def test_the_same_study_gives_the_same_page(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "s")
    again = write_report(folder, tmp_path / "again.html", commands=commands)
    assert write_report(folder, commands=commands).read_bytes() == again.read_bytes()


def test_a_page_shows_commands_where_they_are_given(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "s", 3)
    with_commands, without = (Text(write_report(folder, commands=given).read_text()) for given in (commands, None))
    assert "fastnet search --trials 3" in str(with_commands) and "fastnet search" not in str(without)


def test_a_page_of_many_trials_is_small_and_shows_a_selection(tmp_path: Path) -> None:
    page = write_report(make_study(tmp_path / "s", 5000, space=MANY))
    assert page.stat().st_size < 6_000_000
    text = Text(page.read_text(encoding="utf-8"))
    assert "This shows 2,000 of 5,000 trials: the 200 best and an evenly spaced selection of the others." in str(text)
    assert len(text.data["points"]["id"]) == 2000


def test_whatever_comes_from_a_study_is_escaped(tmp_path: Path) -> None:
    evil = "</script><b>&\"'"
    folder = tmp_path / "<b>&'"
    make_study(folder, about=ABOUT | {"data": evil})
    content = write_report(folder).read_text(encoding="utf-8")
    page = Text(content)
    assert page.tags.count("b") == content.count('<b class="')
    assert evil in str(page) and "<b>&'" in str(page)


def test_choices_are_escaped_where_javascript_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastnet.report.page import write

    evil = {"name": "</script><b>&", "line": "\u2028"}
    monkeypatch.setattr(write, "data_of", lambda *a: {"metric": "accuracy", **evil})
    page = page_of(make_study(tmp_path / "s", 3))
    assert {name: page.data[name] for name in evil} == evil


def test_a_folder_with_an_undecodable_name_has_a_report(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes names of text only")
    assert "\ufffd" in str(page_of(make_study(folder, 3)))


def test_the_page_contains_plotly_and_requests_nothing(tmp_path: Path) -> None:
    content = write_report(make_study(tmp_path / "s", 3)).read_bytes()
    own = content.replace(plotly_script(), b"").decode()
    assert len(content) - len(own.encode()) == len(plotly_script()) and b"</script" not in plotly_script().lower()
    assert "default-src 'none'" in own and not re.search(r"(src|href)=\"(?!#|data:,)", own)


# The commands on it ---------------------------------------------------------------------------------------------------


# The command that writes it -------------------------------------------------------------------------------------------
