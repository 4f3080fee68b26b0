"""The results of a pack: the reference's curves, and the same bits however the trials are divided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from buffers import Buffers
from cases import ACTIVATIONS, COURSES, NETWORKS, blobs, course_of
from runs import (
    DONE,
    course_config,
    course_data,
    course_samples,
    curves_of,
    follow,
    prepared,
    run_pack,
)

from fastnet.config.training import TrainConfig
from fastnet.kernels import layout, update
from fastnet.network.assembly import n_threads_limit
from fastnet.reference.schedule import rate_factor
from fastnet.training.pack import Member, PackRun

TOLERANCE = 1e-5
"""Of losses after a few epochs, float32 against float64; measured: below 2e-7 for every course of the table."""

STREAMS = np.array([3, 0, 41, 7, 2**32 - 1, 8, 19])

HYPER = {
    "learning_rate": np.array([0.1, 0.01, 0.3, 0.03, 1e-4, 0.05, 0.02]),
    "weight_decay": np.array([0.0, 1e-4, 1e-2, 1e-3, 0.1, 1e-8, 1e-5]),
    "dropout": np.array([0.0, 0.5, 0.1, 0.0, 0.9, 0.25, 0.3]),
}

MORE = {
    "sgd": {},
    "momentum": {"momentum": np.array([0.0, 0.5, 0.9, 0.99, 0.1, 0.3, 0.8])},
    "nesterov": {"momentum": np.array([0.0, 0.5, 0.9, 0.99, 0.1, 0.3, 0.8])},
    "adagrad": {"epsilon": np.geomspace(1e-8, 1e-2, 7)},
    "rmsprop": {"rho": np.linspace(0.9, 0.99, 7), "learning_rate": np.geomspace(1e-4, 1e-2, 7)},
    "adam": {"beta1": np.linspace(0.5, 0.9, 7), "beta2": np.linspace(0.9, 0.999, 7)},
    "adamw": {"beta1": np.linspace(0.9, 0.5, 7), "relative_rate": np.array([0.0, 1.0, 20.0, 0.1, 0.0, 5.0, 3.0])},
}

SCHEDULES = [
    {}, {"schedule": "cosine"}, {"schedule": "step", "step_epochs": 1}, {"warmup_epochs": 1.5},
    {"schedule": "cosine", "warmup_epochs": 2}, {"schedule": "step", "step_factor": 0.5, "step_epochs": 2},
    {"label_smoothing": 0.1}, {"schedule": "cosine", "label_smoothing": 0.3, "dropout": 0.2},
]  # fmt: skip


WEIGHTED = [course for course in COURSES if course.weighted]


def some(hyper: dict[str, np.ndarray], positions) -> dict[str, np.ndarray]:
    return {name: values[positions] for name, values in hyper.items()}


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.name)
def test_curves_are_the_references(course, monkeypatch):
    buffers = Buffers()  # everything that a pack allocates for its threads lies between canaries
    monkeypatch.setattr(layout, "aligned", lambda shape, dtype=np.float32: buffers.zeros(shape, dtype))
    dataset, parts = course_data(course)
    config = course_config(course, epochs=3)
    data = course_samples(course)
    assert data.sparse == (course.filled <= 0.3)
    pack = run_pack(data, config, [5, 2**32 - 1], jobs=2)
    buffers.check()
    assert pack.status.tolist() == [DONE, DONE]
    assert (pack.seconds > 0).all() and pack.compiled_seconds > 0
    for stream, actual in zip([5, 2**32 - 1], pack.curves, strict=True):
        expected = data.in_units(curves_of(follow(dataset, parts, config, stream, course)))
        np.testing.assert_allclose(actual[[0, 2]], expected[[0, 2]], rtol=TOLERANCE)
        if course.objective != "cross-entropy":
            np.testing.assert_allclose(actual[[1, 3]], expected[[1, 3]], rtol=TOLERANCE)
            continue
        # An accuracy may differ by the one sample whose two largest logits float32 cannot tell apart.
        np.testing.assert_allclose(actual[1], expected[1], atol=1.01 / len(parts.train))
        np.testing.assert_allclose(actual[3], expected[3], atol=1.01 / len(parts.validation))


def test_a_wrong_course_is_rejected():
    course = course_of("one hidden layer", "sgd", 10)
    dataset, parts = course_data(course)
    config = course_config(course, epochs=3)
    right = curves_of(follow(dataset, parts, config))
    for wrong in ({"weight_decay": 0.0}, {"dropout": 0.2}, {"seed": 3}, {"learning_rate": 0.0501}, {"batch_size": 9}):
        changed = curves_of(follow(dataset, parts, TrainConfig(**{**settings_of(config), **wrong})))
        assert (np.abs(changed[0] / right[0] - 1) > 2 * TOLERANCE).any(), wrong


def settings_of(config: TrainConfig) -> dict:
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


@pytest.mark.parametrize("optimizer", MORE)
def test_a_trial_is_the_same_bits_in_any_pack_order_and_number_of_threads(images, optimizer):
    assert n_threads_limit() >= 2
    config = TrainConfig(hidden=(20, 13), optimizer=optimizer, batch_size=33, epochs=3, seed=77)
    hyper = HYPER | MORE[optimizer]
    whole = run_pack(images, config, STREAMS, hyper)
    expected = whole.curves.tobytes()
    assert (whole.status == DONE).sum() >= 5 and np.isfinite(whole.curves[whole.status == DONE]).all()
    alone = [run_pack(images, config, STREAMS[i : i + 1], some(hyper, slice(i, i + 1))).curves for i in range(7)]
    assert np.concatenate(alone).tobytes() == expected, "one by one"
    assert run_pack(images, config, STREAMS, hyper, jobs=2).curves.tobytes() == expected, "two threads"
    for size in (2, 3, 5):
        cuts = [slice(begin, begin + size) for begin in range(0, 7, size)]
        parts = [run_pack(images, config, STREAMS[cut], some(hyper, cut), jobs=2).curves for cut in cuts]
        assert np.concatenate(parts).tobytes() == expected, f"packs of {size}"
    order = np.array([4, 2, 6, 0, 5, 3, 1])
    shuffled = run_pack(images, config, STREAMS[order], some(hyper, order), jobs=2)
    assert shuffled.curves[np.argsort(order)].tobytes() == expected, "shuffled"
    assert shuffled.status[np.argsort(order)].tolist() == whole.status.tolist()


def test_trials_differ_by_stream_by_seed_and_by_every_hyperparameter(images):
    config = TrainConfig(
        hidden=(20,), optimizer="adam", learning_rate=0.01, weight_decay=1e-3, dropout=0.2, epochs=2, schedule="step",
        step_epochs=1,
    )  # fmt: skip
    other = {
        "learning_rate": 0.011, "weight_decay": 1e-2, "dropout": 0.21, "beta1": 0.89, "beta2": 0.99, "epsilon": 1e-3,
        "label_smoothing": 0.1, "warmup_epochs": 1.5, "step_factor": 0.2, "step_epochs": 2, "relative_rate": 1.0,
    }  # fmt: skip
    columns = {name: [getattr(config, name)] * (2 + len(other)) for name in other}
    for position, (name, value) in enumerate(other.items(), start=2):
        columns[name][position] = value
    seen = [curve.tobytes() for curve in run_pack(images, config, [0, 1] + [0] * len(other), columns).curves]
    assert len(set(seen)) == 2 + len(other)
    reseeded = TrainConfig(**{**settings_of(config), "seed": 2**32})  # its high half is the key's other word
    assert run_pack(images, reseeded, [0]).curves[0].tobytes() not in seen
    assert run_pack(images, config, [0]).curves[0].tobytes() == seen[0], "settings that are not searched"


def test_trials_of_every_activation_share_a_pack_and_are_the_bits_of_one_alone(images):
    config = TrainConfig(hidden=(20, 13), learning_rate=0.05, batch_size=33, epochs=3)
    configs = [
        replace(config, activation=name, init=None, dropout=dropout)
        for name in ("relu", *ACTIVATIONS)
        for dropout in (0.0, 0.3)
    ]
    members = [Member(images, each, stream) for stream, each in enumerate(configs)]
    runs = [PackRun(some, jobs) for some, jobs in ((members, 1), (members[::-1], 2), *(([m], 1) for m in members))]
    for run in runs:
        run.start()
        run.join()
    whole, backwards, *alone = (run.curves for run in runs)
    assert (runs[0].status == DONE).all() and len({curve.tobytes() for curve in whole}) == len(members)
    assert backwards[::-1].tobytes() == whole.tobytes() == np.concatenate(alone).tobytes()


@pytest.mark.parametrize("course", WEIGHTED, ids=lambda course: course.name)
def test_weighted_trials_of_every_objective_are_the_same_bits_in_any_pack(course):
    data, config = course_samples(course), course_config(course, epochs=4)
    rates = [config.learning_rate * factor for factor in (1.0, 0.1, 0.5, 0.3, 1.5)]
    members = [Member(data, replace(config, learning_rate=rate), stream) for stream, rate in enumerate(rates)]
    alone = [finished(PackRun([member], 1)).curves[0].tobytes() for member in members]
    assert len(set(alone)) == len(members)
    for jobs in (1, 2):
        for some_members, expected in ((members, alone), (members[::-1], alone[::-1]), (members[1:3], alone[1:3])):
            for ends in ([4], [1, 3, 4]):  # in one go, and with pauses as in successive halving
                curves = finished(PackRun(some_members, jobs), ends).curves
                assert [curve.tobytes() for curve in curves] == expected, (jobs, ends)


def finished(run: PackRun, ends: Sequence[int] = (4,)) -> PackRun:
    for end in ends:
        run.start(end=end)
        run.join()
    assert (run.status == DONE).all()
    return run


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adamw"])
def test_trials_of_one_pack_may_differ_by_schedule_and_smoothing(images, optimizer):
    rate = 0.05 if optimizer == "sgd" else 2e-3
    config = TrainConfig(
        hidden=(20, 13), optimizer=optimizer, learning_rate=rate, weight_decay=1e-3, batch_size=33, epochs=4
    )
    configs = [replace(config, **schedule) for schedule in SCHEDULES]
    alone = [run_pack(images, one, [5]).curves[0].tobytes() for one in configs]
    assert len(set(alone)) == len(SCHEDULES)
    for jobs in (1, 2):
        members = [Member(images, one, 5) for one in configs]
        assert len({member.kind for member in members}) == 1
        for ends in ([4], [1, 3, 4]):  # in one go, and with pauses as in successive halving
            pack = PackRun(members, jobs)
            for end in ends:
                pack.start(end=end)
                pack.join()
            assert [curves.tobytes() for curves in pack.curves] == alone, (jobs, ends)


@pytest.mark.parametrize(
    "schedule", [{"schedule": "cosine"}, {"schedule": "step", "step_epochs": 1}, {"warmup_epochs": 3}]
)
def test_skipping_idle_weights_changes_no_bit_where_a_schedule_moves_the_limit(schedule):
    dataset = blobs(NETWORKS["three hidden layers"], 83, filled=0.05)
    limit = update.IDLE_LIMIT
    config = TrainConfig(
        hidden=(20, 11), learning_rate=0.05, weight_decay=40 * limit, batch_size=9, epochs=5, **schedule
    )
    data, dense = prepared(dataset), prepared(dataset, skip_zeros=False)
    n_steps = -(-data.n_train // 9)
    factors = [rate_factor(step, n_steps, 5, **{"schedule": "constant"} | schedule) for step in range(5 * n_steps)]
    idle = {config.learning_rate * config.weight_decay * factor < limit for factor in factors}
    assert idle == {True, False}, "the rate does not cross the limit"
    assert run_pack(data, config, [0, 1]).curves.tobytes() == run_pack(dense, config, [0, 1]).curves.tobytes()


@pytest.mark.parametrize("filled", [0.02, 0.2, 0.5, 1.0])
def test_skipping_zeros_changes_no_bit(filled):
    dataset = blobs(NETWORKS["three hidden layers"], 83, filled=filled)
    config = TrainConfig(hidden=(20, 11), optimizer="momentum", learning_rate=0.02, batch_size=9, dropout=0.3, epochs=3)
    data, dense = prepared(dataset), prepared(dataset, skip_zeros=False)
    assert data.sparse == (filled <= 0.5) and not dense.sparse
    expected = run_pack(dense, config, [0, 1]).curves
    assert run_pack(data, config, [0, 1]).curves.tobytes() == expected.tobytes()


@pytest.mark.parametrize("scaling", ["inverted", "test-time"])
def test_dropout_may_differ_between_layers(scaling):
    dataset, parts = course_data(COURSES[0])
    config = TrainConfig(
        hidden=(9, 20, 7), dropout=(0.5, 0.0, 0.25), dropout_scaling=scaling, batch_size=10, epochs=3,
        learning_rate=0.05,
    )  # fmt: skip
    [actual] = run_pack(prepared(dataset, parts), config, [4]).curves
    expected = curves_of(follow(dataset, parts, config, 4))
    np.testing.assert_allclose(actual[[0, 2]], expected[[0, 2]], rtol=TOLERANCE)
    for wrong in ((0.25, 0.0, 0.5), (0.5, 0.25, 0.25), (0.5, 0.0, 0.0)):
        other = curves_of(follow(dataset, parts, replace(config, dropout=wrong), 4))
        assert (np.abs(other[0] / expected[0] - 1) > 2 * TOLERANCE).any(), wrong
    same = replace(config, dropout=(0.5,) * 3), replace(config, dropout=0.5)
    one, other = (run_pack(prepared(dataset, parts), some_config, [4]).curves.tobytes() for some_config in same)
    assert one == other
