"""The activations of the hidden layers and their derivatives, as the textbooks write them.

Every function keeps the type of its array; each is computed in float64 where NumPy has no float32 form of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

LEAKY_SLOPE = float(np.float32(0.01))
"""Slope of the leaky ReLU below zero."""

_erfc = np.frompyfunc(math.erfc, 1, 1)


def relu(z: Floats) -> Floats:
    """Compute ``max(z, 0)`` of every element.

    >>> relu(np.array([-2.0, 0.0, 3.0])).tolist()
    [0.0, 0.0, 3.0]
    """
    return np.maximum(z, z.dtype.type(0))


def leaky_relu(z: Floats) -> Floats:
    """Compute z above zero and 0.01 z elsewhere.

    >>> leaky_relu(np.array([-1.0, 3.0])).round(6).tolist()
    [-0.01, 3.0]
    """
    return np.where(z > 0, z, z.dtype.type(LEAKY_SLOPE) * z)


def logistic(z: Floats) -> Floats:
    """Compute ``1 / (1 + exp(-z))`` without overflow.

    >>> logistic(np.array([-1e4, 0.0, 1e4])).tolist()
    [0.0, 0.5, 1.0]
    """
    e = np.exp(-np.abs(z))
    s: Floats = np.where(z > 0, 1 / (1 + e), e / (1 + e))
    return s


def normal_distribution(z: Floats) -> Floats:
    """Compute Φ(z), the probability that a standard normal variable lies below z.

    >>> normal_distribution(np.array([0.0, 1.0])).round(4).tolist()
    [0.5, 0.8413]
    """
    below: Floats = (0.5 * np.asarray(_erfc(-np.asarray(z, np.float64) / math.sqrt(2.0)))).astype(z.dtype)
    return below


def silu(z: Floats) -> Floats:
    """Compute z times the logistic function of z.

    >>> silu(np.array([0.0, 100.0])).tolist()
    [0.0, 100.0]
    """
    return z * logistic(z)


def gelu(z: Floats) -> Floats:
    """Compute ``z Φ(z)``, the exact form.

    >>> gelu(np.array([0.0, 100.0])).tolist()
    [0.0, 100.0]
    """
    return z * normal_distribution(z)


def _relu_slope(z: Floats) -> Floats:
    return (z > 0).astype(z.dtype)


def _leaky_relu_slope(z: Floats) -> Floats:
    return np.where(z > 0, z.dtype.type(1), z.dtype.type(LEAKY_SLOPE))


def _tanh_slope(z: Floats) -> Floats:
    e = np.exp(-2 * np.abs(z))  # 1 - tanh² would round to zero where this is still 1e-16
    slope: Floats = 4 * e / (1 + e) ** 2
    return slope


def _logistic_slope(z: Floats) -> Floats:
    e = np.exp(-np.abs(z))
    slope: Floats = e / (1 + e) ** 2
    return slope


def _silu_slope(z: Floats) -> Floats:
    return logistic(z) + z * _logistic_slope(z)


def _gelu_slope(z: Floats) -> Floats:
    return normal_distribution(z) + z * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


ACTIVATIONS: dict[str, tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]] = {
    "relu": (relu, _relu_slope),
    "leaky-relu": (leaky_relu, _leaky_relu_slope),
    "tanh": (np.tanh, _tanh_slope),
    "logistic": (logistic, _logistic_slope),
    "gelu": (gelu, _gelu_slope),
    "silu": (silu, _silu_slope),
}
"""Each activation and its derivative by name."""


def activate(z: Floats, activation: str) -> Floats:
    """Apply an activation to every element.

    >>> activate(np.array([-1.0, 1.0]), "relu").tolist()
    [0.0, 1.0]
    """
    return ACTIVATIONS[activation][0](z)


def activation_slope(z: Floats, activation: str) -> Floats:
    """Compute the derivative of an activation at every element.

    >>> activation_slope(np.array([-1.0, 1.0]), "relu").tolist()
    [0.0, 1.0]
    """
    return ACTIVATIONS[activation][1](z)
