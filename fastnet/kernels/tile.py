"""The register tile: a block of the result that stays in vector registers while a product is summed.

A `Tile(rows, vectors)` is an LLVM array of ``rows * vectors`` vectors of `LANES` floats. Numba cannot express this
itself, so the handful of operations a product needs are intrinsics that emit LLVM code: clear or load, add a rank-1
product, and the epilogues that store. Operands are raw byte addresses (int64): the panels of `panels` are compiled once
and called through function pointers, so no array descriptors travel here.

The sum over k of each element is one chain of fused multiply-adds in the order of k. That is what makes the bits of a
result independent of the tile, the lanes, the threads and of whether zeros were skipped.
"""

from __future__ import annotations

import operator
import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model
from numba.np import arrayobj

from fastnet.kernels.host import LANES, MASK_BYTES

_F32 = ir.FloatType()
_I8 = ir.IntType(8)
_I16 = ir.IntType(16)
_I32 = ir.IntType(32)
_I64 = ir.IntType(64)
_VECTOR = ir.VectorType(_F32, LANES)
_BITS = ir.IntType(LANES)
_MASK = ir.VectorType(ir.IntType(1), LANES)
_STORED_MASK = ir.IntType(8 * MASK_BYTES)
_ZERO = ir.Constant(_VECTOR, None)
_UNDEFINED = ir.Constant(_VECTOR, ir.Undefined)

address = types.int64


class Tile(types.Type):  # type: ignore[misc]
    """Numba type of a register tile."""

    def __init__(self, rows: int, vectors: int) -> None:
        self.rows = rows
        self.vectors = vectors
        super().__init__(name=f"Tile({rows}, {vectors})")


@register_model(Tile)
class _TileModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, tile: Tile) -> None:
        super().__init__(manager, tile, ir.ArrayType(_VECTOR, tile.rows * tile.vectors))


def _const(value: int) -> ir.Constant:
    return ir.Constant(_I64, value)


def _load(builder: Any, base: Any, kind: ir.Type, align: int) -> Any:
    return builder.load(builder.inttoptr(base, kind.as_pointer()), align=align)


def _store(builder: Any, value: Any, base: Any, kind: ir.Type, align: int) -> None:
    builder.store(value, builder.inttoptr(base, kind.as_pointer()), align=align)


def _load_vector(builder: Any, base: Any, v: int = 0) -> Any:
    return _load(builder, builder.add(base, _const(4 * LANES * v)), _VECTOR, 4)


def _store_vector(builder: Any, value: Any, base: Any, v: int = 0) -> None:
    _store(builder, value, builder.add(base, _const(4 * LANES * v)), _VECTOR, 4)


def _splat(builder: Any, scalar: Any) -> Any:
    lanes = ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
    single = builder.insert_element(_UNDEFINED, scalar, ir.Constant(_I32, 0))
    return builder.shuffle_vector(single, _UNDEFINED, lanes)


def _fma(builder: Any) -> Any:
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    return cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32")


def _row(builder: Any, base: Any, stride: Any, row: int) -> Any:
    return builder.add(base, builder.mul(stride, _const(row))) if row else base


def _load_mask(builder: Any, base: Any, v: int) -> Any:
    """Read the activity bits of vector `v` of a row as a vector of booleans."""
    stored = _load(builder, builder.add(base, _const(MASK_BYTES * v)), _STORED_MASK, 1)
    bits = stored if _STORED_MASK.width == LANES else builder.trunc(stored, _BITS)
    return builder.bitcast(bits, _MASK)


def _store_mask(builder: Any, mask: Any, base: Any, v: int) -> None:
    bits = builder.bitcast(mask, _BITS)
    stored = bits if _STORED_MASK.width == LANES else builder.zext(bits, _STORED_MASK)
    _store(builder, stored, builder.add(base, _const(MASK_BYTES * v)), _STORED_MASK, 1)


