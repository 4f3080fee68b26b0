"""What a worker does: it carries out one order at a time, with the data that it has loaded."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from fastnet.errors import DataError
from fastnet.limits import usable_cores
from fastnet.tuning.run.wire import Contents, Order, Parcel, Reply, build_here, unpacked

if TYPE_CHECKING:
    from fastnet.tuning.run.prepared import PreparedData
    from fastnet.tuning.run.task import Outcome, Task

MOST_LOADED = 3
"""Data sets that a worker keeps: that of a search, further folds of it, and one before them."""

_loaded: OrderedDict[str, PreparedData] = OrderedDict()
_one_at_a_time = threading.Lock()
"""A task uses all threads of its worker, also where an engine runs several in one process."""


def carry_out(order: Order, parcel: Parcel | None = None) -> Reply:
    """Carry out an order; an engine calls this on a worker.

    Parameters
    ----------
    order : Order
    parcel : Parcel, optional
        Its data, if the worker may not have them.

    Returns
    -------
    Reply
        Without outcomes if the data are missing or the worker's build differs from the sender's.

    Raises
    ------
    ConfigError
        If the trials do not fit into the worker's memory.
    """
    threads = order.threads or own_threads()
    reply = Reply(
        worker=name_here(),
        build=build_here(),
        threads=threads,
        cores=(usable_cores(), os.cpu_count() or 1),
    )
    if order.build != reply.build:
        return reply
    with _one_at_a_time:
        data = _data(order, parcel)
        if data is None:
            return replace(reply, needs_data=True)
        began, compiled = time.perf_counter(), data.compile_seconds
        outcomes = tuple(_outcomes(data, order.task(threads), began + order.seconds_left))
        seconds = time.perf_counter() - began - (data.compile_seconds - compiled)
        return replace(reply, outcomes=outcomes, seconds=seconds)


def forget(names: Iterable[str]) -> None:
    """Give up data that this process has loaded; an order that needs them asks for them again."""
    for name in names:
        _loaded.pop(name, None)


def _outcomes(data: PreparedData, task: Task, until: float) -> Iterator[Outcome]:
    """Train the packs of a task, as many at a time as fit into memory, until a time of `time.perf_counter`."""
    from fastnet.tuning.run.pack import run_pack
    from fastnet.tuning.run.task import joined, packs_of

    packs, place = packs_of(task), 0
    while packs:
        n = data.fitting(packs)
        together = joined(packs[:n])
        outcome = run_pack(together, lambda _: time.perf_counter() > until)
        yield outcome.moved(place)
        if not outcome.complete:
            break
        place += len(together.ids)
        packs = packs[n:]


def _data(order: Order, parcel: Parcel | None) -> PreparedData | None:
    """Return the data of an order, loaded before or from its parcel; None if it has none."""
    if order.data in _loaded:
        _loaded.move_to_end(order.data)
    elif parcel is None:
        return None
    else:
        data = _prepared(unpacked(parcel))
        if data.name != order.data:
            raise DataError(
                f"the data that arrived have the hash {data.name}, and {order.data} was sent: send them again"
            )
        _loaded[data.name] = data
        while len(_loaded) > MOST_LOADED:
            _loaded.popitem(last=False)
    return _loaded.get(order.data)


def _prepared(contents: Contents) -> PreparedData:
    from fastnet.tuning.run.prepared import PreparedData

    dataset, config = contents.dataset, contents.config
    if not contents.further:
        return PreparedData(dataset, contents.splits, config)
    first = replace(contents, further=())
    name = first.name
    like = _loaded[name] if name in _loaded else PreparedData(dataset, contents.splits, config)
    return PreparedData(dataset, contents.further, config, like=like)


def name_here() -> str:
    """Return the name of this worker: its host and process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def own_threads() -> int:
    """Return how many networks train at a time here, if the order does not say: the cores of this worker.

    A Dask worker has the threads that it was started with. Ranks of MPI that are not bound to cores share those of
    their machine.
    """
    distributed = sys.modules.get("distributed")
    if distributed is not None:
        try:
            return int(distributed.get_worker().state.nthreads)
        except ValueError:  # not on a worker
            pass
    cores = usable_cores()
    for name in ("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "PMI_LOCAL_SIZE"):
        ranks = os.environ.get(name, "")
        if ranks.isdigit() and int(ranks) and cores == (os.cpu_count() or 1):
            return max(1, cores // int(ranks))
    return cores
