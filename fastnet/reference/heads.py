"""Several heads on one network: what they add to the mathematics of `network`.

Head m sees the sums of the first hidden layer times its signs. From there on a batch of B samples has M B rows, head
after head. The output layer has M K columns, of which a row of head m uses its own K. One head changes nothing.
"""

from __future__ import annotations

import numpy as np

from fastnet.reference.objective import Details, Floats, Targets


def signs(n_heads: int, width: int) -> Floats:
    """Return the signs of the first hidden layer's units for each head, (M, width): rows of a Hadamard matrix.

    >>> signs(2, 3).tolist()
    [[1.0, 1.0, 1.0], [1.0, -1.0, 1.0]]
    """
    return np.array([[(-1.0) ** (m & unit).bit_count() for unit in range(width)] for m in range(n_heads)])


def spread(z: Floats, n_heads: int) -> Floats:
    """Turn the sums (B, O) of the first hidden layer into those that each head sees, (M B, O).

    >>> spread(np.array([[2.0, 3.0]]), 2).tolist()
    [[2.0, 3.0], [2.0, -3.0]]
    """
    seen: Floats = (signs(n_heads, z.shape[1]).astype(z.dtype)[:, None] * z).reshape(-1, z.shape[1])
    return seen


def fold(dz: Floats, n_heads: int) -> Floats:
    """Compute the gradient with respect to those sums, (B, O), from that of `spread`'s result.

    >>> fold(np.array([[2.0, 3.0], [2.0, 3.0]]), 2).tolist()
    [[4.0, 0.0]]
    """
    of_heads = dz.reshape(n_heads, -1, dz.shape[1])
    summed: Floats = (signs(n_heads, dz.shape[1]).astype(dz.dtype)[:, None] * of_heads).sum(axis=0)
    return summed


def own(outputs: Floats, n_heads: int) -> Floats:
    """Take from the (M B, M K) outputs of all heads those of each row's own head, (M B, K).

    >>> own(np.array([[1.0, 2.0], [3.0, 4.0]]), 2).tolist()
    [[1.0], [4.0]]
    """
    n_outputs = outputs.shape[1] // n_heads
    each = outputs.reshape(n_heads, -1, n_heads, n_outputs)
    return np.concatenate([each[m, :, m] for m in range(n_heads)])


def put_back(dys: Floats, n_heads: int) -> Floats:
    """Compute the gradient with respect to all outputs, (M B, M K), from that of `own`'s result.

    >>> put_back(np.array([[1.0], [4.0]]), 2).tolist()
    [[1.0, 0.0], [0.0, 4.0]]
    """
    n_rows, n_outputs = dys.shape
    each = np.zeros((n_heads, n_rows // n_heads, n_heads, n_outputs), dys.dtype)
    for m in range(n_heads):
        each[m, :, m] = dys.reshape(n_heads, -1, n_outputs)[m]
    return each.reshape(n_rows, -1)


def mean(outputs: Floats, n_heads: int) -> Floats:
    """Average the heads: the (B, K) outputs of the network.

    >>> mean(np.array([[1.0, 2.0], [3.0, 4.0]]), 2).tolist()
    [[2.5]]
    """
    averaged: Floats = own(outputs, n_heads).reshape(n_heads, -1, outputs.shape[1] // n_heads).mean(axis=0)
    return averaged


def repeated(targets: Targets, details: Details, n_heads: int) -> tuple[Targets, Details]:
    """Return targets and weights of samples for the rows of all heads."""
    weights = details.weights if details.weights is None else np.tile(details.weights, n_heads)
    return np.concatenate([targets] * n_heads), details._replace(weights=weights)
