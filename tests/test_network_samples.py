"""Samples prepared for the kernels: always the same types, scaled and padded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cases import NETWORKS, blobs
from layers import signatures
from runs import prepared, run_pack

import fastnet
from fastnet.config.training import TrainConfig
from fastnet.data import Split, as_dataset
from fastnet.data.pipeline.scaling import Scaler
from fastnet.kernels import host, layout, sparsity
from fastnet.network import samples
from fastnet.network.samples import pad_samples, padded_rows, prepare
from fastnet.training.loop import Fit
from fastnet.training.single import Training


def test_arrays_of_other_types_and_orders_never_reach_a_kernel():
    dataset = blobs(NETWORKS["one hidden layer"], 60)
    parts = fastnet.split(dataset.y)
    config = TrainConfig(hidden=(8,), batch_size=7, epochs=2)
    rates = np.array([0.1, 0.2])
    floats = dataset.x.astype(np.float32)
    right = prepared(as_dataset(floats, dataset.y), parts)
    expected = run_pack(right, config, [0, 1], {"learning_rate": rates})
    Fit(Training(config, right, 1), config).train()
    before = signatures()
    wide = np.zeros((60, 24))
    wide[:, ::2] = floats
    split = Split(train=parts.train.astype(np.int32), validation=np.repeat(parts.validation, 2)[::2])
    for x, y in (
        (wide[:, ::2], dataset.y.astype(np.int16)),
        (np.asfortranarray(floats), dataset.y[::-1][::-1]),
        (floats.astype(np.float64), dataset.y.tolist()),
        (floats.astype(">f4"), dataset.y.astype(np.uint64)),
    ):
        data = prepared(as_dataset(x, y), split)
        streams = np.arange(2, dtype=np.int32)
        pack = run_pack(data, config, streams, {"learning_rate": np.repeat(rates, 2)[::2]})
        assert pack.curves.tobytes() == expected.curves.tobytes()
        Fit(Training(config, data, 1), config).train()
    assert signatures() == before


def test_labels_and_rows_may_come_in_other_integers():
    dataset = blobs(NETWORKS["width one"], 40)
    expected = prepared(dataset)
    parts = fastnet.split(dataset.y)
    actual = prepared(dataset, Split(train=parts.train.astype(np.int32), validation=parts.validation.astype(np.uint16)))
    for name in ("x", "targets", "train_rows", "validation_rows"):
        right, array = getattr(expected, name), getattr(actual, name)
        assert (array.dtype, array.flags.c_contiguous) == (right.dtype, True) and (array == right).all()
    assert actual.x.dtype == np.float32 and actual.targets.dtype == np.int64


@pytest.mark.parametrize(("n", "n_features"), [(1, 1), (5, 12), (70, 33)])
def test_samples_are_scaled_into_padded_rows_of_zeros(n, n_features, monkeypatch):
    x = np.random.default_rng(n).normal(size=(n, n_features)).astype(np.float32)
    scaler = Scaler(offset=np.full(n_features, 2, np.float32), scale=np.full(n_features, 0.5, np.float32))
    padded = pad_samples(x, scaler)
    assert padded.shape == (n, layout.leading(n_features)) and padded.ctypes.data % host.ALIGNMENT == 0
    np.testing.assert_array_equal(padded[:, :n_features], scaler.apply(x))
    assert not padded[:, n_features:].any()
    monkeypatch.setattr(samples, "COPY_ROWS", 3)
    assert pad_samples(x, scaler).tobytes() == padded.tobytes()


def test_row_numbers_end_with_one_tile_of_repeats():
    rows = padded_rows(np.array([4, 2, 7]))
    assert rows.dtype == np.int64 and rows.tolist() == [4, 2, 7, *[4] * host.TILE_ROWS]


@pytest.mark.parametrize("filled", [0.1, 0.5, 0.55, 1.0])
def test_zeros_are_skipped_where_at_least_half_of_the_training_values_are_zero(filled):
    x = np.zeros((20, 10), np.uint8)
    x[:, : round(10 * filled)] = 9
    x[0, 0] = 9  # half of all, and one more
    data = prepare(as_dataset(x, np.arange(20) % 2), Split(train=np.arange(1, 15), validation=np.arange(15, 20)))
    assert data.sparse == (round(10 * filled) <= 5)
    assert len(data.inputs[0]) == (np.count_nonzero(x) if data.sparse else 0)
    assert data.lists_pay(100) == data.sparse and not data.lists_pay(sparsity.MAX_BATCH + 1)
    assert not prepare(data.dataset, Split(np.arange(15), np.arange(15, 20)), skip_zeros=False).sparse


@pytest.mark.parametrize(("objective", "score"), [("huber", "rmse"), ("absolute-error", "mae"), ("poisson", "rmse")])
def test_scores_of_curves_are_brought_to_the_units_of_the_target(objective, score):
    rng = np.random.default_rng(0)
    y = np.abs(rng.normal(size=(40, 1))) * 500.0
    dataset = replace(blobs(NETWORKS["one hidden layer"], 40), y=y, task="regression", class_names=("y",))
    config = fastnet.TrainConfig(objective=objective)
    data = prepare(dataset, Split(np.arange(30), np.arange(30, 40)), config)
    curves = rng.uniform(0.1, 4.0, (3, 4, 5)).astype(np.float32)
    curves[:, :, 4] = np.nan
    shown = data.in_units(curves)
    assert data.score.name == score and shown.dtype == np.float32 and shown is not curves
    assert shown[:, ::2].tobytes() == curves[:, ::2].tobytes(), "losses stay"
    unit = 1.0 if objective == "poisson" else y[:30].std()
    errors = curves[:, 1::2] if score == "mae" else np.sqrt(curves[:, 1::2].astype(np.float64))
    np.testing.assert_allclose(shown[:, 1::2], unit * errors, rtol=1e-6)
    assert data.in_units(curves.astype(np.float64)).astype(np.float32).tobytes() == shown.tobytes()


def test_samples_know_their_scaler_and_their_score():
    dataset = blobs(NETWORKS["one hidden layer"], 40)
    data = prepared(dataset)
    assert data.dataset is dataset and data.n_train == 32 and data.n_outputs == dataset.n_classes
    assert data.score.name == "accuracy" and replace(data, objective="squared-error").score.name == "rmse"
    other = Scaler(np.zeros(12, np.float32), np.ones(12, np.float32))
    assert prepare(dataset, fastnet.split(dataset.y), pipeline=other).pipeline is other
