"""Schedules of the learning rate: closed forms, and the same bits as the reference."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from layers import call
from properties import examples

from fastnet import reference
from fastnet.config.training import SCHEDULES, TrainConfig
from fastnet.kernels.schedule import rate_factor
from fastnet.network.hyperparameters import trial_of

thorough = settings(max_examples=examples(200))


def compiled(config: TrainConfig, step: int, n_steps: int) -> float:
    return call(rate_factor, trial_of(config, 0).trial, step, n_steps)


def plain(config: TrainConfig, step: int, n_steps: int) -> float:
    numbers = config.warmup_epochs, config.step_epochs, config.step_factor
    return reference.schedule.rate_factor(step, n_steps, config.epochs, config.schedule, *numbers)


def closed_form(config: TrainConfig, step: int, n_steps: int) -> float:
    """The formulas as PyTorch documents LinearLR, StepLR and CosineAnnealingLR, by libm."""
    warm, total = config.warmup_epochs * n_steps, config.epochs * n_steps
    rise = min(1.0, (step + 1) / warm) if warm > 0 else 1.0
    if config.schedule == "step":
        return rise * config.step_factor ** (step // n_steps // config.step_epochs)
    if config.schedule == "cosine" and step > warm:
        return rise * 0.5 * (1.0 + math.cos(math.pi * (step - warm) / (total - warm)))
    return rise


epochs = st.integers(1, 60)


@thorough
@given(
    st.sampled_from(SCHEDULES),
    epochs,
    st.integers(1, 1000),
    st.floats(0, 1),
    st.floats(0, 1),
    epochs,
    st.floats(0.01, 1),
)
@example("cosine", 50, 4, 0.0, 0.0, 20, 0.1)
@example("cosine", 1, 1, 0.999, 1.0, 20, 0.1)
@example("step", 60, 5, 0.999, 0.5, 1, 0.1)
def test_the_factor_is_the_references_and_the_closed_form(schedule, n_epochs, n_steps, part, warm, step_epochs, factor):
    config = TrainConfig(
        schedule=schedule, epochs=n_epochs, warmup_epochs=warm * n_epochs, step_epochs=step_epochs, step_factor=factor
    )
    step = int(part * n_epochs * n_steps * (1 - 1e-9))
    found = compiled(config, step, n_steps)
    assert found == plain(config, step, n_steps)
    assert 0 < found <= 1
    assert found == pytest.approx(closed_form(config, step, n_steps), rel=1e-12, abs=1e-15)


@thorough
@given(st.floats(0, 1))
@example(0.0)
@example(0.5)
@example(1.0)
@example(math.nextafter(0.5, 0))
def test_half_a_cosine_is_within_a_few_roundings_of_the_truth(x):
    # near 1 libm's 1 + cos loses all digits, so there it is the square of a sine
    truth = math.sin(0.5 * math.pi * (1 - x)) ** 2 if x > 0.5 else 0.5 * (1 + math.cos(math.pi * x))
    assert reference.schedule.half_cosine(x) == pytest.approx(truth, rel=1e-15)


def test_a_cosine_begins_at_the_end_of_the_warm_up_and_ends_above_zero():
    config = TrainConfig(schedule="cosine", epochs=10, warmup_epochs=2)
    course = [compiled(config, step, 5) for step in range(50)]
    assert course[:10] == [(step + 1) / 10 for step in range(10)] and course[10] == 1.0
    assert all(before > after for before, after in pairwise(course[10:]))
    assert course[30] == pytest.approx(0.5, rel=1e-15) and 0 < course[-1] < 0.002


def test_steps_fall_at_the_borders_of_epochs_and_a_constant_rate_never_moves():
    config = TrainConfig(schedule="step", epochs=9, step_epochs=3, step_factor=0.5)
    assert [compiled(config, step, 4) for step in range(36)] == [1.0] * 12 + [0.5] * 12 + [0.25] * 12
    still = TrainConfig(schedule="constant", step_epochs=1, step_factor=0.5)
    assert {compiled(still, step, 4) for step in range(200)} == {1.0}


def test_a_warm_up_of_a_part_of_a_step_is_none_and_one_of_all_epochs_ends_at_the_rate():
    for schedule in SCHEDULES:
        short = TrainConfig(schedule=schedule, warmup_epochs=0.25)
        none = TrainConfig(schedule=schedule)
        assert compiled(short, 0, 4) == compiled(none, 0, 4) == 1.0
        assert compiled(TrainConfig(schedule=schedule, epochs=3, warmup_epochs=3), 11, 4) == 1.0


def test_a_million_epochs_of_steps_underflow_to_nothing():
    config = TrainConfig(schedule="step", epochs=10**6, step_epochs=1, step_factor=0.999)
    assert compiled(config, 10**6 - 1, 1) == plain(config, 10**6 - 1, 1) == 0.0
    assert compiled(config, 1000, 1) == pytest.approx(0.999**1000, rel=1e-13)


PINNED = {
    ("cosine", 1): "0x1.fff7ea3c8b189p-1",
    ("cosine", 57): "0x1.a00fe71906a95p-1",
    ("cosine", 100): "0x1.ffffffffffffep-2",
    ("cosine", 199): "0x1.02b86e9cede75p-14",
    ("step", 57): "0x1.70a3d70a3d70ap-4",
    ("step", 199): "0x1.caa5ab1fd3dadp-13",
}
"""Factors of 50 epochs of 4 steps, exact: the same on every machine and in every later version."""


@pytest.mark.parametrize(("schedule", "step"), PINNED)
def test_factors_never_change(schedule, step):
    config = TrainConfig(schedule=schedule, epochs=50, step_epochs=7, step_factor=0.3)
    assert compiled(config, step, 4).hex() == PINNED[schedule, step]
