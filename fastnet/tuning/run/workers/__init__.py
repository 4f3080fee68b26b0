"""Workers: the processes of an existing engine, here or on other machines, that train the trials of a search.

One file adapts one engine; what they have in common is `Workers`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from importlib import import_module, metadata
from typing import Any

from fastnet.config.checks import count_threads
from fastnet.config.settings import suggestion
from fastnet.errors import ConfigError

BUILT_IN = ("processes", "dask", "mpi", "ray")
"""Engines by their names; each has a module here with the function ``workers(argument, threads)``."""

ENTRY_POINTS = "fastnet.executors"
"""Group of the entry points of other packages' engines: functions like those of `BUILT_IN`, which may also return a
`concurrent.futures.Executor`."""


class Workers:
    """Processes that carry out orders, each one at a time; an engine's adapter overrides what differs from this.

    Attributes
    ----------
    shares_data : bool
        Whether sending the data with every order costs nothing, because only their place is sent.
    threads : int
        Networks that train at a time on each worker; 0 for as many as it has cores.
    unbinding : str
        How to let a worker use more than one core, if engines of this kind bind their workers; else empty.
    """

    shares_data = False
    unbinding = ""
    threads = 1

    def start(self) -> None:
        """Start the workers, or connect to them; called once, before any call is submitted."""

    def width(self) -> int:
        """Return the number of workers now, 0 before the start; they may join and leave."""
        raise NotImplementedError

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Call a function on a worker; cancelling the future drops the call if it waits."""
        raise NotImplementedError

    def parcel(self, name: str, data: bytes) -> Any:
        """Return data under a name, their content hash, in a form that travels to a worker as an argument."""
        return data

    def is_loss(self, error: BaseException) -> bool:
        """Whether an exception of a future means that its worker was lost, not that the call has failed."""
        return isinstance(error, CancelledError)

    def renew(self, error: BaseException) -> None:
        """Replace what was lost; raise `StudyError` if that is impossible."""

    def close(self) -> None:
        """End the workers, if `start` has started them."""


def workers_of(executor: Any, jobs: int | None = None) -> Workers | None:
    """Return the workers of an engine.

    Parameters
    ----------
    executor : str, concurrent.futures.Executor, Workers or None
        ``"local"`` or None for the threads of this process; ``"processes"`` or ``"processes:4"``; ``"dask"``,
        ``"dask:tcp://host:8786"`` or ``"dask:scheduler.json"``; ``"mpi"``; ``"ray"`` or ``"ray:ADDRESS"``; the name of
        an entry point of the group ``fastnet.executors``, with an argument after a colon; or any executor, or a client
        of Dask.
    jobs : int, optional
        Threads of each worker. By default one for processes of this machine and for an executor; elsewhere a worker
        uses its cores.

    Returns
    -------
    Workers or None
        None for the threads of this process.

    Raises
    ------
    ConfigError
        If there is no such engine, or its package is not installed.

    Examples
    --------
    >>> workers_of("local") is None, workers_of("processes:2").threads
    (True, 1)
    """
    threads = None if jobs is None else count_threads(jobs)
    if executor is None or executor == "local":
        return None
    if not isinstance(executor, str):
        return _adapted(executor, threads)
    name, _, argument = executor.partition(":")
    if name == "local":
        raise ConfigError(f"executor={executor!r}: the threads of this process take no argument; jobs says how many")
    if name in BUILT_IN:
        module = import_module(f"fastnet.tuning.run.workers.{name}")
        found: Workers = module.workers(argument, threads)
        return found
    others = {entry.name: entry for entry in metadata.entry_points(group=ENTRY_POINTS)}
    if name not in others:
        known = ("local", *BUILT_IN, *sorted(others))
        raise ConfigError(
            f"executor={executor!r}: there is no engine {name!r}{suggestion(name, known)}; choose one of "
            f"{', '.join(known)}, or give a concurrent.futures.Executor"
        )
    return _adapted(others[name].load()(argument, threads), threads, owned=True)


def _adapted(executor: Any, threads: int | None, *, owned: bool = False) -> Workers:
    if isinstance(executor, Workers):
        return executor
    if not callable(getattr(executor, "submit", None)):
        raise ConfigError(
            f"executor is a {type(executor).__name__}: give the name of an engine, such as 'dask', or a "
            "concurrent.futures.Executor"
        )
    if callable(getattr(executor, "get_executor", None)):  # a client of Dask, whose own futures are of another kind
        executor = executor.get_executor()
    from fastnet.tuning.run.workers.pool import Pool

    return Pool(executor, threads, owned=owned)


def missing(package: str, extra: str) -> ConfigError:
    """Return the error for an engine whose package is not installed."""
    return ConfigError(
        f"executor={extra!r} needs {package}, which is not installed: pip install 'fastnet-mlp[{extra}]'"
    )


def no_answer(executor: str, error: BaseException, start: str) -> ConfigError:
    """Return the error for a cluster that does not answer, which the command `start` starts."""
    return ConfigError(f"executor={executor!r}: no cluster answers there ({error}); start one with: {start}")