@intrinsic
def address_of(typing: Any, array: Any) -> Any:
    """Byte address of an array's first element as int64 (``ctypes.data`` is unsigned, and mixing makes floats)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.ptrtoint(data, _I64)

    return types.int64(array), generate


@intrinsic
def rows_at(typing: Any, base: Any, count: Any) -> Any:
    """Return the int64 array of `count` entries at a byte address."""
    array = types.Array(types.int64, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        result = context.make_array(array)(context, builder)
        data = builder.inttoptr(args[0], _I64.as_pointer())
        arrayobj.populate_array(result, data, [args[1]], [_const(8)], _const(8), None)
        return result._getvalue()

    return array(types.int64, types.int64), generate


@intrinsic
def load_f32(typing: Any, base: Any) -> Any:
    """float32 at a byte address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _load(builder, args[0], _F32, 4)

    return types.float32(types.int64), generate


@intrinsic
def load_i64(typing: Any, base: Any) -> Any:
    """int64 at a byte address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _load(builder, args[0], _I64, 8)

    return types.int64(types.int64), generate


@intrinsic
def store_i64(typing: Any, base: Any, value: Any) -> Any:
    """Write an int64 to a byte address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _store(builder, args[1], args[0], _I64, 8)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), generate


@intrinsic
def load_u8(typing: Any, base: Any) -> Any:
    """uint8 at a byte address, widened to int64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(_load(builder, args[0], _I8, 1), _I64)

    return types.int64(types.int64), generate


@intrinsic
def store_u16(typing: Any, base: Any, value: Any) -> Any:
    """Write the low 16 bits of an int64 to a byte address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _store(builder, builder.trunc(args[1], _I16), args[0], _I16, 2)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), generate


@intrinsic
def add_eight_u16(typing: Any, source: Any, amount: Any, target: Any) -> Any:
    """Write the eight uint16 at `source`, each with `amount` added, to `target`."""
    eight = ir.VectorType(_I16, 8)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        undefined = ir.Constant(eight, ir.Undefined)
        single = builder.insert_element(undefined, builder.trunc(args[1], _I16), ir.Constant(_I32, 0))
        amounts = builder.shuffle_vector(single, undefined, ir.Constant(ir.VectorType(_I32, 8), [0] * 8))
        _store(builder, builder.add(_load(builder, args[0], eight, 2), amounts), args[2], eight, 2)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), generate


@intrinsic
def load_u16(typing: Any, base: Any) -> Any:
    """uint16 at a byte address, widened to int64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(_load(builder, args[0], _I16, 2), _I64)

    return types.int64(types.int64), generate


@intrinsic(prefer_literal=True)
def zeros(typing: Any, rows: Any, vectors: Any) -> Any:
    """Return a cleared tile."""
    tile = Tile(rows.literal_value, vectors.literal_value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(ir.ArrayType(_VECTOR, tile.rows * tile.vectors), None)

    return tile(rows, vectors), generate


@intrinsic
def load_row(typing: Any, tile: Any, base: Any) -> Any:
    """Return a tile whose every row is the vectors at `base` (a bias)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        result, base = args
        values = [_load_vector(builder, base, v) for v in range(tile.vectors)]
        for k in range(tile.rows * tile.vectors):
            result = builder.insert_value(result, values[k % tile.vectors], k)
        return result

    return tile(tile, types.int64), generate


def _add_product(builder: Any, tile: Tile, acc: Any, scalars: list[Any], base: Any) -> Any:
    fma = _fma(builder)
    values = [_load_vector(builder, base, v) for v in range(tile.vectors)]
    for r, scalar in enumerate(scalars):
        factor = _splat(builder, scalar)
        for v in range(tile.vectors):
            k = r * tile.vectors + v
            total = builder.call(fma, [factor, values[v], builder.extract_value(acc, k)])
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
        scalars = [_load(builder, _row(builder, first, stride, r), _F32, 4) for r in range(tile.rows)]
        return _add_product(builder, tile, acc, scalars, base)

    return tile(tile, types.int64, types.int64, types.int64), generate


