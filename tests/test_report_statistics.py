"""What the report computes: the best of n trials, importance, columns, and what is chosen to be drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import make_study

from fastnet.report.page import charts
from fastnet.report.page.best_of import POINTS, best_of, counts
from fastnet.report.page.columns import DIVERGED, Columns
from fastnet.report.page.importance import LEAST_TRIALS, MOST_TRIALS, Importance, importance
from fastnet.tuning import Space, Study


def test_best_of_is_the_bootstrap_that_draws() -> None:
    goodness = np.sort(np.random.default_rng(1).normal(size=40))
    n = np.array([1, 3, 10, 40])
    exact = best_of(goodness, n, [0.05, 0.5, 0.95])
    rng = np.random.default_rng(2)
    for column, count in enumerate(n):
        best = rng.choice(goodness, size=(40_000, count)).max(axis=1)
        for row, quantile in enumerate((0.05, 0.5, 0.95)):
            below, at = np.mean(best < exact[row, column]), np.mean(best <= exact[row, column])
            assert below - 0.01 <= quantile <= at + 0.01, (count, quantile)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.integers(1, 60))
def test_best_of_rises_with_n_and_stays_among_the_values(values: list[float], n: int) -> None:
    goodness = np.array(values)
    found = best_of(goodness, np.arange(1, n + 1))
    assert np.isin(found, goodness).all()
    assert (np.diff(found, axis=1) >= 0).all() and (np.diff(found, axis=0) >= 0).all()


def test_best_of_trials_that_failed_is_unknown() -> None:
    found = best_of(np.array([-np.inf, -np.inf, -np.inf, 1.0]), np.array([1, 100]), [0.5])
    assert found.tolist() == [[-np.inf, 1.0]]


@pytest.mark.parametrize("trials", [1, 2, 79, 1000, 10**6])
def test_counts_go_from_one_to_all(trials: int) -> None:
    found = counts(trials)
    assert found[0] == 1 and found[-1] == trials and len(found) <= POINTS and (np.diff(found) > 0).all()


def made(u: np.ndarray, value: np.ndarray, names: tuple[str, ...]) -> tuple[Columns, Space]:
    whole = np.arange(len(value))
    params = {name: u[:, place].tolist() for place, name in enumerate(names)}
    columns = Columns(whole, whole * 0 + 1, whole * 0, whole * 0 + 5, value, value, params, "accuracy")
    return columns, Space.parse(dict.fromkeys(names, "uniform:0:0.99"))


NAMES = ("beta1", "dropout", "momentum")


def test_importance_finds_the_shares_of_a_sum() -> None:
    """Ranks of a sum of two independent uniform terms, one weighing three times the other: 9 to 1 in variance."""
    u = 0.99 * np.random.default_rng(3).random((MOST_TRIALS, 3))
    columns, space = made(u, 3 * u[:, 1] + u[:, 0], NAMES)
    found = importance(columns, space.distributions)
    assert isinstance(found, Importance)
    assert found.names == ("dropout", "beta1", "momentum")
    np.testing.assert_allclose(found.share, [0.9, 0.1, 0.0], atol=0.06)
    assert all(low <= share <= high for low, share, high in zip(found.low, found.share, found.high, strict=True))
    assert found.explained > 0.9 and importance(columns, space.distributions) == found


def test_what_matters_among_the_better_half_may_be_something_else() -> None:
    u = 0.99 * np.random.default_rng(4).random((400, 3))
    value = np.where(u[:, 1] > 0.5, 1.0 + 0.1 * u[:, 2], 0.1 * u[:, 0])
    columns, space = made(u, value, NAMES)
    found = [importance(columns, space.distributions, better_half=half) for half in (False, True)]
    assert [item.names[0] for item in found if isinstance(item, Importance)] == ["dropout", "momentum"]


def test_importance_of_noise_is_not_told() -> None:
    rng = np.random.default_rng(5)
    columns, space = made(0.99 * rng.random((200, 3)), rng.random(200), NAMES)
    assert "no effect can be distinguished from chance" in str(importance(columns, space.distributions))


@pytest.mark.parametrize(
    ("n", "names", "words"),
    [
        (LEAST_TRIALS - 1, NAMES, "Too few trials: 59 of the 60 needed"),
        (200, ("dropout",), "Only dropout is searched"),
        (200, (), "No hyperparameter is searched"),
    ],
)
def test_importance_is_not_made_up(n: int, names: tuple[str, ...], words: str) -> None:
    u = 0.99 * np.random.default_rng(6).random((n, 3))
    columns, space = made(u, u[:, 0], names)
    assert words in str(importance(columns, space.distributions))


def test_equal_trials_have_no_importance() -> None:
    columns, space = made(0.99 * np.random.default_rng(7).random((80, 3)), np.full(80, 0.5), NAMES)
    assert importance(columns, space.distributions) == "All trials have the same value."


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_columns_rank_as_the_study_does(tmp_path: Path, metric: str) -> None:
    with Study.read(make_study(tmp_path / "s", 60, metric=metric)) as study:
        columns = Columns.read(study)
        ranked = [trial.id for trial in study.iter_trials(order="best")]
    assert columns.id[columns.order()].tolist() == ranked
    goodness = columns.goodness()
    assert (np.diff(goodness[columns.order()]) <= 0).all() and goodness.min() > 0 and goodness.max() < 1
    assert len(set(goodness[columns.status == DIVERGED])) == 1


def test_all_trials_are_drawn_up_to_a_number_then_the_best_and_an_even_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    value = np.random.default_rng(8).random(5000)
    columns, _ = made(value[:, None], value, ("dropout",))
    assert charts.drawn(columns.take(np.arange(2000)), np.arange(2000)).tolist() == list(range(2000))
    chosen = charts.drawn(columns, columns.order())
    assert len(chosen) == charts.MOST_POINTS and len(set(chosen.tolist())) == len(chosen)
    assert set(columns.order()[: charts.BEST_POINTS]) <= set(chosen)
    others = np.setdiff1d(chosen, columns.order()[: charts.BEST_POINTS])
    assert np.diff(others).max() < 12, "the others are evenly spread"


def test_long_curves_are_thinned_and_keep_their_last_epoch() -> None:
    from fastnet.tuning import TrialResult

    curves = np.linspace(0, 1, 4000, dtype=np.float32).reshape(4, 1000)
    found = charts.curves([TrialResult.from_curves(0, "done", {}, curves, seconds=0.1)])
    assert found is not None
    assert found["step"] == 5 and found["epochs"][-1] == 1000 and len(found["epochs"]) == charts.MOST_EPOCHS
    assert found["trials"][0]["validation_score"][-1] == 1.0
