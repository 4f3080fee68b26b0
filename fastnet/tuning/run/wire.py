"""What travels between the process that leads a search and its workers: orders, replies, and the data once.

A trial costs few bytes on the way: its number, the settings in which it differs from the others, and its curves.
"""

from __future__ import annotations

import copy
import hashlib
import io
import math
import mmap
import os
import pickle
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import numpy as np

from fastnet._version import __version__
from fastnet.config.training import TrainConfig
from fastnet.errors import DataError, StudyError
from fastnet.tuning.rules.pruning import Schedule
from fastnet.tuning.run.task import Outcome, Positions, Task, data_name
from fastnet.tuning.trial import CURVES, STATUSES

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset
    from fastnet.data.splitting import Split

Parcel: TypeAlias = "bytes | memoryview | np.ndarray | Path"
"""The data of a study on the way, from `packed`: in memory, or in a file that the worker can map."""

MOST_WAITED = 60.0
"""An order that seems to have been under way for longer comes from a machine whose clock differs."""

_ALIGNMENT = 64
_DIGEST = 32
"""Bytes of the checksum at the begin of a parcel."""


class Build(NamedTuple):
    """What results may depend on besides their settings; workers whose build differs are refused."""

    fastnet: str
    source: str
    numba: str
    numpy: str


@lru_cache(maxsize=1)
def build_here() -> Build:
    """Return the build of this process: versions, and a hash of the library's source."""
    folder = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return Build(__version__, digest.hexdigest()[:16], metadata.version("numba"), np.__version__)


def difference(other: Build, mine: Build) -> str:
    """Return how a worker's build differs from that of the process that leads, in words; empty if it does not."""
    for name, here, there in zip(mine._fields, mine, other, strict=True):
        if here != there:
            return f"{'source code' if name == 'source' else name} {there}, and the process that leads {here}"
    return ""


class Order(NamedTuple):
    """A `Task` as it travels.

    Attributes
    ----------
    common : TrainConfig
        The settings of the first trial.
    changes : dict of str to list
        Settings in which trials differ from it, with one value for each trial.
    threads : int
        Networks that may train at a time; 0 for as many as the worker has cores.
    seconds : float
        Time until the task has to stop, from `sent`; infinite for no limit.
    sent : float
        When it was sent, in seconds since 1970.
    build : Build
        Of the sender.

    The other attributes are those of `Task`.
    """

    data: str
    ids: Positions
    common: TrainConfig
    changes: dict[str, list[Any]]
    schedule: Schedule
    sizes: tuple[int, ...]
    threads: int
    memory: int | None
    keep: bool
    stop_by: str | None
    seconds: float
    sent: float
    build: Build

    @property
    def seconds_left(self) -> float:
        """Seconds from now until the task has to stop; the way here counts unless the clocks disagree."""
        waited = time.time() - self.sent
        return self.seconds - waited if 0.0 <= waited <= MOST_WAITED else self.seconds

    def task(self, threads: int) -> Task:
        """Return the task for a worker with this number of threads."""
        return Task(
            data=self.data,
            ids=self.ids,
            configs=tuple(self._configs()),
            schedule=self.schedule,
            sizes=self.sizes,
            threads=threads,
            memory=self.memory,
            keep=self.keep,
            stop_by=self.stop_by,
        )

    def _configs(self) -> Iterable[TrainConfig]:
        names = tuple(self.changes)
        if not names:
            yield from [self.common] * len(self.ids)
        for values in zip(*self.changes.values(), strict=True):
            config = copy.copy(self.common)  # not `replace`, which would check again what the sender has checked
            for name, value in zip(names, values, strict=True):
                object.__setattr__(config, name, value)
            yield config


def order_of(task: Task, *, threads: int, seconds: float = math.inf) -> Order:
    """Return a task as it travels."""
    common = task.configs[0]
    columns = ((field.name, [getattr(config, field.name) for config in task.configs]) for field in fields(common))
    changes = {name: values for name, values in columns if any(value != values[0] for value in values)}
    return Order(
        task.data,
        task.ids,
        common,
        changes,
        task.schedule,
        task.sizes,
        threads,
        task.memory,
        task.keep,
        task.stop_by,
        seconds,
        time.time(),
        build_here(),
    )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Reply:
    """What a worker answers to an order.

    Parameters
    ----------
    worker : str
        Its host and process.
    build : Build
        Its build.
    outcomes : tuple of Outcome
        Of the trials, with their positions in the order; empty if the order was not carried out.
    needs_data : bool
        Whether it was not carried out because the worker has not loaded the data.
    seconds : float
        Time that the trials took there, without loading data and kernels.
    threads : int
        Networks that trained at a time.
    cores : tuple of int
        Cores that the worker may use, and cores of its machine.
    """

    worker: str
    build: Build
    outcomes: tuple[Outcome, ...] = ()
    needs_data: bool = False
    seconds: float = 0.0
    threads: int = 1
    cores: tuple[int, int] = (1, 1)


