"""Memory by address: single numbers, atomic counters, other compiled functions, the clock.

Operands of the kernels are raw byte addresses (int64): microkernels and stages are compiled once and called through
function pointers, so no array descriptors travel. Numba cannot express that itself; these intrinsics emit it as LLVM
code. `vector` and `tile` emit their code with the helpers at the top.
"""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

F32 = ir.FloatType()
I8 = ir.IntType(8)
I16 = ir.IntType(16)
I32 = ir.IntType(32)
I64 = ir.IntType(64)

address = types.int64
"""Numba type of a byte address (and of a stride in bytes)."""


def constant(value: int) -> ir.Constant:
    """Return an int64 constant."""
    return ir.Constant(I64, value)


def read(builder: Any, base: Any, kind: ir.Type, align: int) -> Any:
    """Emit a load of one `kind` from a byte address."""
    return builder.load(builder.inttoptr(base, kind.as_pointer()), align=align)


def write(builder: Any, value: Any, base: Any, kind: ir.Type, align: int) -> None:
    """Emit a store of one `kind` to a byte address."""
    builder.store(value, builder.inttoptr(base, kind.as_pointer()), align=align)


def row_of(builder: Any, base: Any, stride: Any, row: int) -> Any:
    """Emit the address of a row, `stride` bytes from one to the next."""
    return builder.add(base, builder.mul(stride, constant(row))) if row else base


@intrinsic
def address_of(typing: Any, array: Any) -> Any:
    """Return the byte address of an array as int64: ``ctypes.data`` is unsigned, and mixing makes floats."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.ptrtoint(data, I64)

    return types.int64(array), generate


@intrinsic
def rows_at(typing: Any, base: Any, count: Any) -> Any:
    """Return the int64 array of `count` entries at a byte address."""
    array = types.Array(types.int64, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        result = context.make_array(array)(context, builder)
        data = builder.inttoptr(args[0], I64.as_pointer())
        arrayobj.populate_array(result, data, [args[1]], [constant(8)], constant(8), None)
        return result._getvalue()

    return array(types.int64, types.int64), generate


def _loading(stored: ir.Type, align: int, result: Any = types.int64) -> Any:
    """Make the intrinsic that returns the number at a byte address; short integers are unsigned and widened."""

    @intrinsic
    def load(typing: Any, base: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            value = read(builder, args[0], stored, align)
            return builder.zext(value, I64) if stored in (I8, I16, I32) else value

        return result(types.int64), generate

    return load


def _storing(stored: ir.Type, align: int, given: Any = types.int64) -> Any:
    """Make the intrinsic that writes a number to a byte address; of an int64 the low bits that fit."""

    @intrinsic
    def store(typing: Any, base: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            base, value = args
            write(builder, builder.trunc(value, stored) if stored in (I8, I16) else value, base, stored, align)
            return context.get_dummy_value()

        return types.none(types.int64, given), generate

    return store


load_f32, store_f32 = _loading(F32, 4, types.float32), _storing(F32, 4, types.float32)
load_i64, store_i64 = _loading(I64, 8), _storing(I64, 1)
load_u8, store_u8 = _loading(I8, 1), _storing(I8, 1)
load_u16, store_u16 = _loading(I16, 2), _storing(I16, 2)
load_u32 = _loading(I32, 1)
"""Read and write a number at a byte address. An int64 is written, and 32 unsigned bits are read, at any alignment."""


@intrinsic
def list_set_bits(typing: Any, bits: Any, first: Any, target: Any) -> Any:
    """Write the numbers of the bits that are set in 64, counted from `first`, a byte each, ascending.

    64 bytes are written, of which one per set bit counts. Only if `host.COMPRESSES`.
    """
    numbers, chosen = ir.VectorType(I8, 64), ir.VectorType(ir.IntType(1), 64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits, first, target = args
        kind = ir.FunctionType(numbers, [numbers, numbers, chosen])
        compress = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.mask.compress.v64i8")
        single = builder.insert_element(ir.Constant(numbers, None), builder.trunc(first, I8), ir.Constant(I32, 0))
        begin = builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(I32, 64), [0] * 64))
        all_numbers = builder.add(begin, ir.Constant(numbers, list(range(64))))
        none = ir.Constant(numbers, None)
        write(builder, builder.call(compress, [all_numbers, none, builder.bitcast(bits, chosen)]), target, numbers, 1)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), generate


@intrinsic
def count_bits(typing: Any, bits: Any) -> Any:
    """Return the number of bits that are set in 64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.call(
            cgutils.get_or_insert_function(builder.module, ir.FunctionType(I64, [I64]), "llvm.ctpop.i64"), args
        )

    return types.int64(types.int64), generate


@intrinsic
def clock(typing: Any) -> Any:
    """Return the seconds on the system's monotonic clock as float64; NaN without a POSIX clock."""
    monotonic = {"linux": 1, "darwin": 6}.get(sys.platform)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if monotonic is None:
            return ir.Constant(ir.DoubleType(), float("nan"))
        kind = ir.FunctionType(I32, [I32, I64.as_pointer()])
        get_time = cgutils.get_or_insert_function(builder.module, kind, "clock_gettime")
        time = cgutils.alloca_once(builder, I64, 2)
        builder.call(get_time, [ir.Constant(I32, monotonic), time])
        whole, nano = (builder.load(builder.gep(time, [ir.Constant(I32, n)])) for n in range(2))
        seconds = builder.sitofp(whole, ir.DoubleType())
        part = builder.fmul(builder.sitofp(nano, ir.DoubleType()), ir.Constant(ir.DoubleType(), 1e-9))
        return builder.fadd(seconds, part)

    return types.float64(), generate


@intrinsic
def prefetch(typing: Any, base: Any) -> Any:
    """Ask for the cache line of a byte address, which is needed soon."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = I8.as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, I32, I32, I32])
        ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        builder.call(ask, [builder.inttoptr(args[0], pointer), *(ir.Constant(I32, n) for n in (0, 3, 1))])
        return context.get_dummy_value()

    return types.none(types.int64), generate


@intrinsic
def fetch_add(typing: Any, counter: Any, amount: Any) -> Any:
    """Add to the int64 at a byte address atomically and return its previous value."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", builder.inttoptr(args[0], I64.as_pointer()), args[1], "monotonic")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def load_shared(typing: Any, base: Any) -> Any:
    """Return the int64 at a byte address that another thread may write at any time: read anew each time."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(args[0], I64.as_pointer()), "monotonic", 8)

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
"""Call a microkernel: ``invoke(address, *operands)``, all int64 except float32 scalars."""

invoke_i64 = _caller(types.int64)
"""Call a compiled function that returns an int64."""

invoke_f64 = _caller(types.float64)
"""Call a compiled function that returns a float64."""
