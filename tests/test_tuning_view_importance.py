"""The importance of hyperparameters, on trials whose outcome is known."""

from __future__ import annotations

import numpy as np
import pytest
from studies import make_columns

from fastnet.tuning.view.importance import LEAST_TRIALS, MOST_TRIALS, Importance, importance

NAMES = ("beta1", "dropout", "momentum")


def test_importance_finds_the_shares_of_a_sum() -> None:
    """Ranks of a sum of two independent uniform terms, one weighing three times the other: 9 to 1 in variance."""
    u = 0.99 * np.random.default_rng(3).random((MOST_TRIALS, 3))
    columns, space = make_columns(u, 3 * u[:, 1] + u[:, 0], NAMES)
    found = importance(columns, space.distributions)
    assert isinstance(found, Importance)
    assert found.names == ("dropout", "beta1", "momentum")
    np.testing.assert_allclose(found.share, [0.9, 0.1, 0.0], atol=0.06)
    assert all(low <= share <= high for low, share, high in zip(found.low, found.share, found.high, strict=True))
    assert found.explained > 0.9 and importance(columns, space.distributions) == found


def test_importance_can_differ_in_the_better_half() -> None:
    u = 0.99 * np.random.default_rng(4).random((400, 3))
    value = np.where(u[:, 1] > 0.5, 1.0 + 0.1 * u[:, 2], 0.1 * u[:, 0])
    columns, space = make_columns(u, value, NAMES)
    found = [importance(columns, space.distributions, better_half=half) for half in (False, True)]
    assert [item.names[0] for item in found if isinstance(item, Importance)] == ["dropout", "momentum"]


def test_noise_has_no_importance() -> None:
    rng = np.random.default_rng(5)
    columns, space = make_columns(0.99 * rng.random((200, 3)), rng.random(200), NAMES)
    assert "no effect can be distinguished from chance" in str(importance(columns, space.distributions))


@pytest.mark.parametrize(
    ("n", "names", "words"),
    [
        (LEAST_TRIALS - 1, NAMES, "Only 59 of the 60 trials needed"),
        (200, ("dropout",), "Only dropout is searched"),
        (200, (), "No hyperparameter is searched"),
    ],
)
def test_importance_is_not_invented(n: int, names: tuple[str, ...], words: str) -> None:
    u = 0.99 * np.random.default_rng(6).random((n, 3))
    columns, space = make_columns(u, u[:, 0], names)
    assert words in str(importance(columns, space.distributions))


def test_equal_trials_have_no_importance() -> None:
    columns, space = make_columns(0.99 * np.random.default_rng(7).random((80, 3)), np.full(80, 0.5), NAMES)
    assert importance(columns, space.distributions) == "All trials have the same value."
