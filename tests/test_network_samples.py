"""Samples prepared for the kernels: always the same types, scaled and padded."""

from __future__ import annotations

import numpy as np
from cases import NETWORKS, blobs
from layers import signatures
from runs import prepared, run_pack

import fastnet
from fastnet.config.training import TrainConfig
from fastnet.data import Split, as_dataset
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
