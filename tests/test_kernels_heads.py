"""Several heads: the reference's signs, and the same bits for any pack, number of threads, block and pause."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cases import LARGE_LAYER, NETWORKS, Network, blobs
from models import make_model
from runs import DONE, prepared

from fastnet import reference
from fastnet.config.training import TrainConfig
from fastnet.kernels import heads, step
from fastnet.network.assembly import n_threads_limit
from fastnet.reference.objective import softmax
from fastnet.training.pack import Member, PackRun
from fastnet.training.single import Training


@pytest.mark.parametrize("n_heads", [1, 2, 3, 16])
@pytest.mark.parametrize("width", [1, 5, 16, 130])
def test_signs_are_the_references_and_the_padding_is_zero(n_heads, width):
    signs = heads.signs_of(n_heads, width)
    np.testing.assert_array_equal(signs[:, :width], reference.heads.signs(n_heads, width))
    assert not signs[:, width:].any() and signs.dtype == np.float32


def test_networks_with_one_head_have_no_stages():
    assert not heads.stages(1).any() and heads.stages(2).all()
    np.testing.assert_array_equal(heads.stages(2), heads.stages(7))


@pytest.mark.parametrize("n_heads", [2, 3, 8, 16])
@pytest.mark.parametrize("hidden", [(1,), (17,), (64, 33), (130, 7, 40)])
@pytest.mark.parametrize("rows", [1, 7, 121])
def test_answers_are_the_references(n_heads, hidden, rows):
    model = make_model(hidden=hidden, heads=n_heads, eval_scales=(1.0,) * len(hidden))
    x = (np.random.Philox(key=8).random_raw(rows * 12).reshape(rows, 12) % 256).astype(np.float32)
    weights, biases = ([part.astype(float) for part in parts] for parts in (model.weights, model.biases))
    scaled = model.pipeline.apply(x).astype(float)
    logits = reference.heads.mean(reference.network.forward(weights, biases, scaled, 1.0, heads=n_heads)[-1], n_heads)
    np.testing.assert_allclose(model.predict_proba(x), softmax(logits), atol=2e-6)
    one_by_one = np.concatenate([model.predict_proba(x[[r]]) for r in range(min(rows, 5))])
    assert one_by_one.tobytes() == model.predict_proba(x)[:5].tobytes()


def _trials() -> list[TrainConfig]:
    usual = TrainConfig(hidden=(70, 33), optimizer="adamw", learning_rate=0.003, batch_size=33, epochs=4)
    return [
        usual,
        replace(usual, heads=4),
        replace(usual, heads=4, dropout=0.3, relative_rate=5.0, train_score="running"),
        replace(usual, heads=2, activation="silu", init=None),
        replace(usual, heads=16, hidden=(20,), optimizer="sgd", label_smoothing=0.1),
        replace(usual, heads=3, hidden=()),
    ]


def _curves(members, jobs, ends=(4,)):
    run = PackRun(members, jobs)
    for end in ends:
        run.start(end=end)
        run.join()
    assert (run.status == DONE).all()
    return [curves.tobytes() for curves in run.curves]


@pytest.mark.parametrize("filled", [1.0, 0.2])
def test_trials_are_the_same_bits_in_any_pack_on_any_threads_and_with_pauses(filled):
    data = prepared(blobs(NETWORKS["wide layers"], 83, filled=filled))
    members = [Member(data, config, stream) for stream, config in enumerate(_trials())]
    alone = [_curves([member], 1)[0] for member in members]
    assert len(set(alone)) == len(members)
    for jobs in (1, 2):
        for ends in ((4,), (1, 3, 4)):
            assert _curves(members, jobs, ends) == alone and _curves(members[::-1], jobs, ends) == alone[::-1]


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_threads_that_share_products_give_the_bits_of_one(activation):
    assert n_threads_limit() >= 2
    network = Network(LARGE_LAYER.n_in, (LARGE_LAYER.n_out, 200), 5)
    data = prepared(blobs(network, 400))
    config = TrainConfig(
        hidden=network.hidden, heads=3, activation=activation, dropout=0.2, batch_size=LARGE_LAYER.batch, epochs=1
    )
    found = []
    for threads in (1, 2):
        training = Training(config, data, threads)
        assert training.threads == threads
        assert training.call(step.TRAIN_EPOCH, 0, np.zeros(1, np.int64)) == step.DONE
        found.append(training.parameters().tobytes())
    assert found[0] == found[1]


def test_a_network_without_hidden_layers_has_one_head():
    data = prepared(blobs(NETWORKS["softmax regression"], 40))
    config = TrainConfig(hidden=(), epochs=2, batch_size=9)
    plain, headed = (_curves([Member(data, replace(config, heads=n), 0)], 1, (2,)) for n in (1, 8))
    assert plain == headed
