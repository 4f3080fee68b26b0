"""The memory that a network trains in: the arrays of its contexts, and whether they fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnet.config.settings import format_memory
from fastnet.errors import ConfigError
from fastnet.kernels import copies, host, layout, panels, sparsity, update
from fastnet.kernels.columns import AT_ONCE, WIDTH
from fastnet.kernels.context import N_STATE, Work
from fastnet.kernels.csr import HISTORY
from fastnet.kernels.operands import Gathered

Shapes = dict[str, tuple[tuple[int, ...], type]]
"""Shape and element type of every array of a `Work`."""

NO_COLUMNS = np.zeros((0, 2), np.int64)
"""Where no column is encoded."""


def work_shapes(
    plan: layout.Layout, *, n_states: int, n_rows: int, batch_size: int, capacity: int, threads: int,
    columns: npt.NDArray[np.int64] = NO_COLUMNS, n_numbers: int = 0, most_values: int = 0, n_sparse: int = 0,
    n_heads: int = 1,
) -> Shapes:  # fmt: skip
    """Return the arrays that one context writes to.

    Parameters
    ----------
    plan : Layout
        That of the network.
    n_states : int
        Number of optimizer states.
    n_rows : int
        Entries of an epoch's order, padding included.
    batch_size : int
        Samples of a training batch.
    capacity : int
        Equal to `batch_size` where the first layer skips zeros, 0 where it does not.
    threads : int
        Threads that share this context's products.
    columns : (n, 2) int64
        Encoded columns, see `fastnet.kernels.columns`; the first `n_numbers` are numbers.
    n_numbers : int
    most_values : int
        Values of sparse data that a batch has at most; `n_sparse` is the number of their features.
    n_sparse : int
    n_heads : int
        Heads of the network.
    """
    widths = columns[:, WIDTH]
    sums = (int(widths[:n_numbers].sum()) + n_numbers) * int(plan.table[0, layout.LDW])
    pairs = (threads, sparsity.PAIRS_IN_BLOCK, capacity)
    scratch = host.round_up(copies.scratch_size(n_heads * batch_size), host.ALIGNMENT // 4)
    return {
        "params": ((1 + n_states, plan.n_parameters), np.float32),
        "floats": ((plan.n_floats,), np.float32),
        "scratch": ((threads, scratch), np.float32),
        "bits": ((plan.n_bytes,), np.uint8),
        "lists": ((plan.n_lists,), np.uint8),
        "begins": ((plan.n_marks,), np.int64),
        "ends": ((plan.n_marks,), np.int64),
        "listed": ((len(plan.table),), np.int64),
        "samples": (pairs, np.uint16),
        "sample_values": ((*pairs, panels.PAIR), np.float32),
        "counts": (pairs[:2], np.int64),
        "sums": ((sums,), np.float32),
        "codes": ((len(widths), host.round_up(batch_size, AT_ONCE)), np.uint16),
        "shares": ((len(widths), batch_size), np.float32),
        "listed_begins": ((int(widths.sum()) + len(widths),), np.uint32),
        "listed_samples": ((len(widths), batch_size), np.uint32),
        "gathered": ((threads, len(Gathered._fields), most_values + 1), np.uint32),
        "heads": ((n_sparse,), np.uint32),
        "steps": ((n_sparse,), np.uint32),
        "passed": ((1,), np.int64),
        "history": ((HISTORY if n_sparse else 0, update.N_HYPER), np.float32),
        "nothing": ((int(plan.table[0, layout.LDW]),), np.float32),
        "order": ((n_rows,), np.int64),
        "hyper": ((2, update.N_HYPER), np.float32),
        "dropout": ((len(plan.table), 3), np.float64),
        "state": ((N_STATE,), np.float64),
    }


def share(kinds: Sequence[Shapes]) -> list[Work]:
    """Allocate one workspace as large as the largest requirement, and return it in the shapes of each."""
    memory = {name: layout.aligned(max(n_bytes(*shapes[name]) for shapes in kinds), np.uint8) for name in Work._fields}

    def view(name: str, shape: tuple[int, ...], dtype: type) -> npt.NDArray[Any]:
        return memory[name][: n_bytes(shape, dtype)].view(dtype).reshape(shape)

    return [Work(**{name: view(name, *shapes[name]) for name in Work._fields}) for shapes in kinds]


def n_bytes(shape: tuple[int, ...], dtype: type) -> int:
    """Return the size of an array in bytes."""
    return math.prod(shape) * np.dtype(dtype).itemsize


def does_not_fit(what: str, needed: int, room: int, smaller: str = "choose smaller layers or batches") -> ConfigError:
    """Return the error for a network that needs more memory than the process may use.

    Examples
    --------
    >>> does_not_fit("the network needs", 2**34, 2**33)
    ConfigError('the network needs 16.0 GiB, and this process may use 8.00 GiB more: choose smaller layers or batches')
    """
    return ConfigError(
        f"{what} {format_memory(needed)}, and this process may use {format_memory(room)} more: {smaller}"
    )
