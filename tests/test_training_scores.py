"""Scores of the training samples: measured after every epoch, met on the way, or left out; no weight depends on it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from cases import COURSES, NETWORKS, blobs
from runs import TRAIN_ACCURACY, course_config, course_data, course_samples, follow, prepared, run_pack

import fastnet
from fastnet.config.metric import score_of_objective
from fastnet.config.training import TRAIN_SCORES, TrainConfig
from fastnet.errors import ConfigError, StudyError
from fastnet.report.figures import learning_curve_figure
from fastnet.report.listing import to_rows
from fastnet.training.pack import PackRun, alike
from fastnet.tuning import Study

OTHERS = [0, 2, 3]
"""The curves that do not depend on how training samples are scored."""

EPOCHS = 3
COURSE_OF = {(course.objective, course.weighted, course.dropout > 0): course for course in COURSES}

NETWORK = NETWORKS["three hidden layers"]
CONFIG = TrainConfig(hidden=NETWORK.hidden, batch_size=10, epochs=4, learning_rate=0.05)


@pytest.mark.parametrize("course", COURSE_OF.values(), ids=str)
def test_running_scores_are_those_of_the_reference(course):
    config = replace(course_config(course, EPOCHS), train_score="running")
    dataset, parts = course_data(course)
    expected = follow(dataset, parts, config, 3, course)
    found = run_pack(course_samples(course), config, [3]).curves[0, TRAIN_ACCURACY]
    if score_of_objective(course.objective).name == "accuracy":
        np.testing.assert_allclose(found, expected.train_score, atol=2.6 / len(parts.train))
    else:
        as_errors = np.sqrt(expected.train_score) if score_of_objective(course.objective).name == "rmse" else None
        np.testing.assert_allclose(found, expected.train_score if as_errors is None else as_errors, rtol=1e-3)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_no_weight_and_no_other_curve_depends_on_it(dropout):
    data = prepared(blobs(NETWORK, 64))
    runs = [
        run_pack(data, replace(CONFIG, dropout=dropout, train_score=how), [0, 5], keep=True) for how in TRAIN_SCORES
    ]
    exact, running, none = (run.curves for run in runs)
    for run in runs[1:]:
        assert run.curves[:, OTHERS].tobytes() == exact[:, OTHERS].tobytes()
        for t in range(2):
            assert run.parameters(t).tobytes() == runs[0].parameters(t).tobytes()
    assert np.isfinite(running).all() and (running[:, TRAIN_ACCURACY] != exact[:, TRAIN_ACCURACY]).any()
    assert np.isnan(none[:, TRAIN_ACCURACY]).all()


def test_a_network_alone_and_one_that_waits_have_the_running_scores_of_a_pack():
    dataset = blobs(NETWORK, 64)
    config = replace(CONFIG, train_score="running", dropout=0.2)
    data = prepared(dataset)
    pack = run_pack(data, config, [0]).curves[0]
    alone = fastnet.train(dataset, config).curves
    assert alone.train_scored == "running"
    np.testing.assert_array_equal(alone.train_score, pack[TRAIN_ACCURACY])
    waits = PackRun(alike(data, config, [0]), 1)
    for end in (1, 3, 4):
        waits.start(end=end)
        waits.join()
    assert waits.curves[0].tobytes() == pack.tobytes()


def test_a_study_says_how_it_scored_and_goes_on_only_so(tmp_path):
    data = blobs(NETWORK, 64)
    options = {"trials": 3, "epochs": 2, "hidden": (5,), "final": 0}
    fastnet.search(None, data, study=tmp_path / "s", train_score="none", **options)
    with Study.read(tmp_path / "s") as study:
        trial = study.best(1)[0]
    assert trial.train_scored == "none" and np.isnan(trial.train_score).all() and trial.epochs == 2
    [row, *_] = to_rows([trial])
    assert row["train_accuracy"] is None and row["train_loss"] > 0
    json.dumps(row, allow_nan=False)
    with pytest.raises(StudyError, match="train_score"):
        fastnet.search(None, data, study=tmp_path / "s", train_score="running", **options)
    fastnet.search(None, data, study=tmp_path / "t", **options)
    with Study.read(tmp_path / "t") as study:
        assert "train_score" not in study.settings["train"] and study.best(1)[0].train_scored == "exact"


def test_a_picture_without_training_scores_is_drawn(tmp_path):
    result = fastnet.train(blobs(NETWORK, 64), replace(CONFIG, train_score="none"))
    assert result.model.metrics["train_accuracy"] is None
    learning_curve_figure(result.curves, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_another_way_is_refused():
    with pytest.raises(ConfigError, match="train_score='mean': must be one of exact"):
        TrainConfig(train_score="mean")
