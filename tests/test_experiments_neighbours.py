"""How fast networks learn, and where their losses turn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastnet.config.training import TrainConfig
from fastnet.experiments.dropping import BATCHES, RATIO, SHOWN_UNITS, neurons
from fastnet.experiments.lab import Group, Network
from fastnet.experiments.neighbours import LEARNT, mean_accuracy, reached
from fastnet.experiments.overfitting import lowest_loss

NAN = math.nan


def group_of(row: int, *values: list[float], config: TrainConfig | None = None) -> Group:
    """Networks with one row of their curves given, and 0.5 in the others."""
    networks = []
    for each in values:
        curves = np.full((4, len(each)), 0.5, np.float32)
        curves[row] = each
        networks.append(Network(curves, None))
    return Group(config or TrainConfig(), 300, tuple(networks))


def test_the_epoch_reached_is_the_first_of_each_seed_that_gets_there() -> None:
    found = reached(group_of(1, [0.5, LEARNT + 0.01, 0.2], [0.95, 0.1, 0.1], [0.1, 0.2, 0.3], [NAN] * 3))
    assert found.values[:2] == (2.0, 1.0) and np.isnan(found.values[2:]).all()
    assert found.n == 2 and found.mean == 1.5


def test_a_network_that_diverges_learns_nothing_from_then_on() -> None:
    found = mean_accuracy(group_of(1, [0.5, 1.0], [1.0, NAN], [NAN, NAN]))
    assert found.values == (0.75, 0.5, 0.0)


def test_the_lowest_loss_is_that_before_a_network_diverged() -> None:
    lowest, turn, last = lowest_loss(group_of(2, [3.0, 1.0, 2.0], [2.0, 0.5, NAN]))
    assert lowest.values == (1.0, 0.5) and turn.values == (2.0, 2.0)
    assert last.values[0] == 2.0 and math.isnan(last.values[1])


@pytest.mark.parametrize(("hidden", "shown"), [((100, 3), [SHOWN_UNITS, 3]), ((), [])])
def test_the_picture_of_dropout_shows_the_first_units_of_each_layer(hidden: tuple[int, ...], shown: list[int]) -> None:
    config = TrainConfig(hidden=hidden, dropout=RATIO)
    chart = neurons(group_of(0, [0.5], config=config))
    assert len(chart.pictures) == len(chart.heads) == BATCHES and tuple(chart.widths) == hidden
    assert [[len(layer) for layer in picture] for picture in chart.pictures] == [shown] * BATCHES
    if hidden:
        assert len({str(picture) for picture in chart.pictures}) > 1, "each batch drops other units"
