"""Arrays between canaries, which reveal a kernel that reads or writes outside its buffers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

CANARY = 0xFF
"""Byte of the margins and of everything not yet written: as a float a NaN, as an index -1."""

MARGIN = 1024


class _Kept(NamedTuple):
    raw: np.ndarray
    begin: int
    end: int
    content: bytes | None


class Buffers:
    """Makes arrays on cache lines with margins of canaries, and checks all of them."""

    def __init__(self) -> None:
        self._kept: list[_Kept] = []

    def output(self, shape: int | tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
        """Return an array of nothing but canaries, to be written."""
        return self._new(shape, dtype, None)

    def zeros(self, shape: int | tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
        """Return zeros, to be written."""
        array = self._new(shape, dtype, None)
        array.fill(0)
        return array

    def updated(self, values: np.ndarray) -> np.ndarray:
        """Return a copy that may change."""
        array = self._new(values.shape, values.dtype, None)
        array[...] = values
        return array

    def input(self, values: np.ndarray) -> np.ndarray:
        """Return a copy that must not change."""
        return self._new(values.shape, values.dtype, np.ascontiguousarray(values).tobytes())

    def check(self) -> None:
        """Fail where a margin or an input is no longer what it was."""
        for kept in self._kept:
            before, after = kept.raw[: kept.begin], kept.raw[kept.end :]
            assert (before == CANARY).all(), "a kernel wrote before its buffer"
            assert (after == CANARY).all(), "a kernel wrote behind its buffer"
            if kept.content is not None:
                assert kept.raw[kept.begin : kept.end].tobytes() == kept.content, "a kernel wrote to its input"

    def _new(self, shape: int | tuple[int, ...], dtype: Any, content: bytes | None) -> np.ndarray:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        raw = np.full(2 * MARGIN + size + 64, CANARY, np.uint8)
        begin = MARGIN + -(raw.ctypes.data + MARGIN) % 64
        if content is not None:
            raw[begin : begin + size] = np.frombuffer(content, np.uint8)
        self._kept.append(_Kept(raw, begin, begin + size, content))
        return raw[begin : begin + size].view(dtype).reshape(shape)


@contextmanager
def checked() -> Iterator[Buffers]:
    """Give buffers and check them at the end."""
    buffers = Buffers()
    yield buffers
    buffers.check()


def address(array: np.ndarray) -> int:
    """Byte address of the first element, as the kernels take it."""
    return int(array.ctypes.data)
