from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from searches import CONFIG

import fastnet
from fastnet.tuning import Study, TrialResult
from fastnet.tuning.run import final
from fastnet.tuning.run.seeds import repeat_seed

CHOICE = replace(CONFIG, trials=4, final=2, repeats=3, train=replace(CONFIG.train, hidden=(8,), seed=7))


def trial(number: int, value: float, rate: float | None = None, **more) -> TrialResult:
    curves = np.full((4, 2), value, np.float32)
    params = {"learning_rate": rate or number / 100}
    return TrialResult.from_curves(number, more.pop("status", "done"), params, curves, seconds=0.1, **more)


@pytest.fixture
def study(tmp_path):
    with Study.open(tmp_path, {"space": {"learning_rate": "log:1e-6:1"}, "train": {"epochs": 2}}) as study:
        trials = [trial(1, 0.5), trial(2, 0.9), trial(3, 0.8, rate=0.02), trial(4, 0.7)]
        study.append(trials, run=study.begin_run({}), wall_seconds=1.0, compile_seconds=0.0, compiled_seconds=0.5)
        yield study


def test_every_candidate_is_trained_once_before_any_twice(study):
    repeats = final.repeats_of(study, CHOICE)
    assert [repeat.candidate.id for repeat in repeats] == [2, 4] * 3, "trial 3 has the hyperparameters of trial 2"
    assert [repeat.seed for repeat in repeats] == [repeat_seed(7, t, k) for k in range(3) for t in (2, 4)]


def test_the_choice_is_made_among_the_repeats_that_ended(study, tiny_dataset):
    repeats = final.repeats_of(study, CHOICE)
    values = [0.6, 0.7, 0.62, 0.72, 0.61, 0.74]
    ended = {place: trial(repeats[place].candidate.id, value) for place, value in enumerate(values)}
    whole = final.decide(repeats, ended, CHOICE, tiny_dataset, fastnet.split(tiny_dataset.y))
    assert whole["winner"] == 4 and [row["trial"] for row in whole["candidates"]] == [4, 2]
    assert whole["seeds"] == {
        "2": [repeat_seed(7, 2, k) for k in range(3)],
        "4": [repeat_seed(7, 4, k) for k in range(3)],
    }
    parts = final.decide(
        repeats, {place: ended[place] for place in (0, 2, 3)}, CHOICE, tiny_dataset, fastnet.split(tiny_dataset.y)
    )
    assert [(row["trial"], len(row["values"])) for row in parts["candidates"]] == [(4, 1), (2, 2)]
    assert parts["seeds"] == {"2": [repeat_seed(7, 2, 0), repeat_seed(7, 2, 1)], "4": [repeat_seed(7, 4, 1)]}
    alone = final.decide(repeats, {4: ended[4]}, CHOICE, tiny_dataset, fastnet.split(tiny_dataset.y))
    assert alone["winner"] == 2 and alone["seeds"] == {"2": [repeat_seed(7, 2, 2)]}


def test_the_winner_is_trained_on_one_more_seed_kept_and_evaluated_once(study, tiny_dataset, tmp_path):
    repeats = final.repeats_of(study, CHOICE)
    ended = {place: trial(repeat.candidate.id, 0.6) for place, repeat in enumerate(repeats)}
    config = final.winner_config(
        final.decide(repeats, ended, CHOICE, tiny_dataset, fastnet.split(tiny_dataset.y)), CHOICE
    )
    assert config.learning_rate == 0.02 and config.seed not in {7, *(repeat.seed for repeat in repeats)}
    parts = fastnet.split(tiny_dataset.y, seed=7)
    trained = final.train_winner(tiny_dataset, parts, config, "accuracy", 1, lambda: False)
    assert trained is not None and trained.test is None, "the test set is not touched by training"
    kept = final.keep(study, tiny_dataset, config, trained)
    model = fastnet.load_model(tmp_path / kept["model"])
    score = model.score(tiny_dataset.x_test, tiny_dataset.y_test)
    assert (kept["test_accuracy"], kept["test_loss"], kept["test_uses"]) == (score.value, score.loss, 1)
    assert kept["validation_accuracy"] == pytest.approx(model.metrics["validation_accuracy"])
    again = final.keep(study, tiny_dataset, config, trained)
    assert again["test_uses"] == 1, "the search was ended before it stored what the test set showed"
    study.set_final({"kept": again})
    assert final.keep(study, tiny_dataset, config, trained)["test_uses"] == 2
    without = final.keep(study, tiny_dataset.without_test(), config, trained)
    assert without["test_accuracy"] is None and without["test_uses"] == 0


def test_a_training_that_is_stopped_before_its_first_epoch_gives_nothing(tiny_dataset):
    parts = fastnet.split(tiny_dataset.y)
    config = replace(CHOICE.train, epochs=10**6)
    assert final.train_winner(tiny_dataset, parts, config, "accuracy", 1, lambda: True) is None
