"""Bundles of operands: through an address they arrive as they were given, in the places of their fields."""

from __future__ import annotations

import ctypes

import numba
import numpy as np
from buffers import address
from layers import call
from numba import types

from fastnet.kernels.memory import invoke, store_f32, store_i64
from fastnet.kernels.operands import End, Lists, Matrix, Span, signature


def _write(span: Span, matrix: Matrix, lists: Lists, end: End, out: int) -> None:
    for place, value in enumerate((span.first, span.last, matrix.at, matrix.ld, lists.block, lists.packed, end.ld)):
        store_i64(out + 8 * place, value)
    store_f32(out + 56, end.scale)


GIVEN = Span(3, 2**40), Matrix(-5, 7), Lists(1, 2, 3, 4, 11, 13), End(1, 17, 19, 23, np.float32(0.3))
EXPECTED = [3, 2**40, -5, 7, 11, 13, 23, int(np.float32(0.3).view(np.int32))]


def test_a_signature_names_each_field_by_its_type():
    assert signature(int, float, Matrix).args[:2] == (types.int64, types.float32)
    assert [str(kind) for kind in signature(End).args[0].types] == ["int64"] * 4 + ["float32"]


def test_bundles_arrive_through_an_address_as_they_were_given():
    compiled = numba.cfunc(signature(Span, Matrix, Lists, End, int))(_write)
    out = np.zeros(8, np.int64)
    call(invoke, compiled.address, *GIVEN, address(out))
    assert out.tolist() == EXPECTED


def test_bundles_are_passed_like_their_fields_one_by_one():
    compiled = numba.cfunc(signature(Span, Matrix, Lists, End, int))(_write)
    out = np.zeros(8, np.int64)
    numbers = [ctypes.c_int64] * 14
    flat = ctypes.CFUNCTYPE(None, *numbers, ctypes.c_float, ctypes.c_int64)(compiled.address)
    flat(*(value for bundle in GIVEN for value in bundle), address(out))
    assert out.tolist() == EXPECTED
