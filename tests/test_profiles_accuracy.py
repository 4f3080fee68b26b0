"""`profiles/accuracy.py`: every contestant on a small table, what is kept of a run, and the figures made of errors."""

from __future__ import annotations

import doctest
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

PROFILES = Path(__file__).resolve().parents[1] / "profiles"


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the folder `profiles`, which is not installed."""
    monkeypatch.setattr(sys, "path", [str(PROFILES), *sys.path])
    return import_module


def test_no_table_decides_and_is_put_aside(profile: Any) -> None:
    sets = profile("_accuracy.sets")
    assert sorted(sets.DECIDING + sets.ASIDE) == sorted(sets.TABLES)
    assert len(sets.TABLES) >= 12 and sum(not table.classes for table in sets.TABLES.values()) >= 3


@pytest.mark.parametrize("name", ["digits", "diabetes"])
def test_a_split_has_the_rows_of_the_table_once(profile: Any, tmp_path: Path, name: str) -> None:
    sets = profile("_accuracy.sets")
    sets.split_into(tmp_path, Path("nowhere"), name, 1)
    data = sets.Prepared(tmp_path)
    rows = [len((tmp_path / f"{part}.csv").read_text().splitlines()) - 1 for part in ("train", "test")]
    assert rows == [len(data.x), len(data.x_test)] and abs(rows[1] - 0.2 * sum(rows)) <= 1
    assert sorted([*data.learn, *data.validate]) == list(range(len(data.x)))
    assert data.n_classes == (10 if name == "digits" else 0) and data.y.ndim == data.y_test.ndim == 1
    x, x_test = data.for_networks()
    assert np.abs(x[data.learn].mean(axis=0)).max() < 1e-3 and len(x_test) == len(data.x_test)
    again = tmp_path / "again"
    again.mkdir()
    sets.split_into(again, Path("nowhere"), name, 1)
    assert (again / "test.csv").read_bytes() == (tmp_path / "test.csv").read_bytes()


@pytest.mark.slow
def test_every_contestant_finds_something_and_a_second_run_measures_nothing(
    profile: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    accuracy = profile("accuracy")
    searched = "X_val" in signature(HistGradientBoostingClassifier.fit).parameters  # as the extra `bench` has it
    contestants = ["fastnet", "mlp", *(["trees"] if searched else []), "default", "linear"]
    arguments = [
        str(tmp_path), "--seconds", "3", "--splits", "0", "--only", "breast_cancer", "diabetes", "--contestants",
        *contestants, "--json", str(tmp_path / "found.json"),
    ]  # fmt: skip
    accuracy.main(arguments)
    found = json.loads((tmp_path / "found.json").read_text())
    errors = {(f["section"], f["name"]): f for f in found["figures"]}
    for name, worst in (("breast_cancer", 0.3), ("diabetes", 75.0)):
        for label in ("fastnet", "MLP, best", "MLP, ten", *(["trees, best", "trees, ten"] if searched else [])):
            one = errors[f"{name}, split 0, 3 s", label]
            least = 0 if label == "fastnet" else 1  # on a busy machine no trial of ours may reach its last epoch
            assert 0 < one["value"] < worst and one["trials"] >= least and one["seconds"] > 0, (name, label, one)
        for label in ("trees", "linear"):
            assert 0 < errors[f"{name}, split 0", label]["value"] < worst
    ours = errors["summary", "fastnet, all tables, 3 s"]
    assert ours["tables"] == 2 and ours["low"] <= ours["value"] <= ours["high"] and 1 <= ours["rank"] <= 7
    capfd.readouterr()
    accuracy.main(arguments)
    again = json.loads((tmp_path / "found.json").read_text())
    measured, kept = ([f for f in one["figures"] if f["section"] != "summary"] for one in (found, again))
    assert kept == measured and "split 0, 3 s: fastnet" not in capfd.readouterr().err


def test_a_search_whose_time_is_up_waits_for_its_first_trial(profile: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    contest = profile("_accuracy.contest")
    errors = iter([3.0, 2.0, 1.0])

    class Pool(ThreadPoolExecutor):
        _processes: ClassVar[dict[int, Any]] = {}

        def __init__(self, workers: int, *_: Any) -> None:
            super().__init__(workers)

    monkeypatch.setattr(contest, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(contest, "mlp_trial", lambda params, seed: (next(errors), np.full(2, float(seed))))
    found = contest.search(Path("nowhere"), "mlp", time.perf_counter() - 1.0, workers=1, seed=0)
    assert found["trials"] == 1
    assert found["predicted"]["best"].tolist() == found["predicted"]["averaged"].tolist() == [0.0, 0.0]


def figure(section: str, name: str, value: float) -> dict[str, Any]:
    return {"section": section, "name": name, "value": value}


def test_ratios_are_means_over_splits_and_intervals_hold_them(profile: Any) -> None:
    summary = profile("_accuracy.summary")
    figures = [
        figure("adult, split 0, 60 s", "fastnet", 2.0), figure("adult, split 0, 60 s", "MLP, ten", 4.0),
        figure("adult, split 1, 60 s", "fastnet", 8.0), figure("adult, split 1, 60 s", "MLP, ten", 4.0),
        figure("letter, split 0, 60 s", "fastnet", 3.0), figure("letter, split 0, 60 s", "MLP, ten", 4.0),
        figure("letter, split 0", "trees", 6.0), figure("letter, split 0, 10 s", "fastnet", 9.0),
        figure("magic, split 0, 60 s", "MLP, ten", 4.0),
    ]  # fmt: skip
    tables = summary.errors_at(figures, 60)
    assert summary.ratios_to(tables, "fastnet", "MLP, ten") == pytest.approx({"adult": 1.0, "letter": 0.75})
    assert summary.ratios_to(tables, "fastnet", "trees") == pytest.approx({"letter": 0.5})
    assert summary.ranks(tables, ["fastnet", "MLP, ten"]) == {"fastnet": (1.25, 1), "MLP, ten": (1.75, 0)}
    low, high = summary.interval([0.9, 1.0, 1.1, 0.95])
    assert summary.splits_of(figures, 60) == ["split 0", "split 1"] and doctest.testmod(summary).failed == 0
    assert 0.9 <= low < (0.9 * 1.0 * 1.1 * 0.95) ** 0.25 < high <= 1.1


def test_a_page_gives_each_split_and_means_over_those_that_we_ran_on(profile: Any) -> None:
    summary, page = profile("_accuracy.summary"), profile("_accuracy.page")
    held = {
        "adult, split 0, 60 s": {"fastnet": 2.0, "MLP, ten": 4.0, "trees, ten": 4.0},
        "adult, split 1, 60 s": {"fastnet": 3.0, "MLP, ten": 3.0, "trees, ten": 2.0},
        "letter, split 0, 60 s": {"fastnet": 4.0, "MLP, ten": 2.0, "trees, ten": 8.0},
        "adult, split 0": {"linear": 6.0}, "adult, split 1": {"linear": 8.0}, "adult, split 2": {"linear": 9.0},
    }  # fmt: skip
    more = {"unit": "log-loss", "score": 0.5, "trials": 9}
    figures = [figure(section, name, value) | more for section, of in held.items() for name, value in of.items()]
    report = profile("_bench").Report("accuracy")
    report.figures = figures
    summary.summarise(report)
    result = report.as_dict()
    assert page.split_rows(result, 60) == [
        ("0", "1.000", "2.000", "0.500", "0.500", "0.500", "0.500", "1.5"),
        ("1", "1.000", "", "1.000", "1.500", "", "1.500", "2.5"),
    ]
    labels = [row[0] for row in page.summary_rows(result, 60)]
    assert sorted(labels) == ["MLP, ten", "fastnet", "linear", "trees, ten"]
    rows = {row[0]: dict(zip(labels, row[2:-2], strict=True)) for row in page.table_rows(result, 60, labels)}
    assert rows["adult"] == {"fastnet": "**2.5**", "MLP, ten": "3.5", "trees, ten": "3", "linear": "7"}
    assert rows["letter (put aside)"]["linear"] == "" and rows["letter (put aside)"]["MLP, ten"] == "**2**"


def test_only_the_contestant_that_is_named_is_measured_again(profile: Any) -> None:
    accuracy = profile("accuracy")
    assert doctest.testmod(accuracy).failed == 0
    options = SimpleNamespace(again=["default"], only=["adult"], splits=[0], seconds=[10])
    again = [
        accuracy.measured_anew(figure(section, name, 1.0), options)
        for section, name in (
            ("adult, split 0", "trees"), ("adult, split 0, 10 s", "trees, best"), ("adult, split 1", "trees"),
            ("letter, split 0", "trees"), ("adult, split 0, 10 s", "fastnet"),
        )
    ]  # fmt: skip
    assert again == [True, False, False, False, False]
    searched = SimpleNamespace(again=["trees"], only=["adult"], splits=[0], seconds=[10])
    assert accuracy.measured_anew(figure("adult, split 0, 10 s", "trees, ten", 1.0), searched)
    assert not accuracy.measured_anew(figure("adult, split 0, 60 s", "trees, ten", 1.0), searched)


def test_proposals_lie_in_their_ranges(profile: Any) -> None:
    contest = profile("_accuracy.contest")
    proposals = contest.Proposals("mlp", 0, tpe=False)
    for _ in range(50):
        params, _ = proposals.ask()
        for name, (low, high) in contest.RANGES.items():
            assert low <= params[name] <= high
        assert params["hidden_layer_sizes"] in contest.HIDDEN.values()
    assert 0 < contest.random_trees(np.random.default_rng(0))["max_features"] <= 1
