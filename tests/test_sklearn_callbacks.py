"""The callbacks of scikit-learn, from 1.9 on."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnet.sklearn import FastNetClassifier
from fastnet.sklearn.callbacks import EpochTasks

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)


class Recorder:
    """Notes the tasks, and ends the training after some epochs."""

    def __init__(self, stop_after=None):
        self.stop_after, self.begun, self.ended, self.scores, self.hooks = stop_after, [], [], [], []

    def setup(self, estimator, context):
        self.hooks.append("setup")

    def teardown(self, estimator, context):
        self.hooks.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.begun.append((context.task_name, context.task_id, X is not None))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.ended.append((context.task_name, context.task_id))
        if fitted_estimator is not None:
            self.scores.append(fitted_estimator.score(X, y))
        return context.task_name == "epoch" and self.stop_after == context.task_id + 1


def network(**parameters):
    return FastNetClassifier((16,), **{"max_iter": 6, "learning_rate_init": 0.05, "random_state": 0} | parameters)


def test_each_epoch_is_a_task_with_an_estimator_that_answers():
    recorder = Recorder()
    fitted = network().set_callbacks(recorder).fit(X, Y)
    assert recorder.begun == [("fit", 0, True), *(("epoch", number, True) for number in range(6))]
    assert recorder.ended == [*(("epoch", number) for number in range(6)), ("fit", 0)]
    assert len(recorder.scores) == 7 and recorder.scores[-1] == recorder.scores[-2] == fitted.score(X, Y)
    assert recorder.hooks == ["setup", "teardown"]
    assert fitted.coefs_[0].tobytes() == network().fit(X, Y).coefs_[0].tobytes()


def test_a_callback_ends_the_training():
    recorder = Recorder(stop_after=2)
    fitted = network().set_callbacks(recorder).fit(X, Y)
    assert fitted.n_iter_ == 2 and recorder.ended[-1] == ("fit", 0)


def test_an_epoch_that_never_runs_ends_its_task():
    recorder = Recorder()
    fitted = network(max_iter=100, tol=10.0, n_iter_no_change=2).set_callbacks(recorder).fit(X, Y)
    assert fitted.n_iter_ == 4 and len(recorder.begun) == len(recorder.ended) == 6


def test_those_of_scikit_learn_work_in_a_pipeline(capsys):
    monitor = callback.ScoringMonitor(scoring="accuracy")
    fitted = make_pipeline(StandardScaler(), network().set_callbacks(monitor)).fit(X, Y)
    assert fitted.score(X, Y) > 0.5
    network().set_callbacks(callback.ProgressBar()).fit(X, Y)
    assert "FastNetClassifier" in capsys.readouterr().out


def test_hooks_follow_one_network():
    with pytest.raises(ValueError, match="n_networks=2: callbacks follow one network"):
        network(n_networks=2).set_callbacks(Recorder()).fit(X, Y)


def test_without_callbacks_nothing_is_called():
    estimator = network()
    assert not EpochTasks(estimator, X, Y, {}, lambda model: {}).wanted
    assert np.isfinite(estimator.fit(X, Y).loss_)
