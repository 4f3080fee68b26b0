"""How the tests call the kernels of one layer, and what they accept as equal to the reference."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from buffers import Buffers, address

from fastnet import background
from fastnet.kernels import affine, layout, panels, sparsity
from fastnet.kernels.host import GROUP, LANES, MASK_BYTES, PANEL_VECTORS, TILE_ROWS, round_up
from fastnet.kernels.panels import LINEAR, RELU, RELU_KEPT, SPARSE_ROWS

__all__ = ["LINEAR", "RELU", "RELU_KEPT", "Layer", "Samples", "assert_near", "pack_bits", "unpack_bits"]

C = 1.0
"""How many times the rounding of one addition per term an element may be off; a chain of K fused multiply-adds is off
by less than half of that."""

EPS32 = float(np.finfo(np.float32).eps)


def assert_near(actual: np.ndarray, expected: np.ndarray, n_terms: int, magnitude: Any) -> None:
    """Fail unless ``|actual - expected| <= C * n_terms * EPS32 * magnitude`` everywhere; NaN is never near.

    magnitude : array like `expected`: the sum of the absolute values of all terms, as in |x| @ |w|
    """
    error = np.abs(actual.astype(np.float64) - expected)
    bound = C * n_terms * EPS32 * np.broadcast_to(magnitude, error.shape)
    wrong = ~(error <= bound)
    assert not wrong.any(), (
        f"{np.count_nonzero(wrong)} of {wrong.size} elements are off, the first at {np.argwhere(wrong)[0].tolist()}: "
        f"{actual[wrong][0]!r} instead of {expected[wrong][0]!r}, by {error[wrong][0]:.3g} where {bound[wrong][0]:.3g} "
        "is allowed"
    )


@cache
def _plan(batch: int, n_in: int, n_out: int) -> layout.Layout:
    for sparse in (False, True):  # as the second layer it has all products, as the first the sparse ones
        sizes = (n_in, n_out) if sparse else (1, n_in, n_out)
        panels.compile_panels(sorted(layout.panels_of(layout.layout(sizes, 1).table, sparse=sparse, training=True)))
    return layout.layout((n_in, n_out), batch)


@dataclass
class Samples:
    """A matrix of samples with rows in some order, padded as the kernels want them.

    x : (N, ld) float32, padding `pad`      rows : int64 sample numbers, one tile more than there are in the batch
    """

    x: np.ndarray
    rows: np.ndarray
    lists: np.ndarray
    starts: np.ndarray
    pair_lists: np.ndarray
    pair_starts: np.ndarray

    @classmethod
    def make(cls, buffers: Buffers, values: np.ndarray, rows: np.ndarray, pad: float) -> Samples:
        padded = np.full((len(values), layout.leading(values.shape[1])), pad, np.float32)
        padded[:, : values.shape[1]] = values
        more = np.concatenate([rows, np.repeat(rows[:1], TILE_ROWS)])
        lists = [*sparsity.non_zero_lists(values, 1), *sparsity.non_zero_lists(values, SPARSE_ROWS)]
        return cls(*(buffers.input(array) for array in (padded, more, *lists)))


class Layer:
    """The kernels of one layer of `batch` samples, `n_in` inputs and `n_out` outputs, called as the stages do."""

    def __init__(self, batch: int, n_in: int, n_out: int, threads: int = 0) -> None:
        self.batch, self.n_in, self.n_out = batch, n_in, n_out
        self.plan = _plan(batch, n_in, n_out)
        self.row = self.plan.table[0]
        self.ld = int(self.row[layout.LDW])
        self.ld_in = layout.leading(n_in)
        self.columns = round_up(n_out, LANES)
        self.tile_rows = round_up(batch, TILE_ROWS)
        self.threads = threads

    def call(self, name: str, *args: Any) -> None:
        """Call a kernel of `affine`, or with `threads` its parallel twin in the thread where those may run."""
        if not self.threads:
            getattr(affine, name)(*args)
        else:
            background.submit(self.threads, lambda: getattr(affine, name + "_parallel")(*args)).result()

    def parameters(self, w: np.ndarray, b: np.ndarray, states: tuple[Any, ...] = (), pad: float = 0.0) -> np.ndarray:
        """Lay weights, biases and a ((n_in, n_out), (n_out,)) pair per optimizer state out as (1 + states, P)."""
        flat = np.full((1 + len(states), self.plan.n_parameters), pad, np.float32)
        for line, (weights, biases) in zip(flat, ((w, b), *states), strict=True):
            layout.pack_parameters(self.plan.table, [weights], [biases], line)
        return flat

    def unpack(self, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights and biases of one line of the parameters."""
        weights, biases = layout.unpack_parameters(self.plan.table, flat)
        return weights[0], biases[0]

    def padding(self, flat: np.ndarray) -> np.ndarray:
        """Return what lies beside the weights and biases in one line of the parameters."""
        inside = np.zeros(self.plan.n_parameters, np.float32)
        ones = np.ones((self.n_in, self.n_out), np.float32), np.ones(self.n_out, np.float32)
        layout.pack_parameters(self.plan.table, [ones[0]], [ones[1]], inside)
        return flat[inside == 0]

    def outputs(self, buffers: Buffers) -> np.ndarray:
        """Return a (tile rows, ld) matrix to be written: canaries in whole vectors, zeros in columns beyond."""
        c = buffers.output((self.tile_rows, self.ld))
        c[:, self.columns :] = 0
        return c

    def bits(self, buffers: Buffers) -> np.ndarray:
        """Return activity bits of this layer's outputs, to be written."""
        return buffers.output((self.tile_rows, int(self.row[layout.LD_ACTIVE])), np.uint8)

    def forward(
        self, samples: Samples, params: np.ndarray, c: np.ndarray, active: np.ndarray, keep: np.ndarray, epilogue: int,
        scale: float = 1.0, *, sparse: bool = False,
    ) -> None:  # fmt: skip
        """Call `affine_forward`."""
        self.call(
            "affine_forward", panels.TABLE, self.row, self.batch, address(samples.rows), address(samples.x),
            4 * samples.x.shape[1], sparse, address(samples.lists), address(samples.starts), address(params),
            address(c), address(active), address(keep), epilogue, np.float32(scale),
        )  # fmt: skip

    def input_gradient(
        self, dy: np.ndarray, transposed: np.ndarray, dx: np.ndarray, active: np.ndarray, scale: float
    ) -> None:
        """Call `input_gradient`."""
        self.call(
            "input_gradient", panels.TABLE, self.row, self.batch, address(dy), address(transposed), 4 * dx.shape[1],
            address(dx), address(active), active.shape[1], np.float32(scale),
        )  # fmt: skip

    def weight_update(
        self, buffers: Buffers, samples: Samples, dy: np.ndarray, params: np.ndarray, update: int, hyper: np.ndarray,
        *, sparse: bool = False,
    ) -> None:  # fmt: skip
        """Call `weight_update`, in the sparse form after turning the samples' lists around as a training step does."""
        pairs = sparsity.n_pairs(self.n_in) if sparse else 0
        lists = buffers.output((pairs, self.batch), np.uint16)
        counts = buffers.output(pairs, np.int64)
        if sparse:
            sparsity.samples_of_pairs(samples.rows, self.batch, samples.pair_lists, samples.pair_starts, lists, counts)
        scratch = buffers.output((max(self.threads, 1), TILE_ROWS * PANEL_VECTORS * LANES))
        self.call(
            "weight_update", panels.TABLE, self.row, address(samples.rows), address(samples.x),
            4 * samples.x.shape[1], self.batch, sparse, address(lists), lists.shape[1], address(counts), address(dy),
            address(params), update, 4 * params.shape[1], scratch, address(hyper),
        )  # fmt: skip

    def bias_update(self, buffers: Buffers, dy: np.ndarray, params: np.ndarray, update: int, hyper: np.ndarray) -> None:
        """Call `bias_update` with the biases' line of the settings."""
        scratch = buffers.output(TILE_ROWS * LANES)
        affine.bias_update(
            self.row, self.batch, address(dy), address(params), update, 4 * params.shape[1], address(scratch),
            address(hyper) + 4 * hyper.shape[1],
        )  # fmt: skip


def pack_bits(mask: np.ndarray, ld: int, *, pad: bool) -> np.ndarray:
    """Write a (rows, columns) mask as `ld` bytes per row, `GROUP` columns a byte; `pad` fills the bits beyond."""
    wide = np.full((len(mask), ld * GROUP), pad)
    wide[:, : mask.shape[1]] = mask
    weights = 1 << np.arange(GROUP, dtype=np.int64)
    return (wide.reshape(len(mask), ld, GROUP) @ weights).astype(np.uint8)


def unpack_bits(bits: np.ndarray) -> np.ndarray:
    """Read (rows, ld) bytes of activity bits as a (rows, ld * GROUP) mask."""
    mask = (bits[:, :, None] >> np.arange(GROUP, dtype=np.uint8)) & 1
    return mask.reshape(len(bits), -1).astype(bool)


def active_bytes(n: int) -> int:
    """Bytes of activity bits in a row of `n` columns."""
    return -(-n // LANES) * MASK_BYTES
