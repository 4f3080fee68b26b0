"""Memory by address: single numbers, atomic counters, other compiled functions, the clock.

Operands of the kernels are raw byte addresses (int64): microkernels and stages are compiled once and called through
function pointers, so no array descriptors travel. Numba cannot express that itself; these intrinsics emit it as LLVM
code. `vector` and `tile` emit their code with the helpers at the top.
"""

from __future__ import annotations

import sys
from inspect import signature as signature_of
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


def in_register(builder: Any, value: Any) -> Any:
    """Emit nothing, but make LLVM compute an address at this point.

    Otherwise it is added up anew by every load from it, which then occupies the processor like two operations.
    """
    return builder.asm(ir.FunctionType(I64, [I64]), "", "=r,0", [value], False)


def call_named(builder: Any, name: str, result: ir.Type, *values: Any) -> Any:
    """Emit a call of a function by its name, one of LLVM's or the system's."""
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)


def emitted(result: Any, *operands: Any) -> Any:
    """Make an intrinsic with these Numba types of a function that emits its code.

    The function gets a builder and a value for each operand, and returns the result, nothing for ``types.none``.
    """

    def decorate(emit: Any) -> Any:
        def typed(typing: Any, *kinds: Any) -> Any:
            def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                value = emit(builder, *args)
                return context.get_dummy_value() if result is types.none else value

            return result(*operands), generate

        typed.__name__, typed.__doc__ = emit.__name__, emit.__doc__
        typed.__signature__ = signature_of(emit)  # type: ignore[attr-defined]  # Numba counts its parameters
        return intrinsic(typed)

    return decorate


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

    @emitted(result, types.int64)
    def load(builder: Any, base: Any) -> Any:
        value = read(builder, base, stored, align)
        return builder.zext(value, I64) if stored in (I8, I16, I32) else value

    return load


def _storing(stored: ir.Type, align: int, given: Any = types.int64) -> Any:
    """Make the intrinsic that writes a number to a byte address; of an int64 the low bits that fit."""

    @emitted(types.none, types.int64, given)
    def store(builder: Any, base: Any, value: Any) -> None:
        write(builder, builder.trunc(value, stored) if stored in (I8, I16, I32) else value, base, stored, align)

    return store


load_f32, store_f32 = _loading(F32, 4, types.float32), _storing(F32, 4, types.float32)
load_i64, store_i64 = _loading(I64, 8), _storing(I64, 1)
load_u8, store_u8 = _loading(I8, 1), _storing(I8, 1)
load_u16, store_u16 = _loading(I16, 2), _storing(I16, 2)
load_u32, store_u32 = _loading(I32, 1), _storing(I32, 4)
"""Read and write a number at a byte address. An int64 is written, and 32 unsigned bits are read, at any alignment."""


@emitted(types.none, types.int64, types.int64, types.int64)
def list_set_bits(builder: Any, bits: Any, first: Any, target: Any) -> None:
    """Write the numbers of the bits that are set in 64, counted from `first`, a byte each, ascending.

    64 bytes are written, of which one per set bit counts. Only if `host.COMPRESSES`.
    """
    numbers, chosen = ir.VectorType(I8, 64), ir.VectorType(ir.IntType(1), 64)
    none = ir.Constant(numbers, None)
    single = builder.insert_element(none, builder.trunc(first, I8), ir.Constant(I32, 0))
    begin = builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(I32, 64), [0] * 64))
    all_numbers = builder.add(begin, ir.Constant(numbers, list(range(64))))
    compress = "llvm.x86.avx512.mask.compress.v64i8"
    listed = call_named(builder, compress, numbers, all_numbers, none, builder.bitcast(bits, chosen))
    write(builder, listed, target, numbers, 1)


@emitted(types.int64, types.int64)
def count_bits(builder: Any, bits: Any) -> Any:
    """Return the number of bits that are set in 64."""
    return call_named(builder, "llvm.ctpop.i64", I64, bits)


@emitted(types.int64, types.int64, types.int64)
def equal_bits(builder: Any, base: Any, value: Any) -> Any:
    """Return a bit for each of the 64 uint16 at a byte address: whether it is `value`."""
    words, lanes = ir.VectorType(I16, 64), ir.VectorType(I32, 64)
    none = ir.Constant(words, ir.Undefined)
    single = builder.insert_element(none, builder.trunc(value, I16), ir.Constant(I32, 0))
    wanted = builder.shuffle_vector(single, none, ir.Constant(lanes, [0] * 64))
    return builder.bitcast(builder.icmp_unsigned("==", read(builder, base, words, 2), wanted), I64)


@emitted(types.float64)
def clock(builder: Any) -> Any:
    """Return the seconds on the system's monotonic clock as float64; NaN without a POSIX clock."""
    monotonic = {"linux": 1, "darwin": 6}.get(sys.platform)
    if monotonic is None:
        return ir.Constant(ir.DoubleType(), float("nan"))
    time = cgutils.alloca_once(builder, I64, 2)
    call_named(builder, "clock_gettime", I32, ir.Constant(I32, monotonic), time)
    whole, nano = (builder.load(builder.gep(time, [ir.Constant(I32, n)])) for n in range(2))
    seconds = builder.sitofp(whole, ir.DoubleType())
    part = builder.fmul(builder.sitofp(nano, ir.DoubleType()), ir.Constant(ir.DoubleType(), 1e-9))
    return builder.fadd(seconds, part)


@emitted(types.none, types.int64)
def prefetch(builder: Any, base: Any) -> None:
    """Ask for the cache line of a byte address, which is needed soon."""
    how = (ir.Constant(I32, n) for n in (0, 3, 1))  # for reading, into all levels, data
    call_named(builder, "llvm.prefetch.p0i8", ir.VoidType(), builder.inttoptr(base, I8.as_pointer()), *how)


@emitted(types.int64, types.int64, types.int64)
def fetch_add(builder: Any, counter: Any, amount: Any) -> Any:
    """Add to the int64 at a byte address atomically and return its previous value."""
    return builder.atomic_rmw("add", builder.inttoptr(counter, I64.as_pointer()), amount, "monotonic")


@emitted(types.int64, types.int64)
def load_shared(builder: Any, base: Any) -> Any:
    """Return the int64 at a byte address that another thread may write at any time: read anew each time."""
    return builder.load_atomic(builder.inttoptr(base, I64.as_pointer()), "monotonic", 8)


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
