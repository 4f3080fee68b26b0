"""The microkernels of a table's first layer: the bits do not depend on the panels that a result is cut into."""

from __future__ import annotations

import pytest
from runs import run_pack
from tables import table_of

import fastnet
from fastnet.config.training import TrainConfig
from fastnet.kernels import layout, panels
from fastnet.network.samples import prepare


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_bits_do_not_depend_on_the_width_of_panels(monkeypatch, optimizer, dropout, activation):
    dataset = table_of(150)
    data = prepare(dataset, fastnet.split(dataset.y))
    config = TrainConfig(
        hidden=(75, 5), epochs=2, batch_size=33, optimizer=optimizer, dropout=dropout, activation=activation
    )  # fmt: skip
    found, n_panels = [], []
    for limits in (panels._LIMITS, (1,) * panels.N_PRODUCTS):
        monkeypatch.setattr(panels, "_LIMITS", limits)
        run = run_pack(data, config, [0, 1], keep=True)
        found.append(run.curves.tobytes() + run.parameters(1).tobytes())
        n_panels.append(run._layout(0).table[0, layout.PANELS + 3 * panels.FORWARD_ENCODED])
    assert n_panels[0] < n_panels[1]
    assert found[0] == found[1]
