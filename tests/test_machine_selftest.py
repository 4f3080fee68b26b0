"""The self-test of `fastnet doctor`: it passes on right kernels, and sees wrong ones."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fastnet import reference
from fastnet.config.training import OPTIMIZERS
from fastnet.machine import selftest
from fastnet.machine.selftest import self_test

NAMES = [
    *("kernels", "random numbers", "forward", "gradients"),
    *(f"{name} update" for name in OPTIMIZERS),
    "activations",
    "whole training",
]


def failures() -> dict[str, str]:
    return {check.name: check.detail for check in self_test() if not check.passed}


def test_right_kernels_pass() -> None:
    checks = self_test()
    assert [check.name for check in checks] == NAMES
    assert all(check.passed for check in checks), checks
    assert all(check.seconds > 0 for check in checks)
    assert checks[1].detail == "the same bits" and checks[2].detail.startswith("within ")


def replaced(monkeypatch: pytest.MonkeyPatch, name: str, stand_in: Callable[..., Any]) -> None:
    """Give the self-test another function by that name, and leave it as it is where the reference itself calls it."""
    module, _, function = name.partition(".")
    changed = SimpleNamespace(**{**vars(getattr(reference, module)), function: stand_in})
    monkeypatch.setattr(selftest, "reference", SimpleNamespace(**{**vars(reference), module: changed}))


def scaled(function: Callable[..., Any], factor: float) -> Callable[..., Any]:
    return lambda *args, **kwargs: function(*args, **kwargs) * factor


shuffle = reference.rng.shuffle
NEXT_AFTER_ONE = np.nextafter(np.float32(1), np.float32(2))
WRONG: dict[str, tuple[Any, str]] = {
    "objective.softmax": (scaled(reference.objective.softmax, 1 + 1e-4), "forward"),
    "network.weight_gradient": (scaled(reference.network.weight_gradient, 1 + 1e-4), "gradients"),
    "network.bias_gradient": (scaled(reference.network.bias_gradient, 1 + 1e-4), "gradients"),
    "rng.initial_weights": (scaled(reference.rng.initial_weights, NEXT_AFTER_ONE), "random numbers"),
    "rng.shuffle": (lambda *args: np.roll(shuffle(*args), 1), "random numbers"),
    "rng.uniform": (scaled(reference.rng.uniform, 1 + 1e-15), "random numbers"),
}
"""For a part of the reference what stands in for it, and which check has to see the difference."""


@pytest.mark.parametrize("name", WRONG)
def test_a_difference_is_seen(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    stand_in, expected = WRONG[name]
    replaced(monkeypatch, name, stand_in)
    assert failures().keys() == {expected}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_wrong_update_is_seen(monkeypatch: pytest.MonkeyPatch, optimizer: str) -> None:
    train = reference.training.train

    def slightly_off(*args: Any, **options: Any) -> reference.training.Trajectory:
        if options["optimizer"] == optimizer:
            options["learning_rate"] *= 1.01
        return train(*args, **options)

    replaced(monkeypatch, "training.train", slightly_off)
    wrong = failures()
    by_sgd = {"activations", "whole training"} if optimizer == "sgd" else set()
    assert wrong.keys() == {f"{optimizer} update"} | by_sgd
    assert "where 1e-05 is allowed" in wrong[f"{optimizer} update"]


def test_a_wrong_activation_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    train = reference.training.train

    def slightly_off(*args: Any, **options: Any) -> reference.training.Trajectory:
        return train(*args, **options | {"activation": {"silu": "gelu"}.get(options["activation"], "relu")})

    replaced(monkeypatch, "training.train", slightly_off)
    assert failures().keys() == {"activations"}


def test_nan_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(monkeypatch, "objective.softmax", lambda logits: np.full(logits.shape, np.nan))
    assert failures() == {"forward": "differs by nan, where 1e-05 is allowed"}


def test_a_check_that_breaks_down_is_a_failure_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("no such instruction\nand more lines")

    monkeypatch.setattr(selftest, "PackRun", broken)
    assert failures() == {"whole training": "RuntimeError: no such instruction"}
