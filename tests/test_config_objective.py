"""Objectives and the settings that belong to them: what is allowed, alone and together."""

from __future__ import annotations

import pytest

from fastnet import TrainConfig
from fastnet.config.objective import OBJECTIVES, OF_TASK, objective_for
from fastnet.config.searching import as_settings
from fastnet.config.training import train_config_from
from fastnet.errors import ConfigError
from fastnet.kernels import objective


def test_every_objective_of_the_kernels_belongs_to_one_task():
    assert [*OBJECTIVES[1:]] == [name for names in OF_TASK.values() for name in names]
    assert set(OBJECTIVES[1:]) == objective.OBJECTIVES.keys()


@pytest.mark.parametrize("task", OF_TASK)
def test_data_of_a_task_take_its_objectives_alone(task):
    assert objective_for(task, "auto") == OF_TASK[task][0]
    for name in OBJECTIVES[1:]:
        if name in OF_TASK[task]:
            assert objective_for(task, name) == name
        else:
            with pytest.raises(ConfigError, match=f"objective='{name}': the data hold .*, so choose .*, or auto"):
                objective_for(task, name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objective": "mse"}, "objective='mse': must be one of auto, cross-entropy, .*poisson"),
        ({"quantiles": ()}, "quantiles=.*: give at least one number between 0 and 1"),
        ({"quantiles": (0.5, 0.1)}, "quantiles=.*: must be between 0 and 1, in ascending order, each once"),
        ({"quantiles": (0.5, 0.5)}, "in ascending order, each once"),
        ({"quantiles": (0.0, 0.5)}, "must be between 0 and 1"),
        ({"quantiles": (0.5, 1.0)}, "must be between 0 and 1"),
        ({"quantiles": (0.5, "x")}, "quantiles='x': must be a finite number"),
        ({"quantiles": "low"}, "quantiles='low': write numbers between 0 and 1, such as 0.1,0.5,0.9"),
        ({"huber_delta": 0.0}, "huber_delta=0.0: must be in "),
        ({"huber_delta": float("nan")}, "huber_delta=nan: must be a finite number"),
        ({"class_weight": "even"}, "class_weight='even': must be one of balanced"),
        ({"objective": "huber", "label_smoothing": 0.1}, "objective='huber' has no classes to spread a target over"),
        ({"objective": "huber", "class_weight": "balanced"}, "objective='huber' has no classes to weight"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_allowed(settings, message):
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**settings)


def test_settings_come_back_from_their_text_form():
    config = TrainConfig(objective="pinball", quantiles=(0.05, 0.95), huber_delta=0.3)
    assert as_settings(config)["quantiles"] == "0.05,0.95"
    assert train_config_from(as_settings(config)) == config.resolved()
    assert TrainConfig(quantiles=[0.05, 0.95]).quantiles == (0.05, 0.95)
