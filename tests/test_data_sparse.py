"""Sparse features."""

import numpy as np
import pytest
from scipy import sparse

from fastnet.data.sparse import is_sparse


@pytest.mark.parametrize(
    ("x", "expected"), [(np.zeros((2, 3), np.float32), False), (sparse.csr_array((2, 3), dtype=np.float32), True)]
)
def test_features_are_sparse_or_an_array(x, expected):
    assert is_sparse(x) == expected
