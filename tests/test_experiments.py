"""The experiments of the chapter: what they measure, and that they say no more than that."""

from __future__ import annotations

import itertools
import json
import math
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import fastnet
from fastnet import experiments
from fastnet.config.experiment import EXPERIMENTS, ExperimentConfig
from fastnet.config.training import TrainConfig
from fastnet.data import Dataset, as_dataset
from fastnet.errors import ConfigError, DataError, FastnetError
from fastnet.experiments import averaging, choosing, searching
from fastnet.experiments.files import FIGURES
from fastnet.experiments.lab import Group, Lab, Network
from fastnet.experiments.overfitting import squared_weights
from fastnet.experiments.rules import remedy_claims, tradeoff
from fastnet.experiments.summary import interval_text, plain, spread
from fastnet.report import drawing
from fastnet.report.chart import Chart, Panel, Rule, Series, UnitsChart
from fastnet.report.drawing import save_figure

TINY: dict[str, Any] = {"seeds": 2, "epochs": 2, "samples": 40, "test_samples": 50}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, experiments.Outcome]:
    return {outcome.name: outcome for outcome in experiments.run_each(EXPERIMENTS, "mnist5k", jobs=2, **TINY)}


def make_group(train: list[float], test: list[float], **settings: Any) -> Group:
    """A group of one epoch whose networks end with these accuracies."""
    networks = [Network(np.array([[1.0], [a], [1.0], [b]], np.float32), None) for a, b in zip(train, test, strict=True)]
    return Group(TrainConfig(**settings), 300, tuple(networks))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_outcomes_hold_sentences_claims_tables_and_figures(outcomes, name):
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


def test_figures_hold_the_curves_that_were_trained(outcomes):
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
    """The page closes what it opens and links to nothing but the files beside it."""

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


def test_spread_is_students_interval():
    values = [0.71, 0.75, 0.74, 0.79]
    found = spread([*values, math.nan])
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (found.mean, found.sd) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.n == 4 and interval_text(found) == f"{np.mean(values):.3f} ({low:.3f} to {high:.3f})"
    assert plain(spread([math.nan]))["mean"] is None and str(spread([math.nan])) == "diverged"
    assert str(spread([-1e-9, 1e-9])) == "0.000 ± 0.000"


BEFORE = make_group([1.0, 1.0, 1.0], [0.76, 0.75, 0.77])


def test_a_remedy_that_does_what_the_chapter_says():
    better = make_group([0.93, 0.92, 0.93], [0.80, 0.79, 0.81])
    claims, verdict = remedy_claims({"a": better}, BEFORE, "a")
    assert [claim.holds for claim in claims] == [True, True]
    assert verdict.startswith("The chapter's claim holds here") and "test accuracy is higher by 0.040" in verdict


def test_a_remedy_whose_price_is_told():
    worse = make_group([0.60, 0.61, 0.62], [0.50, 0.51, 0.52])
    claims, verdict = remedy_claims({"a": worse}, BEFORE, "a")
    assert claims[0].holds and "but test accuracy is lower, 0.510 instead of 0.760" in verdict


def test_a_remedy_that_fails_names_a_strength_that_works():
    same = make_group([1.0, 1.0, 1.0], [0.76, 0.75, 0.77])
    better = make_group([0.93, 0.92, 0.93], [0.80, 0.79, 0.81])
    dead = make_group([0.10, 0.10, 0.10], [0.10, 0.10, 0.10])
    claims, verdict = remedy_claims({"a": same, "b": better, "c": dead}, BEFORE, "a")
    assert [claim.holds for claim in claims] == [False, False]
    assert "does not hold here with a" in verdict and "it holds with b" in verdict
    _, verdict = remedy_claims({"a": same, "c": dead}, BEFORE, "a")
    assert "no other strength satisfies it and still learns" in verdict


def test_a_gap_that_shrinks_by_chance_is_no_remedy():
    unsure = make_group([0.99, 0.90, 0.99], [0.70, 0.90, 0.75])
    claims, _ = remedy_claims({"a": unsure}, BEFORE, "a")
    assert not claims[0].holds


