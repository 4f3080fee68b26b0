"""The words of progress: what a search and a training show, and when they end."""

from __future__ import annotations

import pytest
from displays import search_state

from fastnet.config.presets import TIMED_TRIALS
from fastnet.progress.words import duration, ends_text, frame_of_epoch, frame_of_search
from fastnet.training.loop import EpochResult


def frame(state, seconds=5.0, ended=False, limit=None, metric="accuracy"):
    return frame_of_search(state, seconds, ended, metric=metric, limit=limit)


def test_a_search_shows_its_trials_its_best_value_its_rate_and_the_time_left():
    found = frame(search_state(4))
    assert found.line == "trials 4/10 | best val acc:0.83 | 2.0 trials/s | ETA 1:01" and found.share == 0.4


def test_what_ended_early_stages_and_rungs_are_shown_where_there_are_any():
    found = frame(search_state(4, best=None, stopped=2, diverged=1, stage=2, stages=3, rung=1, rungs=4), metric="rmse")
    assert found.facts[:5] == ("best val rmse:-", "2 stopped early", "1 diverged", "stage 2/3", "rung 1/4")


@pytest.mark.parametrize(
    ("doing", "words"),
    [("compiling", "compiling the kernels"), ("choosing", "fresh seeds"), ("ensembling", "to combine them")],
)
def test_what_a_search_does_besides_trials_is_said_until_it_ends(doing, words):
    state = search_state(10, **{doing: True})
    assert words in frame(state).line and "best val acc:0.83" in frame(state, ended=True).line


def test_a_search_with_a_time_limit_and_no_number_of_trials_counts_seconds():
    found = frame(search_state(7, total=TIMED_TRIALS, eta_seconds=9000.0), seconds=15.0, limit=60.0)
    assert found.done == "trials 7" and found.share == 0.25 and found.facts[-1] == "stops in 0:45"
    assert frame(search_state(7, total=TIMED_TRIALS), seconds=90.0, limit=60.0).share == 1.0


def test_a_search_without_trials_is_not_divided_by_them():
    assert frame(search_state(0, total=0)).share == 0.0


def test_a_training_shows_its_epoch_both_samples_and_the_time_left():
    measured = {"train_loss": 0.5, "train_score": 0.9, "validation_loss": 0.6, "validation_score": 0.8}
    found = frame_of_epoch(EpochResult(epoch=2, **measured), 4.0, False, epochs=8)
    assert found.line == "epoch 2/8 | train acc:0.90, loss:0.5000 | val acc:0.80, loss:0.6000 | ETA 0:12"
    assert found.share == 0.25


def test_times():
    assert [duration(s) for s in (0.0, 59.6, 3600.0, None)] == ["0:00", "1:00", "1:00:00", "-:--"]
    assert ends_text(10.0, 20.0) == "ETA 0:10" and ends_text(None, -3.0) == "stops in 0:00"
