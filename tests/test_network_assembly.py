"""Networks laid out and compiled: blocks, shared memory, and when sharing pays."""

from __future__ import annotations

from fastnet.kernels.objective import (
    LOG_ROWS,
)
from fastnet.network import assembly


def test_evaluation_blocks_are_whole_logarithms():
    # Their size differs between a pack and one network on several threads; the loss may not.
    assert assembly.BLOCK_ROWS % LOG_ROWS == assembly.PARALLEL_BLOCK_ROWS % LOG_ROWS == 0
