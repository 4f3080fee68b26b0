from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris, make_regression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastnet
from fastnet.errors import StudyError
from fastnet.sklearn import FastNetClassifier, FastNetRegressor, FastNetSearchCV

SPACE = {
    "learning_rate_init": "log:1e-3:1e-1",
    "hidden_layer_sizes": [(16,), (16, 16), (8, 4)],
    "solver": ["adam", "sgd"],
    "dropout": "uniform:0:0.3",
}


def search(folder: Path | None, **how: Any) -> FastNetSearchCV:
    x, y = load_iris(return_X_y=True)
    network = FastNetClassifier((16,), max_iter=12, learning_rate="cosine", random_state=0)
    made = FastNetSearchCV(network, SPACE, n_iter=9, cv=3, random_state=0, study=folder, **how)
    return made.fit(x, y)


def test_a_study_keeps_every_configuration_with_its_curves_and_changes_nothing(tmp_path):
    plain, kept = search(None), search(tmp_path / "s")
    scores = plain.cv_results_["mean_test_score"]
    assert kept.cv_results_["mean_test_score"].tolist() == scores.tolist()
    assert kept.predict_proba(load_iris().data).tobytes() == plain.predict_proba(load_iris().data).tobytes()
    with fastnet.Study.read(tmp_path / "s") as study:
        trials = list(study.trials())
        assert study.metric == "accuracy" and study.count("done") == 9
    for number, trial in enumerate(trials):
        given = plain.cv_results_["params"][number]
        assert trial.id == number and trial.epochs == 12 and trial.seconds > 0
        assert trial.params["learning_rate"] == given["learning_rate_init"]
        assert trial.params["optimizer"] == {"adam": "adam", "sgd": "nesterov"}[given["solver"]]
        assert trial.params["dropout"] == given["dropout"]
        assert trial.params["hidden"] == {(16,): "16", (16, 16): "16x2", (8, 4): "8-4"}[given["hidden_layer_sizes"]]
        assert trial.value == pytest.approx(scores[number], abs=1e-6), "accuracy of the folds' test samples"
        assert np.isfinite(trial.curves[2:]).all() and trial.config.hidden == given["hidden_layer_sizes"]


def test_halving_and_a_pipeline_are_kept_too(tmp_path):
    x, y = make_regression(n_samples=120, n_features=4, random_state=0)
    network = make_pipeline(
        StandardScaler(), FastNetRegressor((8,), max_iter=27, learning_rate="cosine", random_state=0)
    )
    space = {"fastnetregressor__learning_rate_init": "log:1e-4:1e-1"}
    made = FastNetSearchCV(network, space, n_iter=9, cv=2, pruning="halving", random_state=0, study=tmp_path / "s")
    made.fit(x, y)
    with fastnet.Study.read(tmp_path / "s") as study:
        trials = list(study.trials())
    ends = made.cv_results_["n_resources"].tolist()
    assert [trial.epochs for trial in trials] == ends and len(set(ends)) > 1
    assert [trial.status for trial in trials] == ["done" if end == 27 else "stopped" for end in ends]


def test_early_stopping_keeps_the_best_epochs(tmp_path):
    x, y = load_iris(return_X_y=True)
    network = FastNetClassifier(
        (16,), max_iter=60, early_stopping=True, n_iter_no_change=3, learning_rate="cosine", random_state=0
    )
    space = {"learning_rate_init": [0.01, 0.3]}
    FastNetSearchCV(network, space, n_iter=2, cv=2, random_state=0, study=tmp_path / "s").fit(x, y)
    with fastnet.Study.read(tmp_path / "s") as study:
        trials = list(study.trials())
    assert all(trial.status == "done" and trial.value == trial.best_value for trial in trials)
    assert min(trial.epochs for trial in trials) < 60


def test_the_report_the_figures_and_the_export_of_such_a_study_work(tmp_path):
    search(tmp_path / "s")
    fastnet.write_report(tmp_path / "s")
    assert "accuracy" in (tmp_path / "s" / "report.html").read_text(encoding="utf-8")
    with fastnet.Study.read(tmp_path / "s") as study:
        assert study.plot_slices().data and study._repr_html_()
        with (tmp_path / "journal.log").open("wb") as journal:
            fastnet.write_journal(study, journal)
    assert (tmp_path / "journal.log").stat().st_size > 1000


def test_a_folder_with_files_is_refused_before_anything_is_trained(tmp_path):
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(StudyError, match=r"there are files already; give a new folder$"):
        search(tmp_path)
    assert (tmp_path / "notes").read_text() == "mine"


def test_configurations_that_train_one_by_one_leave_nothing_to_keep(tmp_path):
    x, y = load_iris(return_X_y=True)
    network = FastNetClassifier((4,), max_iter=3, learning_rate="cosine", warm_start=True, random_state=0)
    made = FastNetSearchCV(network, {"alpha": [1e-4]}, n_iter=1, cv=2, study=tmp_path / "s")
    with pytest.raises(StudyError, match=r"no configuration was trained together with others"):
        made.fit(x, y)
