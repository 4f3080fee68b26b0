"""The processor: the one place that chooses lanes and the shape of the register tiles.

`LANES` float32 values share a vector register: 16 with AVX-512, 8 with AVX2, 4 elsewhere. Only speed depends on it,
never a result: every output element is one sequential chain of fused multiply-adds, see docs/kernels.md.
"""

from __future__ import annotations

import os

import llvmlite.binding as llvm
from numba import config


def _features() -> frozenset[str]:
    """Return the names of the instruction sets that Numba compiles for, after its own environment variables."""
    if config.CPU_FEATURES is not None:
        return frozenset(name[1:] for name in config.CPU_FEATURES.split(",") if name.startswith("+"))
    if config.CPU_NAME not in (None, "host"):
        return frozenset(("avx2", "fma") if config.CPU_NAME in ("haswell", "broadwell", "skylake", "znver1") else ())
    return frozenset(name for name, present in llvm.get_host_cpu_features().items() if present)


def target() -> str:
    """Return the name of Numba's target, which distinguishes folders of compiled code."""
    return f"{config.CPU_NAME or llvm.get_host_cpu_name()} {','.join(sorted(_features()))}"


_VECTOR_FEATURES = (
    *("sse2", "sse4.1", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni"),
    *("avx512bf16", "avx512vbmi2", "neon", "sve", "sve2"),
)


def vector_features() -> list[str]:
    """Return the names of the instruction sets with vectors that the kernels are compiled for."""
    present = _features()
    return [name for name in _VECTOR_FEATURES if name in present]


def _lanes() -> int:
    forced = os.environ.get("FASTNET_LANES", "")
    if forced in ("4", "8", "16"):
        return int(forced)
    features = _features()
    if "avx512f" in features:
        return 16
    return 8 if "avx2" in features else 4


LANES = _lanes()
"""float32 values in one vector register."""

LANE_BYTES = 4 * LANES

TILE_ROWS = 6
"""Rows of the dense register tile."""

TILE_VECTORS = 2 if LANES == 8 else 4
"""Vectors per row of the dense tile: 6 x 2 leaves 4 of AVX2's 16 registers for operands, 6 x 4 leaves 8 of 32."""

COPIED_BYTES = (32 if LANES == 16 else 16) * 1024
"""Bytes of a copied panel: half of the first-level cache, so that the rows that stream past it fit next to it."""

COPIED_ROWS = COPIED_BYTES // (TILE_VECTORS * LANE_BYTES)
"""Rows of a copied panel of the greatest width."""

LIST_VECTORS = 8 if LANES == 16 else 14
"""Widest panel of the products that walk lists of non-zeros, one row at a time: as many chains as registers allow, so
that a list is walked once (13 vectors for a width of 100 on AVX2)."""

PAIR_VECTORS = 6 if LANES == 8 else 8
"""Widest panel of the sparse weight gradient, two rows at a time; 2 x 7 spills on AVX2 and takes four times as long."""

PANEL_VECTORS = max(LIST_VECTORS, PAIR_VECTORS, TILE_VECTORS)
"""Widest panel of any product."""

GROUP = min(LANES, 8)
"""Columns that share one byte of an activity bitmap."""

MASK_BYTES = LANES // GROUP
"""Bytes of the activity bits of one vector."""

COMPRESSES = GROUP == 8 and "avx512vbmi2" in _features()
"""Whether one instruction lists the set bits of 64."""

LIST_ROOM = 64 if COMPRESSES else 8
"""Entries written at once to a list of active units, of which only some may count."""

LINE_BYTES = 64
"""Bytes of a cache line."""

ALIGNMENT = LINE_BYTES
"""Alignment of buffers in bytes. With NumPy's 16, AVX2 loads that cross lines cost a quarter of the speed."""


def round_up(value: int, multiple: int) -> int:
    """Return the smallest multiple of `multiple` that is at least `value`."""
    return -(-value // multiple) * multiple