@intrinsic
def store(typing: Any, tile: Any, base: Any, stride: Any) -> Any:
    """Write the tile to `base`, rows `stride` bytes apart."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        acc, base, stride = args
        for k in range(tile.rows * tile.vectors):
            row = _row(builder, base, stride, k // tile.vectors)
            _store_vector(builder, builder.extract_value(acc, k), row, k % tile.vectors)
        return context.get_dummy_value()

    return types.none(tile, types.int64, types.int64), generate


def _store_selected(builder: Any, tile: Tile, args: Any, choose: Any) -> None:
    """Write ``scale * value`` where `choose` gives true and zero elsewhere."""
    acc, base, stride, scale = args
    factor = _splat(builder, scale)
    for k in range(tile.rows * tile.vectors):
        r, v = divmod(k, tile.vectors)
        value = builder.extract_value(acc, k)
        kept = builder.select(choose(value, r, v), builder.fmul(value, factor), _ZERO)
        _store_vector(builder, kept, _row(builder, base, stride, r), v)


@intrinsic
def store_relu(typing: Any, tile: Any, base: Any, stride: Any, scale: Any, active: Any, active_stride: Any) -> Any:
    """Write ``scale * max(value, 0)`` and one activity bit per element (set where the value is above zero)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        active, active_stride = args[4:]

        def choose(value: Any, r: int, v: int) -> Any:
            positive = builder.fcmp_ordered(">", value, _ZERO)
            _store_mask(builder, positive, _row(builder, active, active_stride, r), v)
            return positive

        _store_selected(builder, tile, args[:4], choose)
        return context.get_dummy_value()

    return types.none(tile, address, address, types.float32, address, address), generate


@intrinsic
def store_relu_kept(
    typing: Any, tile: Any, base: Any, stride: Any, scale: Any, active: Any, active_stride: Any, keep: Any
) -> Any:
    """Do as `store_relu`, but drop the elements whose bit at `keep` (laid out like `active`) is clear."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        active, active_stride, keep = args[4:]

        def choose(value: Any, r: int, v: int) -> Any:
            positive = builder.fcmp_ordered(">", value, _ZERO)
            kept = _load_mask(builder, _row(builder, keep, active_stride, r), v)
            chosen = builder.and_(positive, kept)
            _store_mask(builder, chosen, _row(builder, active, active_stride, r), v)
            return chosen

        _store_selected(builder, tile, args[:4], choose)
        return context.get_dummy_value()

    return types.none(tile, address, address, types.float32, address, address, address), generate


@intrinsic
def store_active(typing: Any, tile: Any, base: Any, stride: Any, scale: Any, active: Any, active_stride: Any) -> Any:
    """Write ``scale * value`` where the activity bit is set and zero elsewhere: ReLU's and dropout's derivative."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        active, active_stride = args[4:]
        _store_selected(
            builder, tile, args[:4], lambda value, r, v: _load_mask(builder, _row(builder, active, active_stride, r), v)
        )
        return context.get_dummy_value()

    return types.none(tile, address, address, types.float32, address, address), generate


