"""Sparse features: which arrays they are.

SciPy takes 100 ms to import, so it is imported inside the functions that need it.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def is_sparse(x: Any) -> bool:
    """Whether the features of a `Dataset` are a `scipy.sparse.csr_array` and not an ndarray.

    Examples
    --------
    >>> is_sparse(np.zeros((2, 3), np.float32))
    False
    """
    return not isinstance(x, np.ndarray)
