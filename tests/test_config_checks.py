"""The rules that settings must follow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from fastnet.config import checks
from fastnet.config.checks import (
    check_choice,
    check_count,
    check_hyperparameter,
    check_interrupt,
    check_number,
    check_range,
    count_networks,
    count_threads,
)
from fastnet.errors import ConfigError


@pytest.mark.parametrize("value", [True, None, "1", math.nan, math.inf, -math.inf, 10**400, 1j, [1.0]], ids=type)
def test_what_is_not_a_finite_number_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^rate=.*: must be a finite number$"):
        check_number("rate", value)


def test_a_whole_number_becomes_a_float() -> None:
    assert check_number("rate", 3) == 3.0 and isinstance(check_number("rate", 3), float)


@pytest.mark.parametrize(
    ("open_low", "open_high", "inside", "outside"),
    [
        (False, True, (0, 0.5), (-0.1, 1)),
        (True, True, (1e-300, 0.5), (0, 1)),
        (False, False, (0, 1), (-0.1, 1.1)),
        (True, False, (0.5, 1), (0, 1.1)),
    ],
)
def test_ends_of_a_range_belong_to_it_or_not(open_low: bool, open_high: bool, inside: Any, outside: Any) -> None:
    for value in inside:
        check_range("share", value, 0, 1, open_low=open_low, open_high=open_high)
    interval = f"{'(' if open_low else '['}0, 1{')' if open_high else ']'}"
    for value in outside:
        with pytest.raises(ConfigError) as caught:
            check_range("share", value, 0, 1, open_low=open_low, open_high=open_high)
        assert str(caught.value).startswith(f"share={value!r}: must be in {interval}")


def test_a_percentage_is_recognized() -> None:
    with pytest.raises(ConfigError, match=r"dropout=20: must be in \[0, 1\)\. Did you mean 0\.2\?"):
        check_range("dropout", 20, 0.0, 1.0)
    with pytest.raises(ConfigError) as caught:
        check_range("dropout", 200, 0.0, 1.0)
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize("value", [0, 8, 2.0, True, "3", None, -(10**9000)], ids=type)
def test_counts_are_whole_and_within_their_bounds(value: Any) -> None:
    check_count("folds", 1, high=7)
    check_count("folds", 7, high=7)
    with pytest.raises(ConfigError, match=r"^folds=.*: must be a whole number from 1 to 7$") as caught:
        check_count("folds", value, high=7)
    assert len(str(caught.value)) < 100, "a huge number is not written out"


def test_a_choice_lists_what_is_allowed() -> None:
    check_choice("way", "left", ("left", "right"))
    with pytest.raises(ConfigError, match="way='up': must be one of left, right"):
        check_choice("way", "up", ("left", "right"))


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("learning_rate", (1e-300, 1e6), (0, -1, 1.1e6)),
        ("weight_decay", (0, 1e6), (-1e-9, 1.1e6)),
        ("epsilon", (1e-30, 1e6), (0, 1e-31)),
        ("step_epochs", (1, 10**6), (0, 2.5, 10**6 + 1)),
        ("step_factor", (1e-9, 1), (0, 1.1)),
        ("warmup_epochs", (0, 0.5, 10**6), (-0.1, 10**6 + 1)),
        *((name, (0, 0.999999), (-0.1, 1)) for name in ("momentum", "rho", "beta1", "dropout", "label_smoothing")),
    ],
)
def test_hyperparameters_have_their_ranges(name: str, allowed: tuple[Any, ...], refused: tuple[Any, ...]) -> None:
    for value in allowed:
        check_hyperparameter(name, value)
    for value in refused:
        with pytest.raises(ConfigError, match=f"^{name}="):
            check_hyperparameter(name, value)


def test_threads_are_those_given_or_all_usable_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "usable_cores", lambda: 7)
    assert count_threads(None) == 7 and count_threads(2) == 2
    assert type(count_threads(np.int64(3))) is int  # type: ignore[arg-type]
    for jobs in (0, 4097, 1.5, True):
        with pytest.raises(ConfigError, match=r"jobs=.*: must be a whole number from 1 to 4096"):
            count_threads(jobs)  # type: ignore[arg-type]


def test_an_ensemble_has_at_most_a_thousand_networks() -> None:
    assert (count_networks(1), count_networks(np.int8(9)), count_networks(1000)) == (1, 9, 1000)  # type: ignore[arg-type]
    for networks in (0, 1001):
        with pytest.raises(ConfigError, match=r"networks=.*: must be a whole number from 1 to 1000"):
            count_networks(networks)


def test_an_interrupt_raises_or_returns() -> None:
    check_interrupt("raise")
    check_interrupt("return")
    with pytest.raises(ConfigError, match="interrupt='stop': must be one of raise, return"):
        check_interrupt("stop")
