"""What one core can do at most: fused multiply-adds from registers, and reads from each level of memory.

Both loops use the vectors and the `llvm.fma` that the kernels use, so a share of these figures is a share of what the
kernels could reach.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastnet.kernels.host import LANE_BYTES, LANES
from fastnet.kernels.layout import aligned

CHAINS = 12
"""Independent sums of either loop: more than latency times units (8 on x86), few enough for 16 registers."""
CHAIN_STEPS = 4
"""Multiply-adds of each chain in one turn of the loop, so that its counter costs nothing."""

_F32, _I32, _I64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_FLOATS, _WORDS = ir.VectorType(_F32, LANES), ir.VectorType(_I32, LANES)


def _loop(builder: Any, n: Any, start: list[Any], turn: Any) -> list[Any]:
    """Emit ``for i in range(n): values = turn(i, values)``, at least once, and return the last values."""
    before = builder.basic_block
    body, end = builder.append_basic_block("turn"), builder.append_basic_block("end")
    builder.branch(body)
    builder.position_at_end(body)
    i = builder.phi(_I64)
    i.add_incoming(ir.Constant(_I64, 0), before)
    values = [builder.phi(value.type) for value in start]
    for phi, value in zip(values, start, strict=True):
        phi.add_incoming(value, before)
    new = turn(i, values)
    for phi, value in zip(values, new, strict=True):
        phi.add_incoming(value, body)
    following = builder.add(i, ir.Constant(_I64, 1))
    i.add_incoming(following, body)
    builder.cbranch(builder.icmp_signed("<", following, n), body, end)
    builder.position_at_end(end)
    return list(new)


@intrinsic
def _multiply_add(typing: Any, n: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
        fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32")
        shrink, one = ir.Constant(_FLOATS, [0.999] * LANES), ir.Constant(_FLOATS, [1.0] * LANES)

        def turn(i: Any, values: list[Any]) -> list[Any]:
            for _ in range(CHAIN_STEPS):
                values = [builder.call(fma, [value, shrink, one]) for value in values]
            return values

        start = [ir.Constant(_FLOATS, [float(chain)] * LANES) for chain in range(CHAINS)]
        total, *others = _loop(builder, args[0], start, turn)
        for value in others:
            total = builder.fadd(total, value)
        return builder.extract_element(total, ir.Constant(_I32, 0))

    return types.float32(types.int64), generate


@intrinsic
def _read(typing: Any, base: Any, n_turns: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def turn(i: Any, values: list[Any]) -> list[Any]:
            place = builder.add(args[0], builder.mul(i, ir.Constant(_I64, CHAINS * LANE_BYTES)))
            new = []
            for k, value in enumerate(values):
                at = builder.inttoptr(builder.add(place, ir.Constant(_I64, k * LANE_BYTES)), _WORDS.as_pointer())
                new.append(builder.or_(value, builder.load(at, align=LANE_BYTES)))
            return new

        total, *others = _loop(builder, args[1], [ir.Constant(_WORDS, None)] * CHAINS, turn)
        for value in others:
            total = builder.or_(total, value)
        return builder.extract_element(total, ir.Constant(_I32, 0))

    return types.int32(types.int64, types.int64), generate


@numba.njit(nogil=True)
def multiply_adds(n: int) -> float:
    """Do `FLOPS` floating-point operations `n` times."""
    return _multiply_add(n)


FLOPS = 2 * CHAINS * CHAIN_STEPS * LANES


@numba.njit(nogil=True)
def read(n: int, base: int, n_turns: int) -> int:
    """Read a buffer of whole turns `n` times."""
    found = 0
    for _ in range(n):
        found += _read(base, n_turns)
    return found


def peak_work(n: int) -> None:
    """Do a million operations `n` times: what `_bench.measure` wants to be given."""
    multiply_adds(n * (1_000_000 // FLOPS))


PEAK_FLOPS = 1_000_000 // FLOPS * FLOPS
"""Floating-point operations of ``peak_work(1)``."""


def read_work(n_bytes: int) -> tuple[Any, int]:
    """Return what reads about so many bytes again and again, and how many exactly."""
    n_turns = max(1, n_bytes // (CHAINS * LANE_BYTES))
    buffer = aligned(n_turns * CHAINS * LANES)
    buffer.fill(np.float32(1.0))  # zeros nobody wrote to would all lie in one page
    base = buffer.ctypes.data

    def work(n: int) -> None:
        assert buffer.size
        read(n, base, n_turns)

    return work, buffer.nbytes
