"""Points that a trial's number determines: one stream for each name, and the values there."""

from __future__ import annotations

import numpy as np
import pytest

from fastnet.config.searching import SearchConfig
from fastnet.reference import rng as reference_rng
from fastnet.tuning.run.points import PURPOSE_SPACE, random_points, rows_of, values_at
from fastnet.tuning.space.names import stream_of
from fastnet.tuning.space.space import Space

BOOK = Space.parse(SearchConfig().space)


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**64 - 1])
def test_points_use_the_streams_that_are_documented(seed):
    ids = np.array([0, 1, 999, 2**32 - 1], dtype=np.int64)
    space = Space.parse(BOOK.to_texts() | {"width": "int:1:1000", "dropout_3": "uniform:0:0.5"})
    rows = values_at(space, ids, random_points(space, ids, seed))
    for name in space.names:
        # block k of the stream: words 4k, 4k+1, ...; the first of them is used
        k = stream_of(name)
        words = [reference_rng.random_words(seed, int(i), PURPOSE_SPACE, 0, 0, 4 * k + 1)[4 * k] for i in ids]
        u = reference_rng.uniform(np.array(words, dtype=np.uint32))
        assert [row[name] for row in rows] == space.distributions[name].sample(u).tolist()


def test_rows_hold_a_value_for_each_name_and_nothing_without_names():
    assert rows_of(BOOK, np.arange(2), [[0.1, 0.2], [1e-6, 1e-7]]) == [
        {"learning_rate": 0.1, "weight_decay": 1e-6}, {"learning_rate": 0.2, "weight_decay": 1e-7}
    ]  # fmt: skip
    assert rows_of(Space({}), np.arange(2), []) == [{}, {}]
