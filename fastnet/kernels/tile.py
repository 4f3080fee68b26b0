"""The register tile: a block of the result that stays in vector registers while a product is summed.

A `Tile(rows, vectors)` is an LLVM array of ``rows * vectors`` vectors of `LANES` floats. Numba cannot express this
itself, so the few operations that a product needs are intrinsics that emit LLVM code: clear or load, add a rank-1
product, and the epilogues that store. Operands are byte addresses, see `memory`.

The sum over k of each element is one chain of fused multiply-adds in the order of k. The bits of a result therefore do
not depend on the tile, the lanes, the threads or on whether zeros were skipped.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

from fastnet.kernels.host import LANES, MASK_BYTES
from fastnet.kernels.memory import F32, I32, I64, address, constant, in_register, read, row_of, write
from fastnet.kernels.vector import (
    BITS,
    STORED_BITS,
    VECTOR,
    ZERO,
    fill,
    multiply_add,
    read_bits,
    read_vector,
    write_vector,
)

LINEAR, RELU, RELU_KEPT = range(3)
"""Ends of a forward product, see `finish`: nothing, ReLU, ReLU and dropout."""

FOUR = 4
"""Entries of a list that `rank1_four` takes at once."""


class Tile(types.Type):  # type: ignore[misc]
    """Numba type of a register tile."""

    def __init__(self, rows: int, vectors: int) -> None:
        self.rows = rows
        self.vectors = vectors
        super().__init__(name=f"Tile({rows}, {vectors})")


@register_model(Tile)
class _TileModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, tile: Tile) -> None:
        super().__init__(manager, tile, ir.ArrayType(VECTOR, tile.rows * tile.vectors))


@intrinsic(prefer_literal=True)
def zeros(typing: Any, rows: Any, vectors: Any) -> Any:
    """Return a cleared tile."""
    tile = Tile(rows.literal_value, vectors.literal_value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(ir.ArrayType(VECTOR, tile.rows * tile.vectors), None)

    return tile(rows, vectors), generate


@intrinsic
def load_row(typing: Any, tile: Any, base: Any) -> Any:
    """Return a tile whose every row is the vectors at `base` (a bias)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        result, base = args
        values = [read_vector(builder, base, v) for v in range(tile.vectors)]
        for k in range(tile.rows * tile.vectors):
            result = builder.insert_value(result, values[k % tile.vectors], k)
        return result

    return tile(tile, types.int64), generate


@intrinsic
def load(typing: Any, tile: Any, base: Any, stride: Any) -> Any:
    """Return the tile at `base`, rows `stride` bytes apart, to continue its sums."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        result, base, stride = args
        for k in range(tile.rows * tile.vectors):
            row = row_of(builder, base, stride, k // tile.vectors)
            result = builder.insert_value(result, read_vector(builder, row, k % tile.vectors), k)
        return result

    return tile(tile, types.int64, types.int64), generate


@intrinsic
def repeat_row(typing: Any, tile: Any) -> Any:
    """Return a tile whose every row is the first one of a tile."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (acc,) = args
        for k in range(tile.vectors, tile.rows * tile.vectors):
            acc = builder.insert_value(acc, builder.extract_value(acc, k % tile.vectors), k)
        return acc

    return tile(tile), generate


@intrinsic
def last_row(typing: Any, tile: Any) -> Any:
    """Return a tile of the last row alone."""
    one = Tile(1, tile.vectors)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        result = ir.Constant(context.get_value_type(one), ir.Undefined)
        for v in range(tile.vectors):
            value = builder.extract_value(args[0], (tile.rows - 1) * tile.vectors + v)
            result = builder.insert_value(result, value, v)
        return result

    return one(tile), generate


def _add_product(builder: Any, tile: Tile, acc: Any, scalars: list[Any], base: Any) -> Any:
    values = [read_vector(builder, base, v) for v in range(tile.vectors)]
    for r, scalar in enumerate(scalars):
        factor = fill(builder, scalar)
        for v in range(tile.vectors):
            k = r * tile.vectors + v
            total = multiply_add(builder, factor, values[v], builder.extract_value(acc, k))
            acc = builder.insert_value(acc, total, k)
    return acc


@intrinsic
def rank1(typing: Any, tile: Any, scalars: Any, base: Any) -> Any:
    """Add the product of one float per row (a uniform tuple) and the vectors at `base`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        acc, scalars, base = args
        factors = [builder.extract_value(scalars, r) for r in range(tile.rows)]
        return _add_product(builder, tile, acc, factors, base)

    return tile(tile, types.UniTuple(types.float32, tile.rows), types.int64), generate


@intrinsic
def rank1_strided(typing: Any, tile: Any, first: Any, stride: Any, base: Any) -> Any:
    """Add the product of the floats at ``first + row * stride`` and the vectors at `base`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        acc, first, stride, base = args
        scalars = [read(builder, row_of(builder, first, stride, r), F32, 4) for r in range(tile.rows)]
        return _add_product(builder, tile, acc, scalars, base)

    return tile(tile, types.int64, types.int64, types.int64), generate


