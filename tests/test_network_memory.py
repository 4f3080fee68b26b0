"""The memory of networks: shared by kinds that take turns, and refused in a sentence where it does not fit."""

from __future__ import annotations

import numpy as np
import pytest
from cases import NETWORKS, blobs
from runs import prepared

from fastnet.config.training import TrainConfig
from fastnet.errors import ConfigError
from fastnet.kernels.context import Work
from fastnet.kernels.host import ALIGNMENT
from fastnet.network.assembly import assemble, shapes_of
from fastnet.network.memory import does_not_fit, n_bytes, share


def test_the_size_of_an_array_is_that_of_numpy():
    for shape, dtype in (((3, 5), np.float32), ((0,), np.int64), ((2, 3, 4), np.uint16), ((), np.float64)):
        assert n_bytes(shape, dtype) == np.zeros(shape, dtype).nbytes


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("filled", [0.2, 1.0])
def test_shapes_are_known_before_anything_is_compiled(optimizer, filled):
    data = prepared(blobs(NETWORKS["three hidden layers"], 40, filled=filled))
    config = TrainConfig(hidden=(16, 9), optimizer=optimizer, batch_size=7)
    expected = shapes_of(config, data, parallel=False)
    assembly = assemble(config, data, parallel=False)
    assert assembly.shapes() == expected and set(expected) == set(Work._fields)
    [work] = assembly.contexts(1)[1]
    for name, (shape, dtype) in expected.items():
        array = getattr(work, name)
        assert (array.shape, array.dtype) == (shape, dtype), name


def test_kinds_that_take_turns_share_one_piece_of_memory():
    data = prepared(blobs(NETWORKS["three hidden layers"], 40))
    kinds = [
        shapes_of(TrainConfig(hidden=hidden, optimizer="momentum"), data, parallel=False)
        for hidden in ((5,), (40, 30), ())
    ]
    works = share(kinds)
    for name in Work._fields:
        arrays = [getattr(work, name) for work in works]
        assert [(array.shape, array.dtype) for array in arrays] == [kind[name] for kind in kinds]
        filled = [array for array in arrays if array.size]
        assert len({array.ctypes.data for array in filled}) <= 1, f"{name} is not shared"
        assert all(array.ctypes.data % ALIGNMENT == 0 and not array.any() for array in filled)


def test_too_much_memory_is_refused_with_both_sizes_and_a_way_out():
    error = does_not_fit("3 networks need", 3 * 2**30, 2**20, "train fewer of them")
    assert isinstance(error, ConfigError)
    assert str(error) == "3 networks need 3.00 GiB, and this process may use 1.00 MiB more: train fewer of them"
