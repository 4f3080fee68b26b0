"""The inputs of categories."""

import numpy as np

from fastnet.data.pipeline.categories import MAX_LEVELS, MIN_ROWS, fit_levels


def levels(counts):
    values = np.repeat(np.arange(len(counts)), counts).astype(np.float32)
    return fit_levels(values, 0, [str(k) for k in range(len(counts))])


def test_rare_levels_share_an_input_which_unseen_ones_get_too():
    level = levels([9, 2, 5, 3])
    assert (level.n_inputs, level.rare) == (3, True)
    assert level.apply(np.float32([0, 1, 2, 3, -1, np.nan])).tolist() == [0, 2, 1, 2, 2, 3]


def test_too_few_rare_rows_have_no_input():
    level = levels([9, MIN_ROWS - 1, MIN_ROWS])
    assert (level.n_inputs, level.rare) == (2, False)
    assert level.apply(np.float32([0, 1, 2, -1, np.nan])).tolist() == [0, 2, 1, 2, 2]
    assert levels([1, 1]).n_inputs == 0


def test_the_most_frequent_levels_have_inputs_of_their_own():
    counts = np.full(MAX_LEVELS + 7, 6)
    counts[[0, 3]] = 5
    level = levels(counts.tolist())
    assert (level.n_inputs, level.rare) == (MAX_LEVELS + 1, True)
    found = level.apply(np.arange(len(counts), dtype=np.float32))
    assert found[[0, 3]].tolist() == [MAX_LEVELS] * 2 and (found == MAX_LEVELS).sum() == 7
    assert sorted(set(found.tolist())) == list(range(MAX_LEVELS + 1))
