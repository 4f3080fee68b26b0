"""Single vectors of `LANES` floats: load and store, `+ - * /`, and the operations of the elementwise formulas.

Update rules, softmax and sums over samples are written with these. Each operation rounds as IEEE 754 requires, lane by
lane, so the bits of a result do not depend on the lanes. `tile` emits its code with the helpers at the top.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from fastnet.kernels.host import LANES, MASK_BYTES
from fastnet.kernels.memory import F32, I32, I64, address, constant, read, row_of, write

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


def multiply_add(builder: Any) -> Any:
    """Return LLVM's fused multiply-add of three vectors, to be called."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    return cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32")


@intrinsic
def splat(typing: Any, value: Any) -> Any:
    """Return a vector with every lane set to a float32."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return fill(builder, args[0])

    return vector(types.float32), generate


@intrinsic
def load_vector(typing: Any, base: Any) -> Any:
    """Return the `LANES` floats at a byte address as one vector."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return read_vector(builder, args[0])

    return vector(types.int64), generate


@intrinsic
def store_vector(typing: Any, value: Any, base: Any) -> Any:
    """Write one vector to a byte address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        write_vector(builder, *args)
        return context.get_dummy_value()

    return types.none(vector, types.int64), generate


def _elementwise(name: str) -> Any:
    """Make the intrinsic of one LLVM operation on two vectors."""

    @intrinsic
    def apply(typing: Any, left: Any, right: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, name)(*args)

        return left(left, right), generate

    return apply


def _register_operator(operation: Any, name: str) -> None:
    apply = _elementwise(name)

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


@intrinsic
def fused(typing: Any, left: Any, right: Any, addend: Any) -> Any:
    """Return ``left * right + addend`` of each lane, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.call(multiply_add(builder), args)

    return vector(vector, vector, vector), generate


def _unary(name: str) -> Any:
    """Make the intrinsic of one of LLVM's operations on a vector."""

    @intrinsic
    def apply(typing: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = ir.FunctionType(VECTOR, [VECTOR])
            operation = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{LANES}f32")
            return builder.call(operation, args)

        return vector(vector), generate

    return apply


magnitude = _unary("fabs")
"""Return each lane without its sign."""

square_root = _unary("sqrt")
"""Return the square root of each lane, correctly rounded."""

round_even = _unary("nearbyint")
"""Return each lane rounded to the nearest whole number, halves to the even one."""


@intrinsic
def with_sign(typing: Any, value: Any, sign: Any) -> Any:
    """Return the magnitude of each lane of `value` with the sign of that of `sign`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(VECTOR, [VECTOR] * 2)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.copysign.v{LANES}f32"), args)

    return vector(vector, vector), generate


def _limited(beyond: str) -> Any:
    """Make the intrinsic that replaces lanes beyond a float32 by it; NaN stays NaN."""

    @intrinsic
    def limit(typing: Any, value: Any, border: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            value, border = args[0], fill(builder, args[1])
            return builder.select(builder.fcmp_ordered(beyond, value, border), border, value)

        return vector(vector, types.float32), generate

    return limit


at_least, at_most = _limited("<"), _limited(">")


@intrinsic
def where_positive(typing: Any, value: Any, yes: Any, no: Any) -> Any:
    """Return each lane of `yes` where that of `value` is above zero, and of `no` elsewhere and for NaN."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, yes, no = args
        return builder.select(builder.fcmp_ordered(">", value, ZERO), yes, no)

    return vector(vector, vector, vector), generate


@intrinsic
def where_bits(typing: Any, value: Any, base: Any) -> Any:
    """Return each lane whose bit at a byte address is set, and zeros elsewhere."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value, base = args
        return builder.select(read_bits(builder, base), value, ZERO)

    return vector(vector, types.int64), generate


@intrinsic
def power_of_two(typing: Any, value: Any) -> Any:
    """Return 2 to the power of each lane, whole numbers from -126 to 127, by writing the exponent; NaN gives any."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole = ir.VectorType(I32, LANES)
        exponent = builder.fptosi(args[0], whole)
        biased = builder.add(exponent, ir.Constant(whole, [127] * LANES))
        bits = builder.shl(biased, ir.Constant(whole, [23] * LANES))
        return builder.bitcast(bits, VECTOR)

    return vector(vector), generate


@intrinsic
def first_lanes(typing: Any, value: Any, count: Any) -> Any:
    """Return the first `count` lanes (any number of them), and zeros elsewhere."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole = ir.VectorType(I64, LANES)
        single = builder.insert_element(ir.Constant(whole, ir.Undefined), args[1], ir.Constant(I32, 0))
        zeroth = ir.Constant(ir.VectorType(I32, LANES), [0] * LANES)
        limit = builder.shuffle_vector(single, ir.Constant(whole, ir.Undefined), zeroth)
        inside = builder.icmp_signed("<", ir.Constant(whole, list(range(LANES))), limit)
        return builder.select(inside, args[0], ZERO)

    return vector(vector, types.int64), generate


@intrinsic
def transpose_block(typing: Any, source: Any, source_stride: Any, target: Any, target_stride: Any) -> Any:
    """Transpose a square block of `LANES` x `LANES` floats in registers, in log2(LANES) rounds of shuffles."""

    def shuffle(builder: Any, a: Any, b: Any, indices: list[int]) -> Any:
        return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, LANES), indices))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, source_stride, target, target_stride = args
        rows = [read_vector(builder, row_of(builder, source, source_stride, r)) for r in range(LANES)]
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
            write_vector(builder, rows[r], row_of(builder, target, target_stride, r))
        return context.get_dummy_value()

    return types.none(address, address, address, address), generate
