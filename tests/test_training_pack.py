"""Packs of networks: training in parts, keeping, watching and stopping them, and their memory."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from cases import NETWORKS, blobs
from runs import (
    DIVERGED,
    DONE,
    PAUSED,
    PENDING,
    STOPPED,
    TRAIN_ACCURACY,
    TRAIN_LOSS,
    VALIDATION_ACCURACY,
    prepared,
    run_pack,
)

import fastnet
from fastnet.config.training import TrainConfig
from fastnet.data import take_first
from fastnet.kernels.panels import PAIR
from fastnet.kernels.sparsity import non_zero_lists
from fastnet.network.samples import TrainingData, prepare
from fastnet.scalars import shortest
from fastnet.training.pack import Member, PackRun, alike, footprint, threads_within, warm_up
from fastnet.training.single import Training

MIXED = (
    TrainConfig(hidden=(20, 13), epochs=7, learning_rate=0.05),
    TrainConfig(hidden=(), epochs=7, learning_rate=0.1, optimizer="adam"),
    TrainConfig(hidden=(70,), epochs=7, batch_size=33, optimizer="momentum", dropout=0.3),
    TrainConfig(hidden=(5, 5, 5, 5), epochs=7, optimizer="adamw", weight_decay=0.01, dropout=(0.0, 0.1, 0.2, 0.3)),
    TrainConfig(hidden=(20, 13), epochs=7, learning_rate=0.02, init="xavier", seed=5),
)


def members_of(data: list[TrainingData]) -> list[Member]:
    return [Member(some, config, stream) for stream in (3, 2**32 - 1) for config in MIXED for some in data]


@pytest.mark.parametrize("jobs", [1, 2])
def test_architectures_and_data_may_differ_within_a_pack(images, jobs):
    dense = prepared(take_first(fastnet.load("mnist5k"), 90), skip_zeros=False)
    members = members_of([images, dense])
    together = PackRun(members, jobs)
    together.start()
    together.join()
    assert (together.status == DONE).all()
    for member, curves in zip(members, together.curves, strict=True):
        alone = run_pack(member.data, member.config, [member.stream])
        assert alone.curves[0].tobytes() == curves.tobytes()


def test_networks_of_numbers_have_the_units_of_their_own_data():
    rng = np.random.default_rng(0)
    config = TrainConfig(hidden=(6,), epochs=3, batch_size=20, objective="squared-error")
    images = blobs(NETWORKS["one hidden layer"], 60)
    rows = fastnet.split(images.y)
    made = {"task": "regression", "class_names": ("y",), "classes": np.empty(0)}
    y = rng.normal(size=(60, 1))
    small, large = (prepare(replace(images, y=scale * y, **made), rows, config) for scale in (1.0, 1000.0))
    together = PackRun([Member(data, config, 5) for data in (small, large, small)], 2)
    together.start()
    together.join()
    first, second, third = together.curves
    assert first.tobytes() == third.tobytes() == run_pack(small, config, [5]).curves[0].tobytes()
    assert second.tobytes() == run_pack(large, config, [5]).curves[0].tobytes()
    np.testing.assert_allclose(second[1::2], 1000 * first[1::2], rtol=1e-3)
    np.testing.assert_allclose(second[::2], first[::2], rtol=1e-3)


def test_the_costliest_networks_begin_first(images):
    members = [Member(images, TrainConfig(hidden=(width,), epochs=1), 0) for width in (8, 64, 16, 64, 32)]
    run = PackRun(members, jobs=1)
    run.start()
    assert run._job.order.tolist() == [1, 3, 4, 2, 0]
    run.join()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_pack_in_parts_is_the_pack_in_one(images, jobs):
    members = members_of([images])
    whole = PackRun(members, jobs)
    whole.start()
    whole.join()
    parts = PackRun(members, jobs)
    left = np.arange(len(members))
    for end, dropped in ((1, [7]), (2, []), (6, [0, 4])):
        parts.start(left, end)
        parts.join()
        assert (parts.status[left] == PAUSED).all() and (parts.epochs_done[left] == end).all()
        assert sorted(parts.finished()) == left.tolist()
        left = np.array([t for t in left if t not in dropped])
    parts.start(left)
    parts.join()
    assert (parts.status[left] == DONE).all()
    assert parts.curves[left].tobytes() == whole.curves[left].tobytes()
    for t, epochs in ((7, 1), (0, 6), (4, 6)):
        assert parts.curves[t, :, :epochs].tobytes() == whole.curves[t, :, :epochs].tobytes()
        assert np.isnan(parts.curves[t, :, epochs:]).all()
    assert not set(parts._kept) & {7, 0, 4}, "what is dropped takes no memory"


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_pack_that_keeps_hands_out_the_networks_that_are_trained_alone(jobs, optimizer):
    images = take_first(fastnet.load("mnist5k"), 150)
    parts = fastnet.split(images.y)
    data = prepare(images, parts)
    config = TrainConfig(hidden=(20, 13), optimizer=optimizer, dropout=0.2, dropout_scaling="test-time", batch_size=33,
                         epochs=3, seed=77)  # fmt: skip
    members = [Member(data, replace(config, hidden=hidden), stream) for stream in (0, 9) for hidden in ((20, 13), (8,))]
    pack = PackRun(members, jobs, keep=True)
    pack.start()
    pack.join()
    assert pack.status.tolist() == [DONE] * 4 and pack.curves.shape == (4, 4, 3) and np.isfinite(pack.curves).all()
    for t, member in enumerate(members):
        assert run_pack(data, member.config, [member.stream]).curves[0].tobytes() == pack.curves[t].tobytes()
        alone = Training(member.config, data, threads=1, stream=member.stream)
        alone.start()
        alone.join()
        assert pack.parameters(t).tobytes() == alone.parameters().tobytes()
        expected, actual = alone.model(), pack.model(t)
        assert actual.predict_proba(images.x).tobytes() == expected.predict_proba(images.x).tobytes()
        assert (actual.spec, actual.settings, actual.eval_scales) == (expected.spec, expected.settings,
                                                                      (0.8,) * len(member.config.hidden))  # fmt: skip
        score = actual.score(images.x[parts.validation], images.y[parts.validation])
        assert score.value == pytest.approx(actual.metrics["validation_accuracy"])


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
@pytest.mark.parametrize("patience", [1, 3])
def test_a_network_out_of_patience_ends_and_keeps_its_best_epoch(images, metric, patience):
    rates = np.geomspace(0.003, 0.8, 7)
    config = TrainConfig(hidden=(16,), optimizer="momentum", batch_size=10, epochs=14, early_stopping=patience, seed=5)
    members = alike(images, config, range(7), learning_rate=rates)
    whole, stopped, parts = PackRun(members, 2), *(PackRun(members, jobs, keep=True, stop_by=metric) for jobs in (1, 2))
    for run in (whole, stopped):
        run.start()
        run.join()
    for end in (2, 5, 14):
        parts.start(np.flatnonzero(np.isin(parts.status, (PENDING, PAUSED))), end)
        parts.join()
    assert parts.curves.tobytes() == stopped.curves.tobytes() and (parts.status == stopped.status).all()
    values = whole.curves[:, 3] if metric == "accuracy" else -whole.curves[:, 2]
    lengths = set()
    for t in np.flatnonzero(whole.status == DONE):
        best = next(e for e in range(14) if values[t, e] >= values[t, : min(14, e + patience + 1)].max())
        end = min(14, best + patience + 1)
        lengths.add(end)
        assert stopped.status[t] == DONE and stopped.epochs_done[t] == end
        assert stopped.curves[t, :, :end].tobytes() == whole.curves[t, :, :end].tobytes()
        assert np.isnan(stopped.curves[t, :, end:]).all()
        short = PackRun([replace(members[t], config=replace(members[t].config, epochs=best + 1))], 1, keep=True)
        short.start()
        short.join()
        assert stopped.parameters(t).tobytes() == short.parameters(0).tobytes() == parts.parameters(t).tobytes()
        found = stopped.model(t).metrics
        assert found["best_epoch"] == best + 1 and found["epochs_done"] == end
        assert found["validation_loss"] == shortest(whole.curves[t, 2, best])
    assert len(lengths) > 2, "networks end at different epochs"


def test_a_pack_that_keeps_can_be_trained_in_parts(images):
    config = TrainConfig(hidden=(20,), optimizer="momentum", epochs=4)
    whole = run_pack(images, config, range(3), keep=True)
    parts = PackRun(alike(images, config, range(3)), jobs=2, keep=True)
    parts.start(end=1)
    parts.join()
    assert parts.status.tolist() == [PAUSED] * 3 and len(parts.finished()) == 3
    early = parts.parameters(1).copy()
    parts.start(np.array([0, 2]), end=3)
    parts.join()
    parts.start(np.array([0, 2]))
    parts.join()
    assert parts.status.tolist() == [DONE, PAUSED, DONE] and sorted(parts.finished()) == [0, 2]
    for t in (0, 2):
        assert parts.parameters(t).tobytes() == whole.parameters(t).tobytes()
    assert (early != whole.parameters(1)).any() and set(parts._kept) == {0, 2}, "of the others nothing is kept"
    assert not run_pack(images, config, range(3))._kept


def test_progress_names_every_network_once(images):
    pack = PackRun(alike(images, TrainConfig(hidden=(8,), epochs=20), range(40)), jobs=2)
    assert pack.finished().size == 0 and not pack.running() and pack.compiled_seconds == 0.0
    pack.join()
    pack.start()
    seen = []
    while pack.running():
        seen.extend(pack.finished().tolist())
        time.sleep(0.001)
    seen.extend(pack.finished().tolist())
    assert sorted(seen) == list(range(40)) and pack.finished().size == 0
    assert (pack.status == DONE).all()


def test_stop_ends_within_two_seconds_and_keeps_what_is_finished(images):
    config = TrainConfig(hidden=(64, 64), batch_size=5, epochs=50)
    warm_up(config, images)
    pack = PackRun(alike(images, config, range(3000)), jobs=2)
    pack.start()
    while not (pack.status == DONE).any():
        time.sleep(0.005)
    asked = time.perf_counter()
    pack.stop()
    pack.join()
    assert time.perf_counter() - asked < 2.0
    assert not pack.running()
    counts = {int(status): int((pack.status == status).sum()) for status in np.unique(pack.status)}
    assert set(counts) <= {PENDING, DONE, STOPPED} and counts[DONE] >= 1 and 1 <= counts[STOPPED] <= 2, counts
    done, stopped, pending = ((pack.status == status) for status in (DONE, STOPPED, PENDING))
    assert np.isnan(pack.curves[pending]).all() and np.isnan(pack.curves[stopped][:, :, -1]).all()
    assert set(pack.finished()) == set(np.flatnonzero(done | stopped))
    first = np.flatnonzero(done)[:3]
    assert run_pack(images, config, first).curves.tobytes() == pack.curves[first].tobytes()
    to_the_end = run_pack(images, config, np.flatnonzero(stopped))
    for curve, expected in zip(pack.curves[stopped], to_the_end.curves, strict=True):
        finished = ~np.isnan(curve)
        assert (finished == finished[0]).all() and (curve[finished] == expected[finished]).all()


def test_a_stop_before_the_start_trains_nothing(images):
    pack = PackRun(alike(images, TrainConfig(hidden=(8,), epochs=2), range(5)), jobs=1)
    pack.stop()
    pack.start()
    pack.join()
    assert (pack.status == PENDING).all() and np.isnan(pack.curves).all()


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_divergence_is_a_status_and_leaves_the_others_alone(images, optimizer):
    config = TrainConfig(hidden=(30, 30), optimizer=optimizer, batch_size=10, epochs=4)
    rates = {"learning_rate": np.array([0.01, 1e3, 0.02, 1e6])}
    pack = run_pack(images, config, np.arange(4), rates, jobs=2)
    assert pack.status.tolist() == [DONE, DIVERGED, DONE, DIVERGED]
    assert np.isnan(pack.curves[[1, 3]]).all() and np.isfinite(pack.curves[[0, 2]]).all()
    others = run_pack(images, config, [0, 2], {name: values[[0, 2]] for name, values in rates.items()})
    assert others.curves.tobytes() == pack.curves[[0, 2]].tobytes()


def test_an_empty_pack_and_more_jobs_than_networks_are_fine(images):
    config = TrainConfig(hidden=(8,), epochs=1)
    assert warm_up(config, images) > 0
    assert run_pack(images, config, []).status.tolist() == []
    assert run_pack(images, config, [1, 2], jobs=1000).status.tolist() == [DONE, DONE]


def test_a_separable_toy_is_learnt_to_the_last_sample():
    data = prepared(blobs(NETWORKS["one hidden layer"], 200))
    pack = run_pack(data, TrainConfig(hidden=(16,), learning_rate=0.2, batch_size=20, epochs=60), range(4))
    assert (pack.curves[:, [TRAIN_ACCURACY, VALIDATION_ACCURACY], -1] == 1).all()
    assert (pack.curves[:, TRAIN_LOSS, -1] < 0.1 * pack.curves[:, TRAIN_LOSS, 0]).all()


def test_the_books_network_learns_real_images(shared_data):
    # NumPy, PyTorch and JAX give 0.77 to 0.81 and 0.90 to 0.92.
    images = take_first(fastnet.load("mnist", data_dir=shared_data / "mnist"), 500)
    pack = run_pack(prepared(images), TrainConfig(learning_rate=0.01, weight_decay=1e-8), range(8), jobs=2)
    assert 0.72 <= pack.curves[:, VALIDATION_ACCURACY, -1].mean() <= 0.86
    assert pack.curves[:, TRAIN_ACCURACY, -1].mean() > 0.88


MEMORY = [
    TrainConfig(hidden=(64, 32), epochs=3),
    TrainConfig(hidden=(8,), epochs=3, optimizer="adam"),
    TrainConfig(hidden=(), epochs=3),
]


@pytest.mark.parametrize("waiting", [False, True])
def test_memory_grows_with_threads_networks_and_those_that_wait(images, waiting):
    members = [Member(images, config, stream) for stream, config in enumerate(MEMORY * 3)]
    sizes = [footprint(members, threads, waiting=waiting) for threads in range(1, 5)]
    assert len(set(np.diff(sizes))) == 1 and sizes[0] < sizes[1], "every thread has a workspace of the same size"
    assert footprint(members[:4], 1, waiting=waiting) < sizes[0]
    assert footprint(members, 1, waiting=False) < footprint(members, 1, waiting=True)
    pack = PackRun(members, jobs=2)
    assert footprint(members, 2, waiting=waiting) > sum(array.nbytes for array in pack._works[0][0]) * 2


@pytest.mark.parametrize("threads", range(1, 6))
def test_as_many_threads_train_as_fit_into_memory(images, threads):
    members = [Member(images, config, stream) for stream, config in enumerate(MEMORY)]
    needed = footprint(members, threads, waiting=True)
    assert threads_within(members, threads, needed, waiting=True) == (threads, needed)
    assert threads_within(members, 9, needed, waiting=True) == (threads, needed)
    one = footprint(members, 1, waiting=True)
    fewer = footprint(members, threads - 1, waiting=True) if threads > 1 else one
    assert threads_within(members, threads, needed - 1, waiting=True) == (threads - 1, fewer)


@pytest.mark.parametrize("where", ["training", "validation"])
def test_a_loss_that_float32_cannot_hold_is_divergence(where):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(40, 3)).astype(np.float32), random.integers(0, 9, (40, 1)).astype(float)
    dataset = fastnet.as_dataset(x, y, task="regression")
    parts = fastnet.Split(train=np.arange(30), validation=np.arange(30, 40))
    config = TrainConfig(hidden=(8,), objective="poisson", batch_size=30, epochs=3, learning_rate=1e-12)
    data = prepare(dataset, parts, config)
    far = data.x.copy()
    far[parts.train if where == "training" else parts.validation] *= np.float32(1e4)  # e^z is 1e304 at most there
    members = [Member(replace(data, x=far), config, 0), Member(data, config, 0)]
    pack = PackRun(members, 1)
    pack.start()
    pack.join()
    assert pack.status.tolist() == [DIVERGED, DONE] and pack.epochs_done.tolist() == [0, 3]
    assert np.isnan(pack.curves[0]).all() and np.isfinite(pack.curves[1]).all()
    for member, status in zip(members, (DIVERGED, DONE), strict=True):
        alone = Training(config, member.data, 1)
        alone.start()
        alone.join()
        assert alone.status.tolist() == [status]


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_value_that_is_no_number_is_divergence_and_leaves_the_others_alone(activation, zeros):
    dataset = blobs(NETWORKS["one hidden layer"], 60, filled=0.3 if zeros else 1.0)
    config = TrainConfig(hidden=(9, 5), activation=activation, batch_size=20, epochs=3)
    data = prepared(dataset)
    assert data.sparse == zeros
    x = data.x.copy()
    x[data.train_rows[0], 3] = np.nan
    features = x[:, : data.n_inputs]
    lists = {"inputs": non_zero_lists(features, 1), "pairs": non_zero_lists(features, PAIR)} if zeros else {}
    spoilt = replace(data, x=x, **lists)
    members = [Member(some, config, stream) for stream, some in enumerate((spoilt, data, spoilt, data))]
    pack = PackRun(members, 1)
    pack.start()
    pack.join()
    assert pack.status.tolist() == [DIVERGED, DONE, DIVERGED, DONE]
    assert run_pack(data, config, [1, 3]).curves.tobytes() == pack.curves[[1, 3]].tobytes()
