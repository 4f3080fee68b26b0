"""How the tests call the kernels of one layer, and what they accept as equal to the reference."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numba
import numba.core.dispatcher
import numpy as np
from buffers import Buffers, address

from fastnet.kernels import _jit, affine, bias, copies, layout, operands, panels, sparsity, tile
from fastnet.kernels.host import GROUP, LANES, MASK_BYTES, TILE_ROWS, round_up
from fastnet.kernels.operands import Curve, End, Lists, Matrix, Rows, Rule
from fastnet.training import background


@cache
def _entry(kernel: Any) -> Any:
    @numba.njit(nogil=True)
    def enter(*args):  # type: ignore[no-untyped-def]
        return kernel(*args)

    return enter


def call(kernel: Any, *args: Any) -> Any:
    """Call a kernel the way the stages do, from compiled code: it need not be made for calls from Python."""
    return _entry(kernel)(*args)


def dispatchers() -> dict[str, numba.core.dispatcher.Dispatcher]:
    """Every kernel that Numba compiles when it is called, by module and name."""
    found = {}
    for source in sorted(Path(_jit.__file__).parent.glob("*.py")):
        module = import_module(f"fastnet.kernels.{source.stem}")
        for name, value in vars(module).items():
            if isinstance(value, numba.core.dispatcher.Dispatcher) and value.__module__ == module.__name__:
                found[f"{source.stem}.{name}"] = value
    return found


def signatures() -> dict[str, list[str]]:
    """What every kernel has been compiled for."""
    return {name: [str(signature) for signature in kernel.signatures] for name, kernel in dispatchers().items()}


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
    """Lay one layer out and compile all of its products, those too that a network of this width would not use."""
    plan = layout.layout((n_in, n_out), batch)
    for product in range(panels.N_PRODUCTS):
        place = layout.PANELS + 3 * product
        n_panels, n_wide, wide = plan.table[0, place : place + 3].tolist()
        panels.compile_panels((product, vectors) for vectors in {wide, wide - (n_wide < n_panels)})
    return plan


@dataclass
class Samples:
    """A left operand: samples with rows in some order, padded and listed as the kernels want them.

    x : (N, ld) float32, padding `pad`     rows : int64 sample numbers, one tile more than there are in the batch
    """

    x: np.ndarray
    rows: np.ndarray
    inputs: tuple[np.ndarray, ...]
    pairs: tuple[np.ndarray, ...]

    @classmethod
    def make(cls, buffers: Buffers, values: np.ndarray, rows: np.ndarray, pad: float) -> Samples:
        padded = np.full((len(values), layout.leading(values.shape[1])), pad, np.float32)
        padded[:, : values.shape[1]] = values
        more = np.concatenate([rows, np.repeat(rows[:1], TILE_ROWS)])
        lists = (sparsity.non_zero_lists(values, group) for group in (1, panels.PAIR))
        return cls(
            buffers.input(padded), buffers.input(more), *(tuple(buffers.input(part) for part in all) for all in lists)
        )

    def packed(self) -> Lists:
        """Lists of all samples as the first layer takes them: the values lie next to the entries."""
        entries, _, starts = self.inputs
        n_blocks = (len(starts) - 1) // len(self.x)
        return Lists(address(entries), address(starts), address(starts) + 8, n_blocks, sparsity.INPUT_BLOCK, 1)


NO_LISTS = Lists(0, 0, 0, 0, 0, 0)
"""Makes the operand a dense one."""

NO_CURVE = Curve(0, 0, 0)
"""Makes the activation an epilogue of the tile."""


def lists_of(buffers: Buffers, mask: np.ndarray) -> Lists:
    """List a hidden layer's active outputs by `list_active`; the values stay at their columns."""
    n_rows, n_columns = mask.shape
    n_bytes, n_blocks = active_bytes(n_columns), -(-n_columns // layout.LIST_BLOCK)
    bits = buffers.input(pack_bits(mask, n_bytes, pad=False))
    capacity = int(layout.layout((1, n_columns), n_rows).table[0, layout.CAPACITY])
    lists = buffers.output(n_rows * capacity, np.uint8)
    begins, ends = buffers.output(n_rows * n_blocks, np.int64), buffers.output(n_rows * n_blocks, np.int64)
    found = call(sparsity.list_active, bits.reshape(-1), n_bytes, n_rows, capacity, n_blocks, lists, begins, ends)
    assert found == np.count_nonzero(mask)
    return Lists(address(lists), address(begins), address(ends), n_blocks, layout.LIST_BLOCK, 0)


class Layer:
    """The kernels of one layer of `batch` samples, `n_in` inputs and `n_out` outputs, called as the stages do.

    With `threads` it calls the parallel kernels, in the thread where those may run.
    """

    def __init__(self, batch: int, n_in: int, n_out: int, threads: int = 0) -> None:
        self.batch, self.n_in, self.n_out = batch, n_in, n_out
        self.plan = _plan(batch, n_in, n_out)
        self.row = self.plan.table[0]
        self.ld = int(self.row[layout.LDW])
        self.ld_in = layout.leading(n_in)
        self.columns, self.columns_in = round_up(n_out, LANES), round_up(n_in, LANES)
        self.tile_rows = round_up(batch, TILE_ROWS)
        self.threads = threads
        self.room = np.full((max(threads, 1), copies.scratch_size(batch)), np.nan, np.float32)

    def _call(self, name: str, *args: Any) -> None:
        if not self.threads:
            call(getattr(affine, name), *args)
        else:
            background.submit(self.threads, lambda: call(getattr(affine, name + "_parallel"), *args)).result()

    def parameters(self, w: np.ndarray, b: np.ndarray, states: tuple[Any, ...] = (), pad: float = 0.0) -> np.ndarray:
        """Lay weights, biases and a pair of the same per optimizer state out as (1 + states, P)."""
        flat = np.full((1 + len(states), self.plan.n_parameters), pad, np.float32)
        for line, (weights, biases) in zip(flat, ((w, b), *states), strict=True):
            layout.pack_parameters(self.plan.table, [weights], [biases], line)
        return flat

    def unpack(self, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights and biases of one line of the parameters."""
        weights, biases = layout.unpack_parameters(self.plan.table, flat)
        return weights[0], biases[0]

    def padding(self, flat: np.ndarray) -> np.ndarray:
        """Return the padding of one line of the parameters."""
        ones = np.ones((self.n_in, self.n_out), np.float32), np.ones(self.n_out, np.float32)
        return flat[self.parameters(*ones)[0] == 0]

    def outputs(self, buffers: Buffers) -> np.ndarray:
        """Return a (tile rows, ld) matrix to be written: canaries in whole vectors, zeros in columns beyond."""
        c = buffers.output((self.tile_rows, self.ld))
        c[:, self.columns :] = 0
        return c

    def bits(self, buffers: Buffers) -> np.ndarray:
        """Return activity bits of this layer's outputs, to be written."""
        return buffers.output((self.tile_rows, active_bytes(self.n_out)), np.uint8)

    def forward(
        self, samples: Samples, params: np.ndarray, y: np.ndarray, active: np.ndarray, keep: np.ndarray, epilogue: int,
        scale: float = 1.0, lists: Lists | None = None, curve: Curve | None = None,
    ) -> None:  # fmt: skip
        """Call `affine_forward`: dense, or by the lists of the samples or of a hidden layer."""
        packed = lists is not None and lists.packed == 1
        x, ld = (samples.inputs[1], 0) if packed else (samples.x, 4 * samples.x.shape[1])
        end = End(epilogue, address(active), address(keep), int(self.row[layout.LD_ACTIVE]), np.float32(scale))
        self._call(
            "affine_forward", self.operand(params, self.room), self.batch, Rows(address(samples.rows), address(x), ld),
            lists or NO_LISTS, Matrix(address(y), 4 * self.ld), end, curve or NO_CURVE,
        )  # fmt: skip

    def input_gradient(
        self, dy: np.ndarray, transposed: np.ndarray, dx: np.ndarray, active: np.ndarray, scale: float,
        lists: Lists | None = None, curve: Curve | None = None,
    ) -> None:  # fmt: skip
        """Call `input_gradient`: dense, or by the lists of this layer's active outputs."""
        end = End(tile.RELU, address(active), 0, active.shape[1], np.float32(scale))
        self._call(
            "input_gradient", self.operand(None, self.room), self.batch, matrix(dy), lists or NO_LISTS,
            Matrix(address(transposed), 4 * dx.shape[1]), matrix(dx), end, curve or NO_CURVE,
        )  # fmt: skip

    def weight_update(
        self, buffers: Buffers, samples: Samples, dy: np.ndarray, params: np.ndarray, update: int, hyper: np.ndarray,
        *, listed: bool = False,
    ) -> None:  # fmt: skip
        """Call `weight_update`, or `weight_update_listed` on the samples' pairs."""
        scratch = self.scratch(buffers)
        layer, rule = self.operand(params, scratch), Rule(update, 4 * params.shape[1], address(hyper))
        if not listed:
            identity = buffers.input(np.arange(self.batch + TILE_ROWS))
            x = Rows(address(samples.rows), address(samples.x), 4 * samples.x.shape[1])
            self._call("weight_update", layer._replace(identity=address(identity)), self.batch, x, matrix(dy), rule)
            return
        room = len(scratch), sparsity.PAIRS_IN_BLOCK, self.batch
        pairs = operands.Pairs(
            samples.rows[: self.batch], *samples.pairs, buffers.output(room, np.uint16),
            buffers.output((room[0], room[1] * room[2], panels.PAIR)), buffers.output(room[:2], np.int64),
        )  # fmt: skip
        self._call("weight_update_listed", layer, pairs, matrix(dy), rule)

    def bias_update(self, buffers: Buffers, dy: np.ndarray, params: np.ndarray, update: int, hyper: np.ndarray) -> None:
        """Call `bias_update` with the biases' line of the settings."""
        rule = Rule(update, 4 * params.shape[1], address(hyper) + 4 * hyper.shape[1])
        call(bias.bias_update, self.operand(params, self.scratch(buffers)), self.batch, matrix(dy), rule)

    def operand(self, params: np.ndarray | None, scratch: np.ndarray) -> operands.Layer:
        """Return this layer as the kernels take it; `params` None where they are not read."""
        return operands.Layer(panels.TABLE, self.row, address(params) if params is not None else 0, scratch, 0)

    def scratch(self, buffers: Buffers) -> np.ndarray:
        """Return the room of every thread for a gradient on its way to an update rule."""
        return buffers.output(self.room.shape)


def matrix(values: np.ndarray) -> Matrix:
    """Return a matrix as the kernels take it."""
    return Matrix(address(values), 4 * values.shape[1])


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