@intrinsic
def store_sgd(typing: Any, tile: Any, base: Any, stride: Any, learning_rate: Any, weight_decay: Any) -> Any:
    """Update the weights at `base` by the gradient in the tile: ``w -= learning_rate * (dw + weight_decay * w)``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        acc, base, stride, rate, decay = args
        fma = _fma(builder)
        step, decay = _splat(builder, builder.fneg(rate)), _splat(builder, decay)
        for k in range(tile.rows * tile.vectors):
            r, v = divmod(k, tile.vectors)
            row = _row(builder, base, stride, r)
            weight = _load_vector(builder, row, v)
            gradient = builder.call(fma, [decay, weight, builder.extract_value(acc, k)])
            _store_vector(builder, builder.call(fma, [step, gradient, weight]), row, v)
        return context.get_dummy_value()

    return types.none(tile, address, address, types.float32, types.float32), generate


@intrinsic
def transpose_block(typing: Any, source: Any, source_stride: Any, target: Any, target_stride: Any) -> Any:
    """Transpose a square block of `LANES` x `LANES` floats in registers, in log2(LANES) rounds of shuffles."""

    def shuffle(builder: Any, a: Any, b: Any, indices: list[int]) -> Any:
        return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, LANES), indices))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, source_stride, target, target_stride = args
        rows = [_load_vector(builder, _row(builder, source, source_stride, r)) for r in range(LANES)]
        half = 1
        while half < LANES:
            low = [j if not j & half else LANES + j - half for j in range(LANES)]
            high = [j + half if not j & half else LANES + j for j in range(LANES)]
            for i in range(LANES):
                if not i & half:
                    a, b = rows[i], rows[i + half]
                    rows[i], rows[i + half] = shuffle(builder, a, b, low), shuffle(builder, a, b, high)
            half *= 2
        for r in range(LANES):
            _store_vector(builder, rows[r], _row(builder, target, target_stride, r))
        return context.get_dummy_value()

    return types.none(address, address, address, address), generate


@intrinsic
def clock(typing: Any) -> Any:
    """Seconds on the system's monotonic clock as float64; NaN where there is no POSIX clock."""
    monotonic = {"linux": 1, "darwin": 6}.get(sys.platform)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if monotonic is None:
            return ir.Constant(ir.DoubleType(), float("nan"))
        kind = ir.FunctionType(_I32, [_I32, _I64.as_pointer()])
        read = cgutils.get_or_insert_function(builder.module, kind, "clock_gettime")
        time = cgutils.alloca_once(builder, _I64, 2)
        builder.call(read, [ir.Constant(_I32, monotonic), time])
        whole, nano = (builder.load(builder.gep(time, [ir.Constant(_I32, n)])) for n in range(2))
        seconds = builder.sitofp(whole, ir.DoubleType())
        part = builder.fmul(builder.sitofp(nano, ir.DoubleType()), ir.Constant(ir.DoubleType(), 1e-9))
        return builder.fadd(seconds, part)

    return types.float64(), generate


@intrinsic
def splat(typing: Any, value: Any) -> Any:
    """Return one vector with every lane set to a float32: the operand of elementwise formulas."""
    vector = Tile(1, 1)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        filled = _splat(builder, args[0])
        return builder.insert_value(ir.Constant(ir.ArrayType(_VECTOR, 1), None), filled, 0)

    return vector(types.float32), generate


@intrinsic
def load_vector(typing: Any, base: Any) -> Any:
    """Return the `LANES` floats at a byte address as one vector."""
    vector = Tile(1, 1)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.insert_value(ir.Constant(ir.ArrayType(_VECTOR, 1), None), _load_vector(builder, args[0]), 0)

    return vector(types.int64), generate


@intrinsic
def store_vector(typing: Any, vector: Any, base: Any) -> Any:
    """Write one vector to a byte address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _store_vector(builder, builder.extract_value(args[0], 0), args[1])
        return context.get_dummy_value()

    return types.none(vector, types.int64), generate


def _elementwise(name: str) -> Any:
    """Make the intrinsic of one LLVM operation on two vectors."""

    @intrinsic
    def apply(typing: Any, left: Any, right: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a, b = (builder.extract_value(value, 0) for value in args)
            return builder.insert_value(args[0], getattr(builder, name)(a, b), 0)

        return left(left, right), generate

    return apply


def _register_operator(operation: Any, name: str) -> None:
    apply = _elementwise(name)

    def implement(left, right):  # type: ignore[no-untyped-def]  # Numba compares it with the lambda
        if isinstance(left, Tile) and isinstance(right, Tile):
            return lambda left, right: apply(left, right)
        return None

    overload(operation)(implement)


for _operation, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _register_operator(_operation, _name)


@intrinsic
def square_root(typing: Any, vector: Any) -> Any:
    """Return the square root of each lane, correctly rounded."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR])
        root = cgutils.get_or_insert_function(builder.module, kind, f"llvm.sqrt.v{LANES}f32")
        return builder.insert_value(args[0], builder.call(root, [builder.extract_value(args[0], 0)]), 0)

    return vector(vector), generate


