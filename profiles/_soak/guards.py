"""Canaries round whatever the kernels read and write while a configuration trains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
from buffers import Buffers

from _soak.record import Record, Wrong
from fastnet.kernels import layout
from fastnet.network.samples import TrainingData
from fastnet.training.pack import PackRun

_OF_PACK = (
    *("_trials", "_hypers", "_dropouts", "_states", "_control", "_curves", "seconds", "epochs_done", "_status"),
    *("_patience", "_best_epochs", "_stalled"),
)
"""What a pack hands to its kernels besides its workspaces."""


@contextmanager
def guarded(record: Record) -> Iterator[Buffers]:
    """Put canaries round every workspace that is made inside; at the end, none may have changed, nor any input."""
    buffers = Buffers()
    with mock.patch.object(layout, "aligned", lambda shape, dtype=np.float32: buffers.zeros(shape, dtype)):
        yield buffers
    try:
        buffers.check()
    except AssertionError as error:
        raise Wrong(f"canaries: {error}") from None
    record.passed("canaries", len(buffers._kept))


def guard_data(buffers: Buffers, data: TrainingData) -> TrainingData:
    """Return data that must not change, each array between canaries."""

    def held(values: Any) -> Any:
        return buffers.input(values) if isinstance(values, np.ndarray) and values.size else values

    own = {name: held(getattr(data, name)) for name in ("x", "targets", "train_rows", "validation_rows", "weights")}
    for name in ("inputs", "pairs"):
        own[name] = tuple(held(part) for part in getattr(data, name))
    if data.csr is not None:
        own["csr"] = data.csr._replace(**{n: held(getattr(data.csr, n)) for n in ("entries", "columns", "starts")})
    if data.coded is not None:
        names = ("dense", "columns", "places", "fractions")
        own["coded"] = data.coded._replace(**{n: held(getattr(data.coded, n)) for n in names})
    return replace(data, **own)


def guard_pack(buffers: Buffers, run: PackRun) -> PackRun:
    """Put canaries round the arrays of a pack that has not begun."""
    for name in _OF_PACK:
        setattr(run, name, buffers.updated(getattr(run, name)))
    return run
