"""Single vectors of `LANES` floats: load and store, `+ - * /`, and the operations of the elementwise formulas.

Update rules, softmax and sums over samples are written with these. Each operation rounds as IEEE 754 requires, lane by
lane, so the bits of a result do not depend on the lanes. `tile` emits its code with the helpers at the top.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import models, overload, register_model

from fastnet.kernels.host import LANES, MASK_BYTES
from fastnet.kernels.memory import F32, I32, I64, address, call_named, constant, emitted, read, row_of, write

VECTOR = ir.VectorType(F32, LANES)
ZERO = ir.Constant(VECTOR, None)
BITS = ir.IntType(LANES)
STORED_BITS = ir.IntType(8 * MASK_BYTES)
_UNDEFINED = ir.Constant(VECTOR, ir.Undefined)


class _Vector(types.Type):  # type: ignore[misc]
    """Numba type of a vector."""

    def __init__(self) -> None:
        super().__init__(name="Vector")


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: _Vector) -> None:
        super().__init__(manager, kind, VECTOR)


vector = _Vector()


def read_vector(builder: Any, base: Any, v: int = 0) -> Any:
    """Emit a load of the `v`-th vector at a byte address."""
    return read(builder, builder.add(base, constant(4 * LANES * v)), VECTOR, 4)


def write_vector(builder: Any, value: Any, base: Any, v: int = 0) -> None:
    """Emit a store of a vector as the `v`-th at a byte address."""
    write(builder, value, builder.add(base, constant(4 * LANES * v)), VECTOR, 4)


def fill(builder: Any, scalar: Any) -> Any:
    """Emit a vector with every lane set to a float32."""
    lanes = ir.Constant(ir.VectorType(I32, LANES), [0] * LANES)
    single = builder.insert_element(_UNDEFINED, scalar, ir.Constant(I32, 0))
    return builder.shuffle_vector(single, _UNDEFINED, lanes)


def read_bits(builder: Any, base: Any, v: int = 0) -> Any:
    """Emit a load of the bits of vector `v` (activity or dropout) as a vector of booleans."""
    stored = read(builder, builder.add(base, constant(MASK_BYTES * v)), STORED_BITS, 1)
    bits = stored if STORED_BITS.width == LANES else builder.trunc(stored, BITS)
    return builder.bitcast(bits, ir.VectorType(ir.IntType(1), LANES))


def multiply_add(builder: Any, left: Any, right: Any, addend: Any) -> Any:
    """Emit the fused multiply-add of three vectors."""
    return call_named(builder, f"llvm.fma.v{LANES}f32", VECTOR, left, right, addend)


@emitted(vector, types.float32)
def splat(builder: Any, value: Any) -> Any:
    """Return a vector with every lane set to a float32."""
    return fill(builder, value)


@emitted(vector, types.int64)
def load_vector(builder: Any, base: Any) -> Any:
    """Return the `LANES` floats at a byte address as one vector."""
    return read_vector(builder, base)


@emitted(types.none, vector, types.int64)
def store_vector(builder: Any, value: Any, base: Any) -> None:
    """Write one vector to a byte address."""
    write_vector(builder, value, base)


def _register_operator(operation: Any, name: str) -> None:
    @emitted(vector, vector, vector)
    def apply(builder: Any, left: Any, right: Any) -> Any:
        return getattr(builder, name)(left, right)

    def implement(left, right):  # type: ignore[no-untyped-def]  # Numba compares it with the lambda
        if left is right is vector:
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


@emitted(vector, vector, vector, vector)
def fused(builder: Any, left: Any, right: Any, addend: Any) -> Any:
    """Return ``left * right + addend`` of each lane, rounded once."""
    return multiply_add(builder, left, right, addend)


@emitted(vector, vector, vector, vector)
def left_over(builder: Any, whole: Any, left: Any, right: Any) -> Any:
    """Return ``whole - left * right`` of each lane, rounded once."""
    return multiply_add(builder, builder.fneg(left), right, whole)


@emitted(vector, vector)
def near_reciprocal(builder: Any, value: Any) -> Any:
    """Return the reciprocal of each lane, from 1e-37 to 1e37, to within 5.06 %, by taking its bits from a constant.

    The logarithm of a number is nearly its bits, so a difference of bits is nearly a quotient (Lomont, *Fast inverse
    square root*, 2003). Of the constants that are multiples of 512, this one has the least error.
    """
    whole = ir.VectorType(I32, LANES)
    bits = builder.sub(ir.Constant(whole, [0x7EF31200] * LANES), builder.bitcast(value, whole))
    return builder.bitcast(bits, VECTOR)


def _unary(name: str) -> Any:
    """Make the intrinsic of one of LLVM's operations on a vector."""

    @emitted(vector, vector)
    def apply(builder: Any, value: Any) -> Any:
        return call_named(builder, f"llvm.{name}.v{LANES}f32", VECTOR, value)

    return apply


magnitude = _unary("fabs")
"""Return each lane without its sign."""