@intrinsic
def at_least(typing: Any, vector: Any, least: Any) -> Any:
    """Return each lane, or `least` where it is below that; a NaN stays one."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, limit = builder.extract_value(args[0], 0), _splat(builder, args[1])
        kept = builder.select(builder.fcmp_ordered("<", value, limit), limit, value)
        return builder.insert_value(args[0], kept, 0)

    return vector(vector, types.float32), generate


@intrinsic
def round_even(typing: Any, vector: Any) -> Any:
    """Return each lane rounded to the nearest whole number, halves to the even one."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR])
        nearest = cgutils.get_or_insert_function(builder.module, kind, f"llvm.nearbyint.v{LANES}f32")
        return builder.insert_value(args[0], builder.call(nearest, [builder.extract_value(args[0], 0)]), 0)

    return vector(vector), generate


@intrinsic
def power_of_two(typing: Any, vector: Any) -> Any:
    """Return 2 to each lane, whole numbers from -126 to 127, by writing the exponent; NaN gives any number."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole = ir.VectorType(_I32, LANES)
        exponent = builder.fptosi(builder.extract_value(args[0], 0), whole)
        biased = builder.add(exponent, ir.Constant(whole, [127] * LANES))
        bits = builder.shl(biased, ir.Constant(whole, [23] * LANES))
        return builder.insert_value(args[0], builder.bitcast(bits, _VECTOR), 0)

    return vector(vector), generate


@intrinsic
def first_lanes(typing: Any, vector: Any, count: Any) -> Any:
    """Return the first `count` lanes (any number of them) and zeros."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole = ir.VectorType(_I64, LANES)
        single = builder.insert_element(ir.Constant(whole, ir.Undefined), args[1], ir.Constant(_I32, 0))
        zeroth = ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
        limit = builder.shuffle_vector(single, ir.Constant(whole, ir.Undefined), zeroth)
        inside = builder.icmp_signed("<", ir.Constant(whole, list(range(LANES))), limit)
        return builder.insert_value(args[0], builder.select(inside, builder.extract_value(args[0], 0), _ZERO), 0)

    return vector(vector, types.int64), generate


@intrinsic
def fetch_add(typing: Any, counter: Any, amount: Any) -> Any:
    """Add to the int64 at a byte address atomically and return what it held before."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", builder.inttoptr(args[0], _I64.as_pointer()), args[1], "monotonic")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def load_shared(typing: Any, base: Any) -> Any:
    """int64 at a byte address that another thread may write at any time: read anew each time."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(args[0], _I64.as_pointer()), "monotonic", 8)

    return types.int64(types.int64), generate


def _caller(result: Any) -> Any:
    """Make the intrinsic that calls a compiled function through its address and returns `result`."""

    @intrinsic
    def call(typing: Any, function: Any, *operands: Any) -> Any:
        packed = types.Tuple(operands)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            values = [builder.extract_value(args[1], n) for n in range(len(packed))]
            returned = ir.VoidType() if result is types.none else context.get_value_type(result)
            kind = ir.FunctionType(returned, [value.type for value in values])
            value = builder.call(builder.inttoptr(args[0], kind.as_pointer()), values)
            return context.get_dummy_value() if result is types.none else value

        return result(types.int64, packed), generate

    return call


invoke = _caller(types.none)
"""Call a microkernel: ``invoke(address, *operands)``, all int64 but for float32 scalars."""

invoke_i64 = _caller(types.int64)
"""Call a compiled function that returns an int64."""
