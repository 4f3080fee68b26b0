"""Trials in the order of their rank, added a few at a time."""

from __future__ import annotations

import numpy as np
import pytest

from fastnet.tuning.run import ranked as module
from fastnet.tuning.run.ranked import Ranked
from fastnet.tuning.space.space import Space
from fastnet.tuning.trial import TrialResult, rank

SPACE = Space.parse({"dropout": "uniform:0:0.5", "optimizer": "choice:sgd,adam"})
NONE = np.empty((4, 0), np.float32)


def make_trials(n: int, seed: int) -> list[TrialResult]:
    """Trials of every status, with equal values among them, and a choice that the space does not have."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n):
        status = str(rng.choice(["done", "done", "stopped", "diverged"]))
        value = float("nan") if status == "diverged" else float(rng.integers(0, 12)) / 8 - 0.5
        optimizer = str(rng.choice(["sgd", "adam", "adagrad"]))
        params = {"dropout": int(rng.integers(0, 1000)) / 2048, "optimizer": optimizer}
        epochs = int(rng.integers(1, 5))
        made.append(TrialResult(number, status, params, value, value, 1, NONE, 0.1, epochs=epochs))
    return made


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
@pytest.mark.parametrize("latest", [0, 10, 4096])
def test_trials_have_the_places_of_their_rank(metric: str, latest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LATEST", latest)
    trials, ranked, added = make_trials(200, 1), Ranked(SPACE, metric), 0
    for more in (1, 0, 7, 64, 3, 90, 35):
        ranked.add(trials[added : added + more])
        added += more
        inside = [trial for trial in trials[:added] if trial.params["optimizer"] != "adagrad"]
        expected = [round(2 * trial.params["dropout"], 9) for trial in rank(inside, metric)]
        assert len(ranked) == len(expected) and ranked.read == added
        assert ranked.at(np.arange(len(expected)))[:, 0].tolist() == expected
        some = np.arange(0, len(expected), 3)
        assert ranked.at(some)[:, 0].tolist() == expected[::3]
        gone = [round(2 * trial.params["dropout"], 9) for trial in inside if trial.status == "diverged"]
        assert ranked.n_diverged == len(gone)
        assert ranked.diverged_at(np.arange(len(gone)))[:, 0].tolist() == gone


def test_no_trials_have_no_places() -> None:
    ranked = Ranked(SPACE, "loss")
    ranked.add([])
    none = np.arange(0)
    assert (len(ranked), ranked.at(none).shape, ranked.diverged_at(none).shape) == (0, (0, 2), (0, 2))
