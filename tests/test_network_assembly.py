"""Networks laid out and compiled: blocks, contexts that share memory, and when sharing a product pays."""

from __future__ import annotations

import numpy as np
import pytest
from cases import NETWORKS, blobs
from runs import prepared

from fastnet.config.training import TrainConfig
from fastnet.kernels import affine, panels, update
from fastnet.kernels.cross_entropy import LOG_ROWS
from fastnet.kernels.host import TILE_ROWS
from fastnet.network import assembly


@pytest.fixture(scope="module")
def data():
    return prepared(blobs(NETWORKS["wide layers"], 100))


def test_evaluation_blocks_are_whole_logarithms():
    # Their size differs between a pack and one network on several threads; the loss may not.
    assert assembly.BLOCK_ROWS % LOG_ROWS == assembly.PARALLEL_BLOCK_ROWS % LOG_ROWS == 0


@pytest.mark.parametrize("batch_size", [1, 7, 80, 81, 10_000])
@pytest.mark.parametrize("parallel", [False, True])
def test_a_plan_has_room_for_a_batch_and_a_block_and_no_more_than_the_data_need(data, batch_size, parallel):
    config = TrainConfig(hidden=(20, 9), batch_size=batch_size)
    batch, block, plan = assembly.plan_of(config, data, parallel=parallel)
    assert batch == min(batch_size, data.n_train)
    assert block % LOG_ROWS == 0 and block <= max(LOG_ROWS, data.n_train + LOG_ROWS)
    assert plan.n_rows >= max(batch, block) and plan.n_rows % TILE_ROWS == 0
    assert len(plan.table) == 3


def test_everything_a_network_calls_is_compiled_and_at_its_address(data):
    config = TrainConfig(hidden=(33,), optimizer="momentum", activation="tanh", batch_size=9)
    net = assembly.assemble(config, data, parallel=False).net
    assert net.table is panels.TABLE and (net.stages != 0).all() and (net.activation != 0).all()
    assert net.update == update.ADDRESS[update.MOMENTUM] != 0 and net.objective != 0
    assert net.xavier == 1 and net.hidden_lists == 0, "only idle ReLUs can be skipped"
    sgd = assembly.assemble(TrainConfig(hidden=(33,)), data, parallel=False).net
    assert sgd.update == 0 and not sgd.activation.any() and (sgd.xavier, sgd.hidden_lists) == (0, 1)


def test_contexts_share_memory_within_a_thread_only(data):
    kinds = [assembly.assemble(TrainConfig(hidden=hidden), data, parallel=False) for hidden in ((8,), (30, 20))]
    contexts, works = assembly.contexts_of(kinds, 3)
    assert contexts.shape[:2] == (3, 2) and all((row != 0).any(axis=1).all() for row in contexts)
    places = [[work.floats.ctypes.data for work in row] for row in works]
    assert [len(set(row)) for row in places] == [1, 1, 1] and len({row[0] for row in places}) == 3
    assert assembly.contexts_of([], 2)[0].shape[:2] == (2, 0)


def test_threads_share_a_product_where_it_is_large_enough(data):
    assert not assembly.worth_sharing(TrainConfig(hidden=(100, 100), batch_size=80), data)
    width = int(np.sqrt(affine.PARALLEL_FLOPS / 2 / data.n_train - 1))  # just too narrow
    config = TrainConfig(hidden=(width, width), batch_size=10_000)
    assert not assembly.worth_sharing(config, data)
    assert assembly.worth_sharing(TrainConfig(hidden=(width + 1, width + 1), batch_size=10_000), data)
    assert not assembly.worth_sharing(TrainConfig(hidden=(width + 1,) * 2, batch_size=data.n_train - 9), data)


def test_sharing_is_compiled_for_long_trainings_only():
    assert not assembly.worth_compiling(TrainConfig(epochs=1), 10**6, 10**4)
    assert assembly.worth_compiling(TrainConfig(epochs=2), 10**6, 10**4)
