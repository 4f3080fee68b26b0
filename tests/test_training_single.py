"""One network: the reference's course, the same bits on any threads, stopping, and what is kept at the end."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from buffers import Buffers
from cases import COURSES, LARGE_LAYER, NETWORKS, blobs, course_of
from runs import STOPPED, course_config, course_data, course_samples, curves_of, follow, prepared, run_pack

import fastnet
from fastnet.config.training import TrainConfig
from fastnet.data import Dataset, as_dataset, take_first
from fastnet.errors import ConfigError, FastnetError
from fastnet.kernels import affine, layout
from fastnet.model import classifier
from fastnet.network.assembly import assemble
from fastnet.network.samples import TrainingData
from fastnet.training import loop, single
from fastnet.training.loop import Fit
from fastnet.training.single import Training, train

TOLERANCE = 1e-5
"""Of parameters after a few epochs, as a share of the largest of their layer, float32 against float64; measured: below
1e-6 for every course of the table."""


def parameters_of(training: Training) -> tuple[list[np.ndarray], list[np.ndarray]]:
    return layout.unpack_parameters(training.assembly.layout.table, training.work.params[0])


def trained(config: TrainConfig, data: TrainingData, threads: int = 1, stream: int = 0) -> Training:
    training = Training(config, data, threads, stream)
    training.start()
    training.join()
    assert training.epochs_done == config.epochs
    return training


def bits_of(training: Training) -> bytes:
    """Curves in float64, parameters and optimizer states."""
    return training.curves.tobytes() + training.work.params.tobytes()


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.name)
def test_parameters_are_the_references(course, monkeypatch):
    buffers = Buffers()  # everything that a run allocates lies between canaries
    monkeypatch.setattr(layout, "aligned", lambda shape, dtype=np.float32: buffers.zeros(shape, dtype))
    dataset, parts = course_data(course)
    config = course_config(course, epochs=3)
    training = trained(config, course_samples(course), stream=5)
    buffers.check()
    expected = follow(dataset, parts, config, 5, course)
    weights, biases = parameters_of(training)
    for actual, right in zip(weights + biases, expected.weights + expected.biases, strict=True):
        np.testing.assert_allclose(actual, right, rtol=0, atol=TOLERANCE * max(1.0, np.abs(right).max()))
    off = 0.03 if course.objective == "cross-entropy" else 0.0  # one sample of an accuracy
    right = training.data.in_units(curves_of(expected))
    np.testing.assert_allclose(training.curves[0], right, rtol=TOLERANCE, atol=off)
    np.testing.assert_allclose(training.curves[0, 0], expected.train_loss, rtol=TOLERANCE)
    np.testing.assert_allclose(training.curves[0, 2], expected.validation_loss, rtol=TOLERANCE)


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.name)
def test_the_padding_of_the_parameters_stays_zero(course):
    training = trained(course_config(course, epochs=3), course_samples(course))
    inside = np.zeros(training.work.params.shape[1], np.float32)
    ones = [[np.ones_like(a) for a in arrays] for arrays in parameters_of(training)]
    layout.pack_parameters(training.assembly.layout.table, *ones, inside)
    assert (training.work.params[:, inside == 0] == 0).all()


BEGINNINGS = (
    *(("one hidden layer", "sgd", 10), ("three hidden layers", "momentum", 7), ("three hidden layers", "adam", 9)),
    *(("one hidden layer", "nesterov", 9), ("narrow waist", "adamw", 12), ("three hidden layers", "sgd", 8)),
)
WITHOUT_DROPOUT = [course for course in COURSES if course.activation != "relu" and not course.dropout]
NUMBERS = [course for course in COURSES if course.objective != "cross-entropy"]


@pytest.mark.parametrize(
    "course", [*(course_of(*each) for each in BEGINNINGS), *WITHOUT_DROPOUT, *NUMBERS], ids=lambda course: course.name
)
def test_a_training_is_the_trial_of_a_pack(course):
    data, config = course_samples(course), course_config(course, epochs=4)
    pack = run_pack(data, config, [9, 4])
    assert trained(config, data, stream=4).curves[0].astype(np.float32).tobytes() == pack.curves[1].tobytes()
    assert trained(config, data, 2, stream=4).curves[0].astype(np.float32).tobytes() == pack.curves[1].tobytes()


LARGE = TrainConfig(hidden=(197, 211), learning_rate=0.05, dropout=0.2, batch_size=130, epochs=2, seed=4)


@pytest.fixture(scope="module")
def large_images() -> Dataset:
    return take_first(fastnet.load("mnist5k"), 400)


SCHEDULED = {"schedule": "cosine", "warmup_epochs": 0.5, "label_smoothing": 0.1}


@pytest.mark.parametrize(
    ("optimizer", "more"),
    [
        *(("sgd", {}), ("adamw", {}), ("sgd", SCHEDULED), ("nesterov", SCHEDULED), ("adagrad", {})),
        ("rmsprop", SCHEDULED | {"learning_rate": 0.002}),
    ],
)
@pytest.mark.parametrize("skip_zeros", [True, False])
def test_two_threads_give_the_bits_of_one(large_images, optimizer, more, skip_zeros):
    config = replace(LARGE, **{"optimizer": optimizer, "weight_decay": 1e-3} | more)
    data = prepared(large_images, skip_zeros=skip_zeros)
    sizes = config.network(784, 10).sizes
    divided = [2 * config.batch_size * a * b >= affine.PARALLEL_FLOPS for a, b in pairwise(sizes)]
    assert divided == [True, True, False], "the test no longer reaches the divided and the undivided products"
    assert (config.batch_size, *config.hidden) == LARGE_LAYER
    one, two = (trained(config, data, threads) for threads in (1, 2))
    assert one.assembly.net.stages.tolist() != two.assembly.net.stages.tolist(), "both runs took the same stages"
    assert bits_of(one) == bits_of(two)
    if optimizer == "sgd":
        assert two.curves[0].astype(np.float32).tobytes() == run_pack(data, config, [0]).curves[0].tobytes()


@pytest.mark.parametrize("activation", ["leaky-relu", "logistic"])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_two_threads_give_the_bits_of_one_with_any_activation(large_images, activation, dropout):
    config, data = replace(LARGE, activation=activation, dropout=dropout), prepared(large_images)
    one, two = (trained(config, data, threads) for threads in (1, 2))
    assert one.assembly.net.stages.tolist() != two.assembly.net.stages.tolist(), "both runs took the same stages"
    assert not one.assembly.net.hidden_lists and bits_of(one) == bits_of(two)
    assert two.curves[0].astype(np.float32).tobytes() == run_pack(data, config, [0]).curves[0].tobytes()


def test_skipping_zeros_changes_no_bit(large_images):
    listed, dense = (trained(LARGE, prepared(large_images, skip_zeros=skip)) for skip in (True, False))
    assert bits_of(listed) == bits_of(dense)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_listing_the_active_outputs_changes_no_bit(monkeypatch, optimizer, dropout):
    network = NETWORKS["wide layers"]
    config = TrainConfig(hidden=network.hidden, optimizer=optimizer, learning_rate=0.02, dropout=dropout, epochs=3)
    data = prepared(blobs(network, 64))
    listed = trained(config, data)
    assert listed.assembly.net.hidden_lists and listed.work.listed[:3].any(), "no list was used"
    monkeypatch.setattr(single, "assemble", partial(assemble, skip_zeros=False))
    dense = trained(config, data)
    assert not dense.assembly.net.hidden_lists and not dense.work.listed.any()
    assert bits_of(listed) == bits_of(dense)


@pytest.mark.parametrize("schedule", ["step", "cosine"])
def test_a_schedule_belongs_to_the_training_not_to_the_epochs_trained_so_far(schedule):
    config = TrainConfig(
        hidden=(8,), learning_rate=0.1, schedule=schedule, warmup_epochs=1.5, step_epochs=3, batch_size=10, epochs=8
    )
    dataset = blobs(NETWORKS["one hidden layer"], 90)
    whole = trained(config, prepared(dataset))
    part = Training(config, prepared(dataset), 1)
    part.start(end=4)
    part.join()
    first = part.curves[0, 0, :4]
    assert np.isnan(part.curves[0, 0, 4:]).all() and first.tolist() == whole.curves[0, 0, :4].tolist()
    shorter = trained(replace(config, epochs=4), prepared(dataset))
    same = (shorter.curves[0, 0] == first).tolist()
    assert same == [True] * 4 if schedule == "step" else same == [True] + [False] * 3


def test_the_best_epochs_accuracy_and_validation_loss_know_nothing_of_smoothing():
    dataset = blobs(NETWORKS["one hidden layer"], 90)
    config = TrainConfig(hidden=(8,), learning_rate=0.1, label_smoothing=0.3, batch_size=10, epochs=30)
    result = train(dataset, config, jobs=1)
    parts = fastnet.split(dataset.y)
    score = result.model.score(dataset.x[parts.validation], dataset.y[parts.validation])
    assert score.loss == pytest.approx(result.curves.validation_loss[result.best_epoch - 1], rel=1e-5)
    # The entropy of a target of 4 classes, the least that the loss of the smoothed targets can be.
    least = -(0.775 * np.log(0.775) + 3 * 0.075 * np.log(0.075))
    assert result.curves.validation_loss[-1] < least < result.curves.train_loss[-1]


GOLDEN = (
    *("0x1.76330c76083d2p+0", "0x1.6aa495e949906p+0", "0x1.5844bea19ae3ap+0", "0x1.5e24fdd492f83p+0"),
    *("0x1.585660971ec17p+0", "0x1.4e8693ca545ebp+0", "0x1.4d0524e13c7d0p+0", "0x1.4a16fbe876b62p+0"),
    *("0x1.44731d5e495c2p+0", "0x1.4b9503de73a96p+0", "0x1.49ef60d90fc66p+0", "0x1.482faca2d8f12p+0"),
    *("0x1.539175c5a469dp+0", "0x1.45a96a3cbe176p+0", "0x1.3e15a52ac6c5bp+0", "0x1.332d6177c908cp+0"),
    *("0x1.3be262e78cd7dp+0", "0x1.42907d34a2f8dp+0", "0x1.3b63b65fc6eddp+0", "0x1.39c1fddcd1402p+0"),
)
"""Training losses of 20 epochs, exact: the same on every machine and in every later version, or the change is one that
CHANGELOG.md has to name, for it makes every stored study irreproducible."""


def test_twenty_losses_are_what_they_always_were():
    config = TrainConfig(
        hidden=(24, 13), optimizer="momentum", learning_rate=0.01, weight_decay=1e-3, dropout=0.2, batch_size=16,
        epochs=20, seed=2023,
    )  # fmt: skip
    dataset = blobs(NETWORKS["one hidden layer"], 100, filled=0.4)
    losses = trained(config, prepared(dataset)).curves[0, 0].tolist()
    assert tuple(loss.hex() for loss in losses) == GOLDEN, "to accept these:\n" + " ".join(
        loss.hex() for loss in losses
    )
    np.testing.assert_allclose(losses, follow(dataset, fastnet.split(dataset.y), config).train_loss, rtol=TOLERANCE)


def test_early_stopping_waits_for_a_better_epoch_and_keeps_the_best():
    dataset = blobs(NETWORKS["one hidden layer"], 90)
    seen = []
    config = TrainConfig(hidden=(8,), learning_rate=0.05, batch_size=10, epochs=200, early_stopping=3)
    result = train(dataset, config, jobs=1, on_epoch=seen.append)
    score = result.curves.validation_score
    assert result.best_epoch == 1 + int(np.argmax(score)) == result.epochs_done - 3
    assert 4 < result.epochs_done < 200 and len(score) == result.epochs_done == len(seen)
    assert [epoch.epoch for epoch in seen] == list(range(1, result.epochs_done + 1))
    longer = train(dataset, replace(config, early_stopping=None, epochs=result.epochs_done), jobs=1)
    assert curves_of(longer.curves).tobytes() == curves_of(result.curves).tobytes()


def test_early_stopping_counts_from_the_first_epoch():
    config = TrainConfig(hidden=(8,), learning_rate=1e-30, early_stopping=4)
    result = train(blobs(NETWORKS["one hidden layer"], 60), config, jobs=1)
    assert (result.best_epoch, result.epochs_done) == (1, 5)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("dropout_scaling", ["inverted", "test-time"])
def test_the_best_epochs_weights_are_restored(activation, dropout, dropout_scaling):
    dataset = blobs(NETWORKS["three hidden layers"], 150, filled=0.7)
    parts = fastnet.split(dataset.y, seed=3)
    config = TrainConfig(
        hidden=(16, 9), activation=activation, learning_rate=0.3, batch_size=8, epochs=20, dropout=dropout,
        dropout_scaling=dropout_scaling,
    )  # fmt: skip
    result = train(dataset, config, split=parts, jobs=1)
    best = result.best_epoch - 1
    assert 0 < best < config.epochs - 1, "the best epoch should not be the last one"
    score = result.model.score(dataset.x[parts.validation], dataset.y[parts.validation])
    assert np.float32(score.value) == result.curves.validation_score.max()
    assert score.loss == pytest.approx(result.curves.validation_loss[best], rel=1e-5)
    assert result.model.metrics["validation_accuracy"] == pytest.approx(score.value)
    assert result.model.metrics["best_epoch"] == result.best_epoch
    train_score = result.model.score(dataset.x[parts.train], dataset.y[parts.train])
    assert np.float32(train_score.value) == result.curves.train_score[best]
    assert train_score.value == result.model.metrics["train_accuracy"]


def test_the_test_set_is_used_once_at_the_end_and_only_for_the_result(monkeypatch):
    dataset = blobs(NETWORKS["one hidden layer"], 80)
    other = as_dataset(dataset.x, dataset.y, x_test=dataset.x_test[:5][::-1], y_test=dataset.y_test[:5])
    without = as_dataset(dataset.x, dataset.y)
    calls, events = [], []
    score = classifier.Model._measure

    def counted(self, x, y, weights):
        events.append("test")
        calls.append((x is dataset.x_test, y is dataset.y_test))
        return score(self, x, y, weights)

    monkeypatch.setattr(classifier.Model, "_measure", counted)
    config = TrainConfig(hidden=(8,), learning_rate=0.1, epochs=3)
    result = train(dataset, config, jobs=1, on_epoch=lambda epoch: events.append("epoch"))
    assert events == ["epoch"] * 3 + ["test"] and calls == [(True, True)]
    monkeypatch.undo()
    right = result.model.score(dataset.x_test, dataset.y_test)
    assert result.test == right
    assert result.model.metrics["test_accuracy"] == right.value
    for changed in (train(other, config, jobs=1), train(without, config, jobs=1)):
        assert curves_of(changed.curves).tobytes() == curves_of(result.curves).tobytes()
        assert all((a == b).all() for a, b in zip(changed.model.weights, result.model.weights, strict=True))
    assert changed.test is None and "test_accuracy" not in changed.model.metrics


def slow_training(monkeypatch) -> tuple[Dataset, TrainConfig]:
    """A network whose epochs take about a third of a second, looked at every few milliseconds."""
    monkeypatch.setattr(loop, "POLL_SECONDS", 0.005)
    return fastnet.load("mnist5k"), TrainConfig(hidden=(256, 256), batch_size=2, epochs=50)


def test_a_stop_ends_training_mid_epoch_and_keeps_what_is_done(monkeypatch):
    dataset, config = slow_training(monkeypatch)
    seen, asked = [], []
    training = Training(config, prepared(dataset), 1)
    fit = Fit(training, config)

    def should_stop() -> bool:
        if seen and training.parameters().tobytes() != fit.best[0].tobytes():  # well into epoch 2
            asked.append(time.perf_counter())
        return bool(asked)

    fit.train(seen.append, should_stop)
    assert time.perf_counter() - asked[0] < 2.0
    assert training.status == [STOPPED] and fit.interrupted
    assert training.epochs_done == fit.epochs_done[0] == len(seen) == fit.best_epoch[0] == 1
    first = trained(replace(config, epochs=1), prepared(dataset))
    assert fit.best[0].tobytes() == first.parameters().tobytes()


def test_a_stop_is_heard_where_epochs_are_shorter_than_the_time_between_two_looks():
    seen = []
    dataset = take_first(fastnet.load("mnist5k"), 100)
    result = train(
        dataset,
        TrainConfig(hidden=(8,), epochs=2000),
        on_epoch=seen.append,
        should_stop=lambda: len(seen) >= 3,
    )
    assert result.epochs_done == len(seen) == 3


def test_a_stop_before_the_first_epoch_ends_is_an_interrupt(monkeypatch):
    dataset, config = slow_training(monkeypatch)
    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        Fit(Training(config, prepared(dataset), 2), config).train(should_stop=lambda: True)
    assert time.perf_counter() - began < 10


def test_an_error_in_a_callback_ends_training_and_leaves_the_next_one_free(monkeypatch):
    dataset, config = slow_training(monkeypatch)

    def fail() -> bool:
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        Fit(Training(config, prepared(dataset), 1), config).train(should_stop=fail)
    began = time.perf_counter()
    train(blobs(NETWORKS["width one"], 40), TrainConfig(hidden=(1,), epochs=1), jobs=1)
    assert time.perf_counter() - began < 5


def test_divergence_in_the_first_epoch_is_one_sentence():
    dataset = blobs(NETWORKS["three hidden layers"], 100)
    with pytest.raises(FastnetError, match=r"^learning_rate=1000: .*try a tenth of it$"):
        train(dataset, TrainConfig(hidden=(16, 9), learning_rate=1e3, batch_size=10, epochs=3), jobs=1)


def test_divergence_later_keeps_the_best_epoch():
    dataset = blobs(NETWORKS["three hidden layers"], 100)
    # learning_rate * weight_decay above 2: every step turns the weights round and makes them larger.
    config = TrainConfig(hidden=(16, 9), learning_rate=0.1, weight_decay=20.5, batch_size=10, epochs=50)
    result = train(dataset, config, jobs=1)
    assert result.diverged and 1 <= result.best_epoch <= result.epochs_done < 50
    assert np.isfinite(curves_of(result.curves)).all()
    assert all(np.isfinite(w).all() for w in result.model.weights)


@pytest.mark.parametrize("jobs", [0, -3, 2.0, True])
def test_an_impossible_number_of_threads_is_refused(tiny_dataset, jobs):
    with pytest.raises(ConfigError, match=r"jobs=.*must be a whole number from 1 to 4096"):
        train(tiny_dataset, TrainConfig(hidden=(4,), epochs=1), jobs=jobs)


def test_train_takes_what_search_takes(tmp_path: Path) -> None:
    x, y = np.random.Philox(key=1).random_raw(120).reshape(40, 3) % 97 / 97.0, np.arange(40) % 2
    config = fastnet.TrainConfig(hidden=(), epochs=1)
    whole = fastnet.train(fastnet.as_dataset(x, y), config)
    for data in ((x, y), (x.tolist(), [str(label) for label in y])):
        assert fastnet.train(data, config).curves.train_loss.tobytes() == whole.curves.train_loss.tobytes()
    np.savez(tmp_path / "d.npz", x=x, y=y)
    assert fastnet.train(tmp_path / "d.npz", config).epochs_done == 1
    assert fastnet.train(str(tmp_path / "d.npz"), config).epochs_done == 1
    assert len(fastnet.train_ensemble((x, y), config, networks=2).ensemble.members) == 2
    assert fastnet.train("digits", config).test is not None
    for wrong in ({"epochs": 1}, fastnet.SearchConfig(), "adam"):
        with pytest.raises(ConfigError, match=r"give a fastnet\.TrainConfig"):
            fastnet.train((x, y), wrong)
    with pytest.raises(ConfigError, match="dataset is a int: give a Dataset"):
        fastnet.train(3)