def check_reply(reply: object, task: Task) -> None:
    """Raise `StudyError` unless a reply can belong to a task: nothing else of it may reach the study.

    Positions are those of the task, each once; every trial has a known status, a time, and curves of its epochs.
    """
    if not isinstance(reply, Reply):
        raise StudyError(f"a worker replied with a {type(reply).__name__}: start workers with the same fastnet again")
    try:
        fits = _fits(reply, task)
    except (TypeError, ValueError, AttributeError):
        fits = False
    if not fits:
        raise StudyError(
            f"the worker {reply.worker} returned results that do not belong to its {len(task.ids)} trials; all trials "
            "that ended before are stored: check that machine, and continue the study without it"
        )


def _fits(reply: Reply, task: Task) -> bool:
    shape, places, seen = (len(CURVES), task.configs[0].epochs), set(range(len(task.ids))), list[int]()
    for outcome in reply.outcomes:
        n, seconds = len(outcome.positions), outcome.seconds
        seen += outcome.positions
        of_trials = len(outcome.status) == n and set(outcome.status) <= set(STATUSES)
        of_trials = of_trials and outcome.curves.shape == (n, *shape) and outcome.curves.dtype == np.float32
        times = (
            seconds.shape == (n,) and seconds.dtype == np.float64 and bool(((seconds >= 0) & (seconds < 1e18)).all())
        )
        unfinished = [one.position for one in outcome.unfinished]
        parts = all(one.curves.shape == shape and one.curves.dtype == np.float32 for one in outcome.unfinished)
        whole = all(type(place) is int or isinstance(place, np.integer) for place in (*outcome.positions, *unfinished))
        if not (of_trials and times and parts and whole and set(unfinished) <= places):
            return False
    return len(set(seen)) == len(seen) and set(seen) <= places


@dataclass(frozen=True, eq=False)
class Contents:
    """What a worker prepares for its tasks.

    Parameters
    ----------
    dataset : Dataset
        Without its test part.
    splits : sequence of Split
        Those of the trials.
    config : TrainConfig
        Its objective says what is learnt of the targets.
    further : sequence of Split
        Further folds whose networks are trained instead, as data that are like the first; none as a rule.
    """

    dataset: Dataset
    splits: Sequence[Split]
    config: TrainConfig
    further: Sequence[Split] = ()

    @cached_property
    def name(self) -> str:
        """The content hash by which tasks find the prepared data."""
        return data_name(self.dataset, self.further or self.splits, self.config)


def packed(contents: Contents) -> bytes:
    """Return the data as bytes, whose arrays `unpacked` need not copy."""
    dataset = replace(contents.dataset.without_test())  # without hashes, which the receiver computes
    contents = replace(contents, dataset=dataset)
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(contents, protocol=5, buffer_callback=buffers.append)
    parts: list[Any] = [head, *(buffer.raw() for buffer in buffers)]
    stream = io.BytesIO()
    stream.write(bytes(_DIGEST))
    stream.write(np.array([len(parts), *(len(part) for part in parts)], dtype="<u8").tobytes())
    for part in parts:
        stream.write(b"\0" * (-stream.tell() % _ALIGNMENT))
        stream.write(part)
    whole = stream.getbuffer()
    whole[:_DIGEST] = _digest(whole[_DIGEST:])
    return stream.getvalue()


def unpacked(parcel: Parcel) -> Contents:
    """Return the data of `packed`; their arrays are read-only, and those of a file are mapped.

    Raises
    ------
    DataError
        If a byte was lost or changed on the way; nothing of such data is unpickled.
    """
    if isinstance(parcel, Path):
        with parcel.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b"")
    else:
        whole = memoryview(cast(Any, parcel)).toreadonly()
    if len(whole) < _DIGEST + 16 or whole[:_DIGEST] != _digest(whole[_DIGEST:]):
        raise DataError(f"the data of a search arrived damaged ({len(whole):,} bytes): send them again")
    [count] = np.frombuffer(whole[_DIGEST : _DIGEST + 8], "<u8").tolist()
    begin, end = _DIGEST + 8, _DIGEST + 8 * (1 + count)
    parts = []
    for length in np.frombuffer(whole[begin:end], "<u8").tolist():
        begin = end + -end % _ALIGNMENT
        end = begin + length
        parts.append(whole[begin:end])
    contents: Contents = pickle.loads(parts[0], buffers=parts[1:])
    return contents


def _digest(content: memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST).digest()
