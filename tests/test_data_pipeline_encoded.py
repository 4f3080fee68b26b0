"""The short form of a table's inputs."""

import numpy as np

from fastnet.data.pipeline.encoded import Encoded


def test_every_bin_and_level_is_written_out():
    bins, levels = np.uint16([[0, 1], [2, 0], [1, 1]]), np.uint16([[0], [1], [2]])
    fractions = np.float32([[0.5, 1], [0, 0.25], [1, 0]])
    encoded = Encoded(np.empty((3, 0), np.float32), bins, fractions, levels, np.array([3, 2]), np.array([2]))
    expected = [[0.5, 0, 0, 1, 1, 1, 0], [1, 1, 0, 0.25, 0, 0, 1], [1, 1, 0, 1, 0, 0, 0]]
    assert encoded.n_inputs == 7 and encoded.written_out().tolist() == expected
