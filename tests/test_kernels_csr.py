"""The first layer of sparse data: the bits of the dense product, however the work is divided."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from buffers import Buffers
from cases import OPTIMIZERS
from runs import run_pack
from scipy.sparse import csr_array

import fastnet
from fastnet.config.training import TrainConfig
from fastnet.data import as_dataset
from fastnet.kernels import csr, layout, step
from fastnet.network.assembly import n_threads_limit
from fastnet.network.forward import forward
from fastnet.network.samples import TrainingData, prepare
from fastnet.training.single import Training

CONFIG = TrainConfig(hidden=(40, 9), epochs=4, batch_size=32, learning_rate=0.01, weight_decay=0.01, seed=7)

PARALLEL = 16 * 2**10
"""Features with which a batch of `CONFIG` is large enough for threads to share it."""


class AsGiven:
    """A pipeline that leaves the features as they are."""

    dtype = np.dtype(np.float32)
    of_images = False

    def __init__(self, n_features: int):
        self.n_fields = self.n_inputs = n_features

    def apply(self, x):
        return x


def draw(n: int, n_features: int, share: float = 0.05, seed: int = 0) -> np.ndarray:
    """Draw (n, n_features) values of which few are not zero: none of the first sample, none of the last feature."""
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal((n, n_features)) * (rng.random((n, n_features)) < share)).astype(np.float32)
    x[0], x[:, -1] = 0.0, 0.0
    return x


def data_of(x: np.ndarray, *, sparse: bool, skip_zeros: bool = True) -> TrainingData:
    """Prepare samples of three classes, as compressed sparse rows or written out."""
    dataset = as_dataset(x, np.arange(len(x)) % 3)
    if sparse:
        dataset = replace(dataset, x=csr_array(x))
    parts = fastnet.split(dataset.y)
    return prepare(dataset, parts, CONFIG, pipeline=AsGiven(x.shape[1]), skip_zeros=skip_zeros)


def trained(data: TrainingData, config: TrainConfig, threads: int = 1) -> Training:
    run = Training(config, data, threads)
    run.start()
    run.join()
    return run


def is_clean(run: Training) -> bool:
    """Whether no weight waits and nothing is left in the memory that steps share."""
    work = run.work
    return not (work.passed.any() or work.steps.any() or work.heads.any() or work.nothing.any())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_training_has_the_bits_of_the_dense_product(optimizer, weight_decay, activation):
    config = replace(CONFIG, optimizer=optimizer, weight_decay=weight_decay, activation=activation, dropout=0.2)
    x = draw(300, 150)
    found, full, dense = (
        trained(data_of(x, sparse=sparse, skip_zeros=skip_zeros), config)
        for sparse, skip_zeros in ((True, True), (False, True), (False, False))
    )
    assert found.epochs_done == config.epochs and np.isfinite(found.curves).all()
    for other in (full, dense):
        assert found.parameters().tobytes() == other.parameters().tobytes()
        assert found.curves.tobytes() == other.curves.tobytes()
    assert is_clean(found)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adamw"])
def test_weights_that_wait_longer_than_the_history_make_every_step(optimizer):
    """A feature of one sample in an epoch of more steps than are remembered."""
    x = draw(4 * csr.HISTORY, 30, share=0.2)
    x[:, 7] = 0.0
    x[5, 7] = 3.0
    config = replace(CONFIG, batch_size=2, epochs=2, optimizer=optimizer)
    assert len(x) * 0.8 / config.batch_size > csr.HISTORY
    found, full = (trained(data_of(x, sparse=sparse), config) for sparse in (True, False))
    assert found.parameters().tobytes() == full.parameters().tobytes() and is_clean(found)


@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_waiting_weights_make_each_step_with_its_own_learning_rate(schedule):
    config = replace(CONFIG, schedule=schedule, warmup_epochs=1, step_epochs=2, optimizer="adamw", epochs=6)
    x = draw(200, 60)
    found, full = (trained(data_of(x, sparse=sparse), config) for sparse in (True, False))
    assert found.parameters().tobytes() == full.parameters().tobytes()


@pytest.mark.skipif(n_threads_limit() == 1, reason="needs two threads")
@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
def test_the_bits_do_not_depend_on_the_number_of_threads(optimizer, monkeypatch):
    config = replace(CONFIG, hidden=(160,), batch_size=200, epochs=2, optimizer=optimizer)
    data = data_of(draw(500, PARALLEL, share=0.01), sparse=True)
    one, two = trained(data, config), trained(data, config, 2)
    assert (one.threads, two.threads) == (1, 2)
    n_values = data.csr.starts[-1] * config.batch_size // 500
    assert n_values * 160 > csr.PARALLEL_ADDS and PARALLEL * 160 > csr.PARALLEL_ADDS  # or threads share nothing
    assert one.parameters().tobytes() == two.parameters().tobytes() and is_clean(two)
    assert one.curves.tobytes() == two.curves.tobytes()


def test_the_trials_of_a_pack_train_as_they_do_alone():
    data = data_of(draw(300, 150), sparse=True)
    config = replace(CONFIG, optimizer="adamw")
    together = run_pack(data, config, [0, 3, 5], {"learning_rate": np.array([0.01, 0.02, 0.001])}, 2, keep=True)
    for t, (stream, rate) in enumerate(((0, 0.01), (3, 0.02), (5, 0.001))):
        alone = Training(replace(config, learning_rate=rate), data, 1, stream)
        alone.start()
        alone.join()
        assert alone.parameters().tobytes() == np.asarray(together.parameters(t)).tobytes()
        assert (alone.curves[0].astype(np.float32) == together.curves[t]).all()


@pytest.mark.parametrize("hidden", [(), (5,), (130,)])
def test_predictions_are_those_of_the_written_out_samples(hidden):
    x = draw(130, 70)
    config = replace(CONFIG, hidden=hidden)
    data = data_of(x, sparse=True)
    run = trained(data, config)
    weights, biases = layout.unpack_parameters(run.assembly.layout.table, run.parameters())
    spec = config.network(data.n_inputs, data.n_outputs)
    sparse, full = (
        forward(spec, weights, biases, [1.0] * len(hidden), AsGiven(70), given) for given in (csr_array(x), x)
    )
    assert sparse.tobytes() == full.tobytes()
    assert forward(spec, weights, biases, [1.0] * len(hidden), AsGiven(70), csr_array(x[:0])).shape == (0, 3)


def test_samples_without_any_value_have_the_biases_as_outputs():
    run = trained(data_of(draw(60, 20), sparse=True), replace(CONFIG, hidden=()))
    weights, biases = layout.unpack_parameters(run.assembly.layout.table, run.parameters())
    spec = replace(CONFIG, hidden=()).network(20, 3)
    empty = csr_array((4, 20), dtype=np.float32)
    answers = forward(spec, weights, biases, [], AsGiven(20), empty, "squared-error")
    np.testing.assert_array_equal(answers, np.tile(biases[0], (4, 1)))


def test_a_stopped_epoch_leaves_nothing_behind():
    data = data_of(draw(300, 150), sparse=True)
    config = replace(CONFIG, optimizer="adamw")
    run = Training(config, data, 1)
    stop = np.zeros(1, np.int64)
    assert run.call(step.TRAIN_EPOCH, 0, stop) == step.DONE and is_clean(run)
    run.work.params[0, :] = np.inf  # the first loss is not a number: the epoch ends after weights have waited for none
    assert run.call(step.TRAIN_EPOCH, 1, stop) == step.DIVERGED and is_clean(run)
    stop[0] = 1
    assert run.call(step.TRAIN_EPOCH, 1, stop) == step.STOPPED and is_clean(run)


def test_memory_does_not_grow_with_the_features_of_a_batch():
    """What a step needs in addition to the weights is a few numbers for each feature and each value of a batch."""
    n_features = 5000
    x = csr_array(
        (np.ones(40, np.float32), (np.arange(40, dtype=np.int32), np.arange(40, dtype=np.int32) * 7)),
        shape=(40, n_features),
    )
    dataset = replace(as_dataset(np.zeros((40, 1)), np.arange(40) % 2), x=x)
    data = prepare(dataset, fastnet.split(dataset.y), CONFIG, pipeline=AsGiven(n_features))
    assert np.shares_memory(data.csr.entries, x.data)
    assert np.shares_memory(data.csr.columns, x.indices) and data.x.size == 0
    work = Training(CONFIG, data, 1).work
    others = sum(array.nbytes for name, array in work._asdict().items() if name != "params")
    assert others < 16 * n_features + 400_000


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("filled", ["nothing", "validation"])
def test_samples_without_a_value_train_within_their_memory(optimizer, filled, monkeypatch):
    buffers = Buffers()  # every step of a rule that waits is written down, also where no weight ever needs it
    monkeypatch.setattr(layout, "aligned", lambda shape, dtype=np.float32: buffers.zeros(shape, dtype))
    config = replace(CONFIG, optimizer=optimizer, batch_size=2)
    x = np.zeros((40, 30), np.float32)
    if filled == "validation":
        x[fastnet.split(np.arange(40) % 3).validation] = 1.0
    found, dense = (run_pack(data_of(x, sparse=sparse), config, [0, 1]).curves for sparse in (True, False))
    buffers.check()
    assert found.tobytes() == dense.tobytes() and np.isfinite(found).all()
    assert trained(data_of(x, sparse=True), config).curves.astype(np.float32).tobytes() == found[0].tobytes()
