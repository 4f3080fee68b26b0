"""What several experiments draw, and the amounts of data that one of them compares."""

from __future__ import annotations

import numpy as np
import pytest

from fastnet.config.training import TrainConfig
from fastnet.experiments.amount import LEAST_EPOCHS, epochs_for, sizes_up_to
from fastnet.experiments.lab import Group, Network
from fastnet.experiments.panels import curve_series, curves_panel, mean_and_sd, spread_series
from fastnet.experiments.summary import spread


def group_of(*curves: np.ndarray) -> Group:
    return Group(TrainConfig(), 300, tuple(Network(each.astype(np.float32), None) for each in curves))


def test_mean_and_deviation_ignore_seeds_that_diverged() -> None:
    values = np.random.default_rng(0).random((5, 4))
    values[0, 2:], values[1:, 3] = np.nan, np.nan
    mean, sd = mean_and_sd(values)
    assert mean[:3] == pytest.approx(np.nanmean(values[:, :3], axis=0))
    assert sd[:3] == pytest.approx(np.nanstd(values[:, :3], axis=0, ddof=1))
    assert np.isnan(mean[3])


def test_the_band_of_accuracies_stays_between_0_and_1() -> None:
    low, high = np.zeros((4, 3)), np.ones((4, 3))
    series = curve_series(group_of(low, high), "accuracy", "test", "a", 0)
    assert series.low is not None and series.high is not None
    assert list(series.x) == [1, 2, 3] and np.allclose(series.y, 0.5)
    assert np.min(series.low) == 0.0 and np.max(series.high) == 1.0
    losses = curve_series(group_of(low, high), "loss", "training", "a", 0)
    assert losses.high is not None and np.max(losses.high) > 1.0


def test_one_seed_or_an_unwanted_band_has_none() -> None:
    one, two = group_of(np.ones((4, 2))), group_of(np.ones((4, 2)), np.zeros((4, 2)))
    assert curve_series(one, "loss", "test", "a", 0).low is None
    assert curve_series(two, "loss", "test", "a", 0, band=False).low is None


def test_a_panel_of_curves_shows_both_parts_of_each_group() -> None:
    group = group_of(np.ones((4, 2)), np.zeros((4, 2)))
    panel = curves_panel("t", "accuracy", {"": (group, ""), "without": (group, "-before")})
    labels = ["test", "training", "test, without", "training, without"]
    assert [series.label for series in panel.series] == labels
    assert [series.role for series in panel.series] == ["test", "training", "test-before", "training-before"]
    assert [series.low is None for series in panel.series] == [False, False, True, True]


def test_a_spread_of_one_seed_has_bars_without_length() -> None:
    series = spread_series([1.0, 2.0], [spread([0.5]), spread([0.4, 0.6])], "a", 0)
    assert series.low is not None and series.high is not None
    assert list(np.subtract(series.high, series.low)) == pytest.approx([0.0, 2 * np.std([0.4, 0.6], ddof=1)])


@pytest.mark.parametrize("most", [1, 49, 50, 1234, 4000, 60_000])
def test_the_amounts_of_data_rise_to_all_available(most: int) -> None:
    sizes = sizes_up_to(most)
    assert sizes == sorted(set(sizes)) and sizes[-1] == min(most, 4000)
    steps = [epochs_for(size) * size for size in sizes if epochs_for(size) > LEAST_EPOCHS and size >= 300]
    assert all(0.99 < step / (epochs_for(300) * 300) <= 1.0 for step in steps)