def test_tradeoff_says_when_no_strength_is_clearly_better():
    before = make_group([1.0, 1.0], [0.76, 0.75])
    found = {name: make_group([1.0, 1.0], test) for name, test in (("a", [0.77, 0.75]), ("b", [0.86, 0.85]))}
    assert "no clear difference: 0.005" in tradeoff({"a": found["a"]}, before, "with none")
    assert tradeoff(found, before, "with none") == (
        "The highest test accuracy is 0.855, with b; with none it is 0.755, lower by 0.100 (0.100 to 0.100)."
    )
    assert "higher by 0.100" in tradeoff({"a": before}, found["b"], "with none")


def test_the_best_of_some_trials_is_what_drawing_them_gives():
    values = np.array([0.3, 0.9, 0.1, 0.5, 0.5, 0.7])
    for n in (1, 2, 4, 6):
        best = [max(draw) for draw in itertools.combinations(values, n)]
        assert searching.mean_best(values, n) == pytest.approx(np.mean(best))


def test_grids_within_a_grid_are_evenly_spaced_and_all():
    assert searching.grids_within(8) == [list(range(8))]
    assert searching.grids_within(2) == [[0, 4], [1, 5], [2, 6], [3, 7]]


def test_choosing_by_the_test_set_promises_too_much_and_by_validation_does_not():
    coins = np.random.Generator(np.random.Philox(3)).integers(0, 2, (choosing.CANDIDATES, 1200)).astype(float)
    choices = choosing.choose(coins, 100, 0)
    expected = 0.05 * stats.norm.isf(1 / (choosing.CANDIDATES + 1))  # about the mean of the highest of so many
    assert choices.by_test[-1].mean() == pytest.approx(expected, abs=0.02)
    assert abs(choices.by_validation[-1].mean()) < 0.01
    assert (choices.by_test[0] == choices.by_validation[0]).all()  # with one candidate there is nothing to choose


def test_squared_weights_and_thinned_networks_are_those_of_the_models():
    lab = Lab(fastnet.load("mnist5k"), ExperimentConfig(**TINY))
    group = lab.train({"a": lab.config(epochs=2, hidden=(20, 10))}, models=True)["a"]
    [model, other] = group.models
    expected = [[float((w.astype(float) ** 2).sum()) for w in one.weights] for one in (model, other)]
    assert squared_weights(group) == pytest.approx(np.array(expected))
    whole = averaging.thinned(model, 0.0, np.random.Generator(np.random.Philox(0)))
    assert all((a == b).all() for a, b in zip(whole.weights, model.weights, strict=True))
    thin = averaging.thinned(model, 0.5, np.random.Generator(np.random.Philox(0)))
    dropped = (thin.weights[1] == 0).all(axis=1)
    assert 0 < dropped.sum() < 20 and (thin.weights[0] == model.weights[0]).all()
    assert (thin.weights[1][~dropped] == 2 * model.weights[1][~dropped]).all()
    assert lab.test.n_samples == 50 and group.test.mean == pytest.approx(
        np.mean([one.score(lab.test.x, lab.test.y).value for one in (model, other)])
    )


def test_data_without_a_test_set_give_a_fifth_and_sorted_ones_are_shuffled(tiny_dataset: Dataset):
    order = np.argsort(tiny_dataset.y, kind="stable")
    sorted_data = as_dataset(tiny_dataset.x[order], tiny_dataset.y[order], name="sorted")
    outcome = experiments.run("overfit", sorted_data, seeds=1, epochs=1, samples=20)
    assert outcome.lab["data"] | {"fingerprint": ""} == {
        "name": "sorted", "training_samples": 72, "test_samples": 18, "features": 12, "classes": 3, "fingerprint": "",
    }  # fmt: skip
    assert len(outcome.lab["notes"]) == 1 and "no test set" in outcome.lab["notes"][0]
    with_test = as_dataset(
        tiny_dataset.x[order], tiny_dataset.y[order], x_test=tiny_dataset.x_test, y_test=tiny_dataset.y_test
    )
    lab = Lab(with_test, ExperimentConfig(samples=20))
    assert set(lab.dataset.y[:20]) == {0, 1, 2} and "shuffled" in lab.notes[0]


def test_a_training_that_diverges_is_told(tiny_dataset: Dataset):
    wild = as_dataset(
        tiny_dataset.x.astype(np.float32), tiny_dataset.y, x_test=tiny_dataset.x_test.astype(np.float32),
        y_test=tiny_dataset.y_test,
    )  # fmt: skip
    lab = Lab(wild, ExperimentConfig(seeds=2, samples=60))
    group = lab.train({"a": lab.config(epochs=30, learning_rate=1e6)}, models=True)["a"]
    assert str(group.test) == "diverged" and group.models == []
    with pytest.raises(FastnetError, match="2 of 2 networks diverged"):
        averaging._all_models(group)
    assert np.isnan(squared_weights(group)).all()


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
def test_what_cannot_be_is_told_before_anything_runs(error, words, call):
    with pytest.raises(error, match=words):
        call()


