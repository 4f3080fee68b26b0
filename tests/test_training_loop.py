"""The loop of every training: what it keeps, when it stops, and that nothing keeps running."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from fastnet.config.training import TrainConfig
from fastnet.errors import FastnetError
from fastnet.kernels.step import DIVERGED, DONE, PENDING, STOPPED
from fastnet.training.background import Background
from fastnet.training.loop import EpochResult, Fit, metrics_at, watch


class Scripted(Background):
    """Networks whose validation scores are given in advance, NaN where one diverges; its weights are the epoch."""

    def __init__(self, scores: list[list[float]], holds: int | None = None, objective: str = "cross-entropy") -> None:
        super().__init__()
        self.objective = objective
        self.scores = np.array(scores)
        n, epochs = self.scores.shape
        self.curves = np.full((n, 4, epochs), np.nan)
        self.status = np.full(n, PENDING)
        self.trained: list[tuple[list[int], int]] = []
        self._weights = np.zeros((n, 3), np.float32)
        self._holds, self._told = holds, threading.Event()

    def start(self, which: np.ndarray, end: int) -> None:
        self.trained.append((which.tolist(), end))
        self.status[which] = PENDING
        self.begin(1, lambda: self._train(which, end))

    def stop(self) -> None:
        self._told.set()
        super().stop()

    def _train(self, which: np.ndarray, end: int) -> None:
        if end == self._holds:
            assert self._told.wait(60)
        for t in which:
            score = self.scores[t, end - 1]
            self.status[t] = STOPPED if self._told.is_set() else DIVERGED if np.isnan(score) else DONE
            if self.status[t] == DONE:
                self.curves[t, :, end - 1] = 1 / end, score, 2 / end, score
                self._weights[t] = 10 * t + end

    def parameters(self, t: int) -> np.ndarray:
        return self._weights[t]

    def model(self, t: int, parameters: np.ndarray, epoch: int) -> Any:
        raise NotImplementedError


def config(scores: list[list[float]], **more: Any) -> TrainConfig:
    return TrainConfig(epochs=len(scores[0]), **more)


def fitted(scores: list[list[float]], **more: Any) -> tuple[Scripted, Fit]:
    run = Scripted(scores)
    fit = Fit(run, config(scores, **more))
    fit.train()
    return run, fit


def test_the_first_of_the_best_epochs_is_kept_with_the_weights_it_had():
    _, fit = fitted([[0.2, 0.7, 0.7, 0.3], [0.5, 0.4, 0.1, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert fit.best_epoch.tolist() == [2, 1, 1] and fit.epochs_done.tolist() == [4, 4, 4]
    assert [weights[0] for weights in fit.best.values()] == [2, 11, 21]
    assert not fit.interrupted and fit.diverged == 0 and fit.kept == [0, 1, 2]
    np.testing.assert_allclose(fit.curves(1).validation_score, [0.5, 0.4, 0.1, 0.0])
    assert fit.curves(1).train_loss.dtype == np.float32


@pytest.mark.parametrize(
    ("objective", "metric", "best"),
    [
        ("squared-error", None, 2), ("cross-entropy", None, 4), ("cross-entropy", "loss", 5), ("huber", "loss", 5),
        ("poisson", None, 5), ("binary-cross-entropy", None, 5), ("binary-cross-entropy", "accuracy", 4),
    ],
)  # fmt: skip
def test_the_metric_decides_about_the_best_epoch(objective, metric, best):
    fit = Fit(Scripted(scores := [[0.5, 0.2, 0.2, 0.9, 0.4]], objective=objective), config(scores), metric)
    fit.train()
    assert fit.best_epoch.tolist() == [best] and fit.best[0][0] == best


def test_curves_and_reports_name_the_score():
    told: list[EpochResult] = []
    fit = Fit(Scripted(scores := [[0.5]], objective="absolute-error"), config(scores))
    fit.train(told.append)
    assert told[0].score == fit.curves(0).score == "mae"


def test_each_network_stops_by_itself_after_the_given_epochs_without_a_better_one():
    run, fit = fitted([[0.2, 0.1, 0.1, 0.9], [0.1, 0.2, 0.1, 0.3], [0.1, 0.2, 0.3, 0.4]], early_stopping=2)
    assert fit.epochs_done.tolist() == [3, 4, 4] and fit.best_epoch.tolist() == [1, 4, 4]
    assert [which for which, _ in run.trained] == [[0, 1, 2], [0, 1, 2], [0, 1, 2], [1, 2]]


def test_networks_that_diverge_are_left_out_from_then_on():
    nan = float("nan")
    run, fit = fitted([[0.2, nan, 0.9], [nan, 0.5, 0.5], [0.1, 0.2, 0.3]])
    assert fit.diverged == 2 and fit.kept == [0, 2] and fit.epochs_done.tolist() == [1, 0, 3]
    assert run.trained == [([0, 1, 2], 1), ([0, 2], 2), ([2], 3)]


def test_where_all_diverge_in_the_first_epoch_there_is_nothing_to_keep():
    with pytest.raises(FastnetError, match=r"learning_rate=0\.5: the loss is not finite in the first epoch"):
        fitted([[float("nan"), 0.5]], learning_rate=0.5)


def test_epochs_are_reported_by_their_means():
    told: list[EpochResult] = []
    scores = [[0.25, 0.5], [0.75, 0.5]]
    Fit(Scripted(scores), config(scores)).train(told.append)
    assert [epoch.epoch for epoch in told] == [1, 2]
    assert (told[0].validation_score, told[0].train_loss, told[1].validation_loss) == (0.5, 1.0, 1.0)


def test_a_stop_in_the_middle_of_an_epoch_keeps_those_before():
    scores = [[0.1, 0.2, 0.3]]
    run = Scripted(scores, holds=2)
    fit = Fit(run, config(scores))
    fit.train(should_stop=lambda: len(run.trained) == 2)
    assert fit.interrupted and fit.epochs_done.tolist() == [1] and fit.best[0][0] == 1


@pytest.mark.parametrize("returns", [False, True])
def test_a_stop_before_the_first_epoch_has_ended_is_an_interrupt(returns):
    scores = [[0.1, 0.2]]
    with pytest.raises(KeyboardInterrupt):
        Fit(Scripted(scores, holds=1), config(scores)).train(should_stop=lambda: True, returns=returns)


@pytest.mark.parametrize("where", ["begin", "on_look", "should_stop", "pause"])
def test_an_error_of_whoever_watches_ends_the_work_first(where):
    run = Scripted([[0.1]], holds=1)

    def fail() -> Any:
        if run.trained:  # the first question comes before the work begins
            raise RuntimeError(where)
        return False

    def begin() -> None:
        run.start(np.array([0]), 1)
        if where == "begin":
            fail()

    asked = {where: fail} if where != "begin" else {}
    if where != "pause":
        asked["pause"] = lambda: 0.001
    with pytest.raises(RuntimeError, match=where):
        watch(run, begin, **asked)
    assert not run.running() and run.status[0] in (STOPPED, PENDING)  # PENDING where it had not begun yet


def test_watching_returns_whether_the_work_was_asked_to_stop():
    assert not watch(idle := Background(), lambda: idle.begin(1, lambda: None), should_stop=lambda: False)
    run = Scripted([[0.1]], holds=1)
    assert watch(run, lambda: run.start(np.array([0]), 1), should_stop=lambda: True)


def test_metrics_are_those_of_the_epoch_in_the_shortest_form():
    curves = np.array([[1.0, 0.5], [0.83, 0.9], [1.5, 1.25], [0.1, 0.7]], np.float32)
    last = {"epochs_done": 2, "train_accuracy": 0.9, "validation_accuracy": 0.7, "validation_loss": 1.25}
    assert metrics_at(curves, 2, None) == last
    first = {"epochs_done": 2, "train_accuracy": 0.83, "validation_accuracy": 0.1, "validation_loss": 1.5}
    assert metrics_at(curves, 2, 1) == first
