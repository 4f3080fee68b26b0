"""The settings of experiments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnet.config.experiment import EXPERIMENTS, ExperimentConfig
from fastnet.errors import ConfigError
from fastnet.experiments import catalog


def test_every_experiment_is_in_the_catalog() -> None:
    assert len(set(EXPERIMENTS)) == len(EXPERIMENTS)
    assert set(EXPERIMENTS) == set(catalog._RUN)


def test_all_test_samples_are_none() -> None:
    assert ExperimentConfig(test_samples="all").test_samples is None  # type: ignore[arg-type]
    assert ExperimentConfig(test_samples="50").test_samples == 50  # type: ignore[arg-type]
    assert ExperimentConfig().test_samples == 2000


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"seeds": 0}, "seeds=0: must be a whole number from 1 to 1000"),
        ({"seeds": 1001}, "seeds=1001: must be"),
        ({"epochs": 0}, "epochs=0: must be a whole number from 1 to 1000000"),
        ({"samples": 1}, "samples=1: must be a whole number from 2"),
        ({"test_samples": 1}, "test_samples=1: must be a whole number from 2"),
        ({"test_samples": "some"}, "'some' is neither a number of samples from 1 to"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        ExperimentConfig(**settings)


def test_numbers_of_numpy_are_settings_like_any_other() -> None:
    assert ExperimentConfig(seeds=np.int16(3), samples=np.uint8(50)) == ExperimentConfig(seeds=3, samples=50)