def test_stopping_ends_an_experiment():
    with pytest.raises(KeyboardInterrupt):
        experiments.run("overfit", "mnist5k", should_stop=lambda: True, **TINY | {"epochs": 100_000})


def test_a_figure_draws_what_is_missing_as_gaps(tmp_path):
    series = [
        Series(label="a", x=[1, 2, 3], y=[0.5, math.nan, 0.7], low=[0.4, math.nan, 0.6], high=[0.6, math.nan, 0.8]),
        Series(label="b", x=[1, 2], y=[0.5, 0.2], kind="points", role=1),
    ]
    panel = Panel(title="t", x_label="epoch", y_label="y", series=series, legend="above")
    chart = Chart(name="c", title="C", subtitle="s", panels=[panel, panel, panel])
    save_figure(chart, tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 5000
    (tmp_path / "file").write_text("")
    with pytest.raises(FastnetError, match="the picture cannot be written"):
        save_figure(chart, tmp_path / "file" / "c.svg")


NAN = math.nan
SPARSE: dict[str, tuple[list[float], list[float]]] = {
    "one": ([40.0], [0.7]),
    "equal x": ([40.0] * 3, [0.1, 0.2, 0.3]),
    "equal y": ([1.0, 2.0, 3.0], [0.5] * 3),
    "equal": ([40.0] * 3, [0.5] * 3),
    "nearly equal": ([40.0, np.nextafter(40.0, 41.0)], [0.5, np.nextafter(0.5, 1.0)]),
    "none": ([], []),
    "NaN y": ([1.0, 2.0, 3.0], [NAN] * 3),
    "NaN x": ([NAN] * 3, [0.1, 0.2, 0.3]),
    "alone between gaps": ([1.0, 2.0, 3.0], [NAN, 0.5, NAN]),
    "infinite": ([1.0, 2.0, math.inf], [-math.inf, 0.2, 0.3]),
    "0 and below": ([-1.0, 0.0, 0.0], [-0.5, 0.0, -0.5]),
    "huge": ([3e38] * 2, [3e38] * 2),
    "tiny": ([1e-45] * 2, [1e-45] * 2),
}
"""Values that give an axis no width of their own."""


def sparse_panel(title: str, kind: str, x_scale: str = "linear", y_scale: str = "linear") -> Panel:
    """One series of what is sparse; with fixed ticks where the kind is "both"."""
    x, y = SPARSE[title]
    more: dict[str, Any] = {"kind": "points", "shades": [0.5] * len(x)} if kind == "shades" else {"kind": kind}
    if kind in ("line", "both"):
        more |= {"low": [value - 0.1 for value in y], "high": [value + 0.1 for value in y]}
    ticks = [(place, "tick") for place in x if math.isfinite(place)] if kind == "both" else None
    series = [Series(label="a", x=x, y=y, **more)]
    return Panel(title=title, x_label="x", y_label="y", series=series, x_scale=x_scale, y_scale=y_scale, x_ticks=ticks)


@pytest.mark.parametrize(("x_scale", "y_scale"), list(itertools.product(("linear", "log"), repeat=2)))
@pytest.mark.parametrize("kind", ["line", "both", "points", "area", "shades"])
def test_one_equal_or_no_values_lie_inside_their_axes(x_scale, y_scale, kind):
    panels = [sparse_panel(title, kind, x_scale, y_scale) for title in SPARSE]
    canvas = drawing._page(Chart(name="c", title="C", subtitle="s", panels=panels, columns=3))
    panes = [axes for axes in canvas.axes if axes.get_title(loc="left")]  # without colour scales
    for axes, (title, (x, y)) in zip(panes, SPARSE.items(), strict=True):
        seen = [
            (a, b) for a, b in zip(x, y, strict=True) if math.isfinite(a) and math.isfinite(b)
            and (a > 0 or x_scale == "linear") and (b > 0 or y_scale == "linear")
        ]  # fmt: skip
        assert [text.get_text() for text in axes.texts] == ([] if seen else ["no finite values"]), title
        for low, high, scale in ((*axes.get_xlim(), x_scale), (*axes.get_ylim(), y_scale)):
            assert high > 1.2 * low if scale == "log" else high - low > 1e-3 * max(abs(low), abs(high)), title
        axes.autoscale_view()  # what drawing would do first
        places = axes.transAxes.inverted().transform(axes.transData.transform(seen)) if seen else np.zeros(0)
        assert ((places >= 0.0) & (places <= 1.0)).all(), title
        if kind in ("line", "area") and len(set(seen)) == 1:  # a line has no length, so a mark shows where it is
            [line] = axes.get_lines()
            assert line.get_marker() == "o" and line.get_markevery(), title


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_one_equal_or_no_values_leave_the_layout_its_width(scale):
    panels = [sparse_panel(title, "both", scale, scale) for title in SPARSE]
    canvas = drawing._page(Chart(name="c", title="C", subtitle="s", panels=panels, columns=3))
    canvas.draw_without_rendering()
    assert min(axes.get_window_extent().width for axes in canvas.axes) > 300
    assert min(axes.get_window_extent().height for axes in canvas.axes) > 200


def test_a_panel_without_series_and_a_chart_without_panels_are_drawn(tmp_path):
    empty = Panel(title="t", x_label="epoch", y_label="y", series=[], rules=[Rule(y=math.nan, label="r")])
    for panels in ([empty, empty], []):
        save_figure(Chart(name="c", title="C", subtitle="s", panels=panels), tmp_path / "c.svg")
    units = UnitsChart(name="u", title="U", subtitle="s", heads=["a", "b"], pictures=[[[False]], []], widths=[1])
    save_figure(units, tmp_path / "u.svg")


def test_ends_that_a_panel_asks_for_move_out_to_what_is_drawn():
    values = {"below": [-0.2, -0.1], "at": [0.0, 0.0], "around": [-0.1, 0.3], "above": [0.2, 1.5], "none": [NAN, NAN]}
    expected = {
        "below": (-0.2, 0.0),
        "at": (0.0, 1.0),
        "around": (-0.1, 0.32),
        "above": (0.0, 1.565),
        "none": (0.0, 1.0),
    }
    for upper in (None, 1.0):
        panels = [
            Panel(title="", x_label="x", y_label="y", series=[Series(label="", x=[1, 2], y=y)], y_range=(0.0, upper))
            for y in values.values()
        ]
        canvas = drawing._page(Chart(name="c", title="C", subtitle="s", panels=panels))
        for axes, (low, high) in zip(canvas.axes, expected.values(), strict=True):
            found = axes.get_ylim()
            assert found[0] == low and found[1] == (pytest.approx(high) if upper is None else max(1.0, found[1]))


@pytest.mark.slow
def test_what_the_chapter_shows_is_seen_on_the_first_300_images_of_mnist(shared_data: Path):
    lab = Lab(fastnet.load("mnist", data_dir=shared_data), ExperimentConfig(test_samples=1000))
    plain, decayed = lab.config(epochs=201), lab.config(epochs=201, weight_decay=0.1)
    groups = lab.train({"plain": plain, "decayed": decayed}, models=True)
    dropped = lab.train(
        {
            "plain": lab.config(epochs=301),
            "dropout": lab.config(epochs=301, dropout=0.2, dropout_scaling="test-time"),
        }
    )
    assert groups["plain"].train.mean >= 0.995 and groups["plain"].gap.mean >= 0.20
    assert groups["plain"].gap.mean - groups["decayed"].gap.mean >= 0.05 and groups["decayed"].train.mean < 0.995
    assert dropped["plain"].gap.mean - dropped["dropout"].gap.mean >= 0.05 and dropped["dropout"].train.mean < 0.995
    team = lab.train({"a": plain}, count=10, models=True)["a"]
    averaged = np.mean([model.predict_proba(lab.test.x) for model in team.models], axis=0)
    assert averaging.accuracy(averaged, lab) - team.test.mean >= 0.01


def test_the_guide_shows_every_figure_and_names_every_command():
    docs = Path(__file__).resolve().parents[1] / "docs"
    text = (docs / "chapter-6.md").read_text(encoding="utf-8")
    pictures = {name for names in FIGURES.values() for name in names}
    assert {path.stem for path in (docs / "chapter-6").glob("*.png")} == pictures
    assert all(f"(chapter-6/{name}.png)" in text for name in pictures)
    assert all(f"fastnet experiment {name} --data mnist" in text for name in EXPERIMENTS)