@intrinsic
def chosen_rows(typing: Any, tile: Any, numbers: Any, base: Any, stride: Any) -> Any:
    """Return the addresses of the rows of a matrix whose numbers are at `numbers`, one for each row of the tile."""
    rows = types.UniTuple(types.int64, tile.rows)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, numbers, base, stride = args
        places = [read(builder, builder.add(numbers, constant(8 * r)), I64, 8) for r in range(tile.rows)]
        return context.make_tuple(
            builder, rows, [builder.add(base, builder.mul(place, stride)) for place in places]
        )  # fmt: skip

    return rows(tile, types.int64, types.int64, types.int64), generate


@intrinsic
def rank1_rows(typing: Any, tile: Any, rows: Any, offset: Any, base: Any) -> Any:
    """Add the product of the floats `offset` bytes into each of some rows and the vectors at `base`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        acc, rows, offset, base = args
        places = [builder.add(builder.extract_value(rows, r), offset) for r in range(tile.rows)]
        return _add_product(builder, tile, acc, [read(builder, place, F32, 4) for place in places], base)

    return tile(tile, types.UniTuple(types.int64, tile.rows), types.int64, types.int64), generate


def _add_own(builder: Any, tile: Tile, acc: Any, r: int, factor: Any, base: Any) -> Any:
    """Emit the addition to row r of a factor and the vectors at an address of its own."""
    for v in range(tile.vectors):
        k = r * tile.vectors + v
        values = read_vector(builder, base, v)
        acc = builder.insert_value(acc, multiply_add(builder, factor, values, builder.extract_value(acc, k)), k)
    return acc


@intrinsic
def add_levels(typing: Any, tile: Any, rows: Any, offset: Any, base: Any, stride: Any, count: Any) -> Any:
    """Add to each row the vectors of the level that is `offset` bytes into its own of some rows, an uint32.

    Those of level k lie at ``base + k * stride``; the level `count` adds zeros.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        acc, rows, offset, base, stride, count = args
        last = builder.sub(count, constant(1))
        for r in range(tile.rows):
            level = read(builder, builder.add(builder.extract_value(rows, r), offset), I32, 4)
            level = builder.zext(level, I64)
            known = builder.icmp_signed("<", level, count)
            factor = fill(builder, builder.uitofp(known, F32))
            level = builder.select(known, level, last)
            acc = _add_own(builder, tile, acc, r, factor, builder.add(base, builder.mul(level, stride)))
        return acc

    rows_type = types.UniTuple(types.int64, tile.rows)
    return tile(tile, rows_type, types.int64, types.int64, types.int64, types.int64), generate


@intrinsic
def mix_rows(typing: Any, tile: Any, places: Any, shares: Any, offset: Any, base: Any, stride: Any) -> Any:
    """Add to each row 1 - share of the vectors at its place, then its share of those one place further.

    Places (uint32) and shares are `offset` bytes into some rows each; the vectors of place k are at
    ``base + k * stride``. All first additions come before all second ones, which wait for them, and an address is one
    register: together 128 samples of 10 numbers took 17.8 microseconds instead of 18.8 on AVX2.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        acc, places, shares, offset, base, stride = args
        later = []
        for r in range(tile.rows):
            place = read(builder, builder.add(builder.extract_value(places, r), offset), I32, 4)
            own = in_register(builder, builder.add(base, builder.mul(builder.zext(place, I64), stride)))
            share = fill(builder, read(builder, builder.add(builder.extract_value(shares, r), offset), F32, 4))
            rest = builder.fsub(ir.Constant(VECTOR, [1.0] * LANES), share)
            acc = _add_own(builder, tile, acc, r, rest, own)
            later.append((r, share, builder.add(own, stride)))
        for r, share, after in later:
            acc = _add_own(builder, tile, acc, r, share, after)
        return acc

    rows = types.UniTuple(types.int64, tile.rows)
    return tile(tile, rows, rows, types.int64, types.int64, types.int64), generate


@intrinsic(prefer_literal=True)
def rank1_four(typing: Any, tile: Any, entries: Any, values: Any, packed: Any, base: Any, stride: Any) -> Any:
    """Add to a tile of one row the products of four entries of a list, a byte each in `entries`, the first lowest.

    Entry k takes the vectors at ``base + k * stride`` and its value from column k of the floats at `values` or, if they
    are `packed` like the list, from its place in the list. One load serves four entries: these products wait for loads,
    and with one load each a trial took 3 % longer.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        acc, entries, values, _, base, stride = args
        for place in range(FOUR):
            k = builder.and_(builder.lshr(entries, constant(8 * place)), constant(0xFF))
            column = constant(4 * place) if packed.literal_value else builder.shl(k, constant(2))
            value = read(builder, builder.add(values, column), F32, 4)
            acc = _add_product(builder, tile, acc, [value], builder.add(base, builder.mul(k, stride)))
        return acc

    return tile(tile, types.int64, types.int64, packed, types.int64, types.int64), generate


