"""What notebooks show: well-formed, escaped, with what matters, for every object that has a picture of itself."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest

import fastnet
from fastnet import html

EVIL = "<script>alert('x')</script>"


class Reader(HTMLParser):
    """Checks that tags are closed in their order, and collects what is shown."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def read(shown: str) -> Reader:
    found = Reader(shown)
    assert "script" not in found.tags and len(shown) < 60_000
    return found


@pytest.fixture(scope="module")
def data():
    digits = fastnet.load("mnist5k")
    return fastnet.take_first(digits, 120)


def test_blocks_escape_everything():
    shown = html.block(EVIL, html.paragraph(EVIL), html.table([EVIL], [[EVIL]]), html.curves({EVIL: [1.0, 2.0]}, EVIL))
    found = read(shown)
    assert found.text.count("alert('x')") == 6 and "<script" not in shown


def test_curves_leave_out_what_is_not_finite():
    shown = html.curves({"a": [np.nan, 0.5, np.inf, 0.7], "b": [np.nan]}, "epoch")
    found = read(shown)
    assert found.tags.count("polyline") == 1 and "0.5 to 0.7, epoch 1 to 4" in found.text
    assert 'viewBox="0 0 360 140"' in shown and "max-width:100%" in shown  # narrow pages show the whole picture
    assert html.curves({}, "epoch") == "" and "epoch 1 to 1" in html.curves({"a": [3.0]}, "epoch")


def test_numbers_and_long_texts():
    found = read(html.table(["x"], [[0.123456789], [float("nan")], ["y" * 300], [7]]))
    assert "0.1235" in found.words and "–" in found.words and "7" in found.words
    assert max(map(len, found.words)) == 200


def test_a_data_set_shows_its_classes(data):
    found = read(data._repr_html_())
    assert found.words[0] == repr(data) and "samples" in found.text
    assert str(int((data.y == 3).sum())) in found.words


def test_a_table_shows_its_columns():
    table = {EVIL: ["a", "b"] * 20, "size": [float(k) for k in range(39)] + [None], "y": [k / 7 for k in range(40)]}
    found = read(fastnet.load(table, target="y")._repr_html_())
    assert EVIL in found.words and "a, b" in found.words and "0 to 38" in found.words and "1" in found.words
    numbers = fastnet.as_dataset([[0.0], [1.0]], [0.5, 1.5], task="regression")
    assert "targets:" in read(numbers._repr_html_()).text


def test_a_training_shows_curves_and_model(data):
    result = fastnet.train(data, fastnet.TrainConfig(hidden=(8,), epochs=3))
    found = read(result._repr_html_())
    assert found.tags.count("polyline") == 4 and "Trained for 3 epochs" in found.text
    assert "Network 784-8-10, relu" in found.text and "test accuracy" in found.text
    several = fastnet.train_ensemble(data, fastnet.TrainConfig(hidden=(8,), epochs=2), networks=2)
    found = read(several._repr_html_())
    assert "Ensemble of 2 networks" in found.text and f"{several.member_test.value:.4g}" in found.words


def test_a_search_shows_its_best_trials(data, tmp_path):
    result = fastnet.search(
        {"learning_rate": "log:1e-3:1e-1"},
        data,
        trials=12,
        study=tmp_path / "s",
        hidden="8",
        epochs=3,
        final=2,
        repeats=2,
    )
    found = read(result._repr_html_())
    assert "12 trials: 12 done; study s" in found.text and "Final choice: trial" in found.text
    assert found.tags.count("tr") == 11 and f"{result.best(1)[0].params['learning_rate']:.4g}" in found.words
    assert found.tags.count("polyline") == 2 and result.recommendation["words"] in found.text
