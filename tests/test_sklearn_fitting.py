"""Training for an estimator: the same network from a pack, from threads that share products, and in steps."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import fastnet.sklearn.fitting as fitting
from fastnet import FastnetError, FastnetWarning, TrainConfig, as_dataset
from fastnet.data.splitting import Split
from fastnet.sklearn.fitting import Job, fit_networks, prepared, stopping_of
from fastnet.sklearn.given import Given

RULES = {
    "last": stopping_of("loss", "cross-entropy", 1e-3, early=False),
    "best": stopping_of("score", "cross-entropy", 1e-3, early=True),
}


@pytest.fixture(scope="module")
def given():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(300, 12))
    y = (x[:, 0] * x[:, 1] + 0.3 * generator.normal(size=300) > 0).astype(int)
    rows = np.arange(300)
    return Given(as_dataset(x, y), Split(rows[:240], rows[240:]), True)


def job_of(given, rule, **settings):
    config = TrainConfig(
        hidden=(24,), optimizer="adam", learning_rate=0.02, epochs=60, early_stopping=4, batch_size=32,
        train_score="none", **settings,
    ).resolved()  # fmt: skip
    return Job(prepared(given, config, "auto"), config, RULES[rule])


@pytest.mark.parametrize("rule", list(RULES))
def test_steps_and_shared_products_give_the_same_network(given, rule, monkeypatch):
    job = job_of(given, rule)
    whole = fit_networks(job)
    seen = []
    stepwise = fit_networks(job, lambda curves, model: seen.append(curves.shape[1]))
    monkeypatch.setattr(fitting, "worth_sharing", lambda *given: True)
    shared = fit_networks(job._replace(threads=2))
    assert 4 < whole.epochs < 60 and seen == list(range(1, whole.epochs + 1)) and whole.converged
    for other in (stepwise, shared):
        assert (other.epochs, other.best_epoch, other.converged) == (whole.epochs, whole.best_epoch, True)
        np.testing.assert_allclose(other.curves, whole.curves, rtol=1e-6)
        for ours, theirs in zip(whole.models[0].weights, other.models[0].weights, strict=True):
            assert ours.tobytes() == theirs.tobytes()
        assert other.kept.parameters.tobytes() == whole.kept.parameters.tobytes()
    assert rule == "last" or whole.best_epoch < whole.epochs


@pytest.mark.parametrize("rule", list(RULES))
def test_training_ends_where_the_curve_says(given, rule):
    job = job_of(given, rule)
    found = fit_networks(job)
    row, sign = (0, -1.0) if rule == "last" else (3, 1.0)
    best, stalled, end, best_epoch = -np.inf, 0, 60, 0
    for epoch, value in enumerate(sign * found.curves[row], 1):
        stalled = 0 if value > best + 1e-3 else stalled + 1
        best, best_epoch = (value, epoch) if value > best else (best, best_epoch)
        if stalled == 4:
            end = epoch
            break
    assert found.epochs == end
    assert rule == "last" or found.best_epoch == best_epoch


def test_several_networks_that_end_at_different_epochs_are_all_kept(given, monkeypatch):
    monkeypatch.setattr(fitting, "LOOK_SECONDS", 1e-9)  # an epoch at a time
    job = job_of(given, "last")._replace(networks=4, threads=2)
    several = fit_networks(job)
    assert len({model.metrics["epochs_done"] for model in several.models}) > 1 and len(several.models) == 4
    alone = fit_networks(job._replace(networks=1))
    assert several.models[0].weights[0].tobytes() == alone.models[0].weights[0].tobytes()


def test_going_on_with_what_was_kept_is_one_training(given):
    whole = job_of(given, "last")
    whole = whole._replace(config=TrainConfig(**{**vars_of(whole.config), "epochs": 6, "early_stopping": None}))
    first = whole._replace(config=TrainConfig(**{**vars_of(whole.config), "epochs": 4}))
    kept = fit_networks(first).kept
    second = fit_networks(whole._replace(earlier=kept, epochs_before=4))
    at_once = fit_networks(whole)
    assert second.epochs == 2 and second.models[0].weights[0].tobytes() == at_once.models[0].weights[0].tobytes()
    fresh = kept.with_fresh_optimizer()
    assert not fresh.parameters[1:].any() and kept.parameters[1:].any()


def vars_of(config):
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


def test_without_validation_no_sample_is_set_aside(given):
    rows = np.arange(300)
    weights = np.ones(300)
    weights[0] = 0.0
    data = as_dataset(given.dataset.x, given.dataset.y, weights=weights)
    ready = prepared(Given(data, Split(rows, rows), False), TrainConfig().resolved(), "raw")
    assert ready.n_train == 300 and ready.validation_rows[0] == 1, "a sample that counts"
    assert ready.pipeline.scale.tolist() == [1.0] * 12


def test_ctrl_c_keeps_the_finished_epochs(given, monkeypatch):
    def interrupted(curves, model):
        if curves.shape[1] == 3:
            raise KeyboardInterrupt

    job = job_of(given, "last")
    with pytest.warns(FastnetWarning, match="training was interrupted; the network is that of epoch 3"):
        found = fit_networks(job, interrupted)
    assert found.epochs == 3

    def at_once(*given, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "watch", at_once)
    with pytest.raises(KeyboardInterrupt):
        fit_networks(job)


def test_a_loss_that_is_not_finite_is_a_sentence(given):
    job = job_of(given, "last")
    wild = TrainConfig(**{**vars_of(job.config), "optimizer": "sgd", "learning_rate": 1e6})
    with (
        warnings.catch_warnings(),
        pytest.raises(FastnetError, match=r"learning_rate_init=1e\+06: the loss is no longer finite"),
    ):
        warnings.simplefilter("ignore")
        fit_networks(job._replace(config=wild))
