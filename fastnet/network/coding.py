"""Samples of a table in the form that the first layer's stages read; see `fastnet.kernels.encoded`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastnet.data.pipeline.encoded import Encoded
from fastnet.data.pipeline.pipeline import Pipeline
from fastnet.data.pipeline.table import TablePipeline
from fastnet.kernels import layout


class Coded(NamedTuple):
    """N samples of D dense inputs, P numbers and C categories.

    Attributes
    ----------
    dense : (N, ld) float32
        The dense inputs, rows padded with zeros.
    n_dense : int
        D.
    columns : (P + C, 2) int64
        First row of the weights and number of rows of each column.
    places : (N, P + C) uint32
        The row of the weights that each column gives a sample; the number of inputs for a level without an input.
    fractions : (N, P) float32
    """

    dense: npt.NDArray[np.float32]
    n_dense: int
    columns: npt.NDArray[np.int64]
    places: npt.NDArray[np.uint32]
    fractions: npt.NDArray[np.float32]


def is_coded(pipeline: Pipeline) -> bool:
    """Whether the first layer reads columns that `pipeline` encodes."""
    return isinstance(pipeline, TablePipeline) and bool(len(pipeline.encoded) or len(pipeline.levels))


def code_samples(x: npt.NDArray[Any], pipeline: Pipeline) -> Coded | None:
    """Encode (N, F) features; None if the pipeline encodes no column."""
    return code(pipeline.encode(x)) if isinstance(pipeline, TablePipeline) and is_coded(pipeline) else None


def code(encoded: Encoded) -> Coded:
    """Turn the bins and levels of samples into rows of the first layer's weights.

    Examples
    --------
    >>> dense, bins, fractions = np.float32([[5]]), np.uint16([[1]]), np.float32([[0.25]])
    >>> code(Encoded(dense, bins, fractions, np.uint16([[2]]), np.array([3]), np.array([2]))).places.tolist()
    [[2, 6]]
    """
    n_samples, n_dense = encoded.dense.shape
    dense = layout.aligned((n_samples, layout.leading(max(n_dense, 1))))
    dense[:, :n_dense] = encoded.dense
    widths = np.concatenate([encoded.n_bins, encoded.n_levels]).astype(np.int64)
    firsts = n_dense + np.cumsum(widths) - widths
    n_numbers = len(encoded.n_bins)
    places = np.empty((n_samples, len(widths)), np.uint32)
    places[:, :n_numbers] = encoded.bins + firsts[:n_numbers]
    levels = encoded.levels + firsts[n_numbers:]
    places[:, n_numbers:] = np.where(encoded.levels < encoded.n_levels, levels, encoded.n_inputs)
    columns = np.stack([firsts, widths], axis=1)
    return Coded(dense, n_dense, columns, places, np.ascontiguousarray(encoded.fractions, np.float32))


def nothing_coded() -> Coded:
    """Return what stands for the codes of samples that are given in full."""
    none = np.zeros((0, 0), np.float32)
    return Coded(none, 0, np.zeros((0, 2), np.int64), none.astype(np.uint32), none)