square_root = _unary("sqrt")
"""Return the square root of each lane, correctly rounded."""

round_even = _unary("nearbyint")
"""Return each lane rounded to the nearest whole number, halves to the even one."""


@emitted(vector, vector, vector)
def with_sign(builder: Any, value: Any, sign: Any) -> Any:
    """Return the magnitude of each lane of `value` with the sign of that of `sign`."""
    return call_named(builder, f"llvm.copysign.v{LANES}f32", VECTOR, value, sign)


def _limited(beyond: str) -> Any:
    """Make the intrinsic that replaces lanes beyond a float32 by it; NaN stays NaN."""

    @emitted(vector, vector, types.float32)
    def limit(builder: Any, value: Any, border: Any) -> Any:
        border = fill(builder, border)
        return builder.select(builder.fcmp_ordered(beyond, value, border), border, value)

    return limit


at_least, at_most = _limited("<"), _limited(">")


@emitted(vector, vector, vector, vector)
def where_positive(builder: Any, value: Any, yes: Any, no: Any) -> Any:
    """Return each lane of `yes` where that of `value` is above zero, and of `no` elsewhere and for NaN."""
    return builder.select(builder.fcmp_ordered(">", value, ZERO), yes, no)


@emitted(vector, vector, vector, vector, vector)
def where_below(builder: Any, value: Any, limit: Any, yes: Any, no: Any) -> Any:
    """Return each lane of `yes` where that of `value` is below that of `limit`, and of `no` elsewhere and for NaN."""
    return builder.select(builder.fcmp_ordered("<", value, limit), yes, no)


@emitted(vector, vector, vector, vector, vector)
def where_equal(builder: Any, value: Any, other: Any, yes: Any, no: Any) -> Any:
    """Return each lane of `yes` where those of `value` and `other` are equal, and of `no` elsewhere and for NaN."""
    return builder.select(builder.fcmp_ordered("==", value, other), yes, no)


@emitted(vector, vector, vector)
def larger(builder: Any, value: Any, other: Any) -> Any:
    """Return each lane of `value` where it is the larger one, and of `other` elsewhere and for NaN."""
    return builder.select(builder.fcmp_ordered(">", value, other), value, other)


@emitted(types.float32, vector)
def sum_lanes(builder: Any, value: Any) -> Any:
    """Return the sum of the lanes, whole numbers: others would be rounded as the lanes are many."""
    total = builder.extract_element(value, ir.Constant(I32, 0))
    for lane in range(1, LANES):
        total = builder.fadd(total, builder.extract_element(value, ir.Constant(I32, lane)))
    return total


@emitted(vector, vector, types.int64)
def where_bits(builder: Any, value: Any, base: Any) -> Any:
    """Return each lane whose bit at a byte address is set, and zeros elsewhere."""
    return builder.select(read_bits(builder, base), value, ZERO)


@emitted(vector, vector)
def power_of_two(builder: Any, value: Any) -> Any:
    """Return 2 to the power of each lane, whole numbers from -126 to 127, by writing the exponent; NaN gives any."""
    whole = ir.VectorType(I32, LANES)
    biased = builder.add(builder.fptosi(value, whole), ir.Constant(whole, [127] * LANES))
    return builder.bitcast(builder.shl(biased, ir.Constant(whole, [23] * LANES)), VECTOR)


@emitted(vector, vector, types.int64)
def first_lanes(builder: Any, value: Any, count: Any) -> Any:
    """Return the first `count` lanes (any number of them), and zeros elsewhere."""
    whole = ir.VectorType(I64, LANES)
    single = builder.insert_element(ir.Constant(whole, ir.Undefined), count, ir.Constant(I32, 0))
    zeroth = ir.Constant(ir.VectorType(I32, LANES), [0] * LANES)
    limit = builder.shuffle_vector(single, ir.Constant(whole, ir.Undefined), zeroth)
    inside = builder.icmp_signed("<", ir.Constant(whole, list(range(LANES))), limit)
    return builder.select(inside, value, ZERO)


@emitted(types.none, address, address, address, address)
def transpose_block(builder: Any, source: Any, source_stride: Any, target: Any, target_stride: Any) -> None:
    """Transpose a square block of `LANES` x `LANES` floats in registers, in log2(LANES) rounds of shuffles."""

    def shuffle(a: Any, b: Any, indices: list[int]) -> Any:
        return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, LANES), indices))

    rows = [read_vector(builder, row_of(builder, source, source_stride, r)) for r in range(LANES)]
    half = 1
    while half < LANES:
        low = [j if not j & half else LANES + j - half for j in range(LANES)]
        high = [j + half if not j & half else LANES + j for j in range(LANES)]
        for i in range(LANES):
            if not i & half:
                a, b = rows[i], rows[i + half]
                rows[i], rows[i + half] = shuffle(a, b, low), shuffle(a, b, high)
        half *= 2
    for r in range(LANES):
        write_vector(builder, rows[r], row_of(builder, target, target_stride, r))
