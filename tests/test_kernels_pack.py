"""A pack's stages: initial values, the probabilities of any block, and a job that hears a request to stop."""

from __future__ import annotations

import numpy as np
import pytest
from cases import NETWORKS, blobs
from runs import PENDING, prepared

from fastnet import reference
from fastnet.config.training import TrainConfig
from fastnet.kernels import layout, pack, threads
from fastnet.network.assembly import initialise
from fastnet.training.pack import PackRun, alike
from fastnet.training.single import Training

NETWORK = NETWORKS["three hidden layers"]
CONFIG = TrainConfig(hidden=NETWORK.hidden, batch_size=9, epochs=2, optimizer="adam")


@pytest.mark.parametrize("init", ["he", "xavier"])
def test_initial_values_are_the_references_and_everything_else_is_zero(init):
    training = Training(
        TrainConfig(hidden=NETWORK.hidden, init=init, optimizer="adam", seed=5), prepared(blobs(NETWORK, 40)), 1, 7
    )
    work = training.work
    work.params.fill(3)
    work.floats.fill(np.nan)
    initialise(training.context)
    table = training.assembly.layout.table
    weights, biases = layout.unpack_parameters(table, work.params[0])
    sizes = (NETWORK.n_features, *NETWORK.hidden, NETWORK.n_classes)
    for layer, found in enumerate(weights):
        assert found.tobytes() == reference.rng.initial_weights(5, 7, layer, *sizes[layer : layer + 2], init).tobytes()
    assert not any(bias.any() for bias in biases) and not work.floats.any() and not work.params[1:].any()
    empty = work.params[0].copy()
    layout.pack_parameters(table, [np.zeros_like(w) for w in weights], biases, empty)
    assert not empty.any(), "the padding is not zero"


def test_a_job_that_is_stopped_before_it_begins_trains_nothing():
    run = PackRun(alike(prepared(blobs(NETWORK, 40)), CONFIG, [0, 1, 2]), 2)
    run.stop()
    run.start()
    run.join()
    assert (run.status == PENDING).all() and not run.epochs_done.any()


def test_without_a_threading_layer_a_pack_gives_the_same_bits(monkeypatch):
    def curves() -> bytes:
        run = PackRun(alike(prepared(blobs(NETWORK, 40)), CONFIG, [0, 1, 2]), 2)
        run.start()
        run.join()
        return run.curves.tobytes()

    expected = curves()
    monkeypatch.setattr(threads, "_inherited", True)
    monkeypatch.setattr(pack, "train_pack", None)
    assert curves() == expected


def test_no_more_threads_are_used_than_numba_has():
    import numba

    before = numba.get_num_threads()
    try:
        pack.use_threads(10**6)
        assert numba.get_num_threads() == pack.thread_limit()
        pack.use_threads(1)
        assert numba.get_num_threads() == 1
    finally:
        numba.set_num_threads(before)