def _store_mask(builder: Any, mask: Any, base: Any, v: int) -> None:
    bits = builder.bitcast(mask, BITS)
    stored = bits if STORED_BITS.width == LANES else builder.zext(bits, STORED_BITS)
    write(builder, stored, builder.add(base, constant(MASK_BYTES * v)), STORED_BITS, 1)


def _store(builder: Any, tile: Tile, acc: Any, base: Any, stride: Any) -> None:
    for k in range(tile.rows * tile.vectors):
        row = row_of(builder, base, stride, k // tile.vectors)
        write_vector(builder, builder.extract_value(acc, k), row, k % tile.vectors)


@intrinsic
def store(typing: Any, tile: Any, base: Any, stride: Any) -> Any:
    """Write the tile to `base`, rows `stride` bytes apart."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _store(builder, tile, *args)
        return context.get_dummy_value()

    return types.none(tile, types.int64, types.int64), generate


def _store_selected(builder: Any, tile: Tile, args: Any, choose: Any) -> None:
    """Write ``scale * value`` where `choose` is true and zero elsewhere."""
    acc, base, stride, scale = args
    factor = fill(builder, scale)
    for k in range(tile.rows * tile.vectors):
        r, v = divmod(k, tile.vectors)
        value = builder.extract_value(acc, k)
        kept = builder.select(choose(value, r, v), builder.fmul(value, factor), ZERO)
        write_vector(builder, kept, row_of(builder, base, stride, r), v)


def _store_relu(builder: Any, tile: Tile, args: Any, active: Any, stride: Any, keep: Any = None) -> None:
    def choose(value: Any, r: int, v: int) -> Any:
        chosen = builder.fcmp_unordered(">", value, ZERO)  # NaN stays NaN: a dead unit would hide that weights diverged
        if keep is not None:
            chosen = builder.and_(chosen, read_bits(builder, row_of(builder, keep, stride, r), v))
        _store_mask(builder, chosen, row_of(builder, active, stride, r), v)
        return chosen

    _store_selected(builder, tile, args, choose)


@intrinsic
def finish(
    typing: Any, tile: Any, base: Any, stride: Any, kind: Any, scale: Any, active: Any, active_stride: Any, keep: Any
) -> Any:
    """Store the tile of a forward product by the kind of its end.

    LINEAR     as it is
    RELU       ``scale * max(value, 0)``, and one activity bit per element (set where the value is above zero, or NaN)
    RELU_KEPT  the same without the elements whose bit at `keep` (laid out like `active`) is clear
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        acc, base, stride, kind, scale, active, active_stride, keep = args
        with builder.if_else(builder.icmp_signed("==", kind, constant(LINEAR))) as (linear, other):
            with linear:
                _store(builder, tile, acc, base, stride)
            with other, builder.if_else(builder.icmp_signed("==", kind, constant(RELU))) as (all_kept, some_kept):
                with all_kept:
                    _store_relu(builder, tile, (acc, base, stride, scale), active, active_stride)
                with some_kept:
                    _store_relu(builder, tile, (acc, base, stride, scale), active, active_stride, keep)
        return context.get_dummy_value()

    return types.none(tile, *[types.int64] * 3, types.float32, *[types.int64] * 3), generate


@intrinsic
def store_active(typing: Any, tile: Any, base: Any, stride: Any, scale: Any, active: Any, active_stride: Any) -> Any:
    """Write ``scale * value`` where the activity bit is set and zero elsewhere: ReLU's and dropout's derivative."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        active, active_stride = args[4:]
        _store_selected(
            builder,
            tile,
            args[:4],
            lambda value, r, v: read_bits(builder, row_of(builder, active, active_stride, r), v),
        )
        return context.get_dummy_value()

    return types.none(tile, address, address, types.float32, address, address), generate


@intrinsic
def store_sgd(typing: Any, tile: Any, base: Any, stride: Any, learning_rate: Any, weight_decay: Any) -> Any:
    """Update the weights at `base` by the gradient in the tile: ``w -= learning_rate * (dw + weight_decay * w)``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        acc, base, stride, rate, decay = args
        step, decay = fill(builder, builder.fneg(rate)), fill(builder, decay)
        for k in range(tile.rows * tile.vectors):
            r, v = divmod(k, tile.vectors)
            row = row_of(builder, base, stride, r)
            weight = read_vector(builder, row, v)
            gradient = multiply_add(builder, decay, weight, builder.extract_value(acc, k))
            write_vector(builder, multiply_add(builder, step, gradient, weight), row, v)
        return context.get_dummy_value()

    return types.none(tile, address, address, types.float32, types.float32), generate
