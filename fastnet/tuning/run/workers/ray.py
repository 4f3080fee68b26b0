"""Workers of Ray: actors on each node of a cluster, or on this machine for the time of a search."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any

from fastnet.tuning.run.workers import Workers, missing, no_answer

COUNT_SECONDS = 5.0
"""Time between two looks for new nodes."""


class Actors(Workers):
    """Actors, one for each node with all its cores, or for each group of `threads` cores; Ray restarts those that die.

    The data lie in Ray's object store, once for each node.
    """

    def __init__(self, address: str, threads: int | None) -> None:
        self.threads = 0 if threads is None else threads
        self._address = address
        self._began = False
        self._looked = 0.0
        self._actors: dict[str, list[Any]] = {}  # by node
        self._busy: dict[Any, int] = {}
        self._held: dict[str, Any] = {}

    def start(self) -> None:
        """Connect to the cluster, or start one here."""
        try:
            import ray
        except ImportError as error:
            raise missing("ray", "ray") from error
        if not ray.is_initialized():
            try:
                ray.init(self._address or "local", log_to_driver=False, logging_level="ERROR", include_dashboard=False)
            except (ConnectionError, ValueError) as error:
                raise no_answer(f"ray:{self._address}", error, "ray start --head") from error
            self._began = True
        self._look()

    def width(self) -> int:
        """Return the number of actors."""
        if self._actors and time.monotonic() - self._looked > COUNT_SECONDS:
            self._look()
        return len(self._busy)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Call a function in the actor with the fewest calls."""
        actor = min(self._busy, key=lambda one: self._busy[one])
        self._busy[actor] += 1
        future: Future[Any] = actor.call.remote(function, *arguments).future()
        future.add_done_callback(lambda _: self._free(actor))
        return future

    def parcel(self, name: str, data: bytes) -> Any:
        """Return the data as a reference to Ray's object store."""
        import numpy as np
        import ray

        if name not in self._held:
            self._held[name] = ray.put(np.frombuffer(data, np.uint8))
        return self._held[name]

    def is_loss(self, error: BaseException) -> bool:
        """Whether the actor or its node has died, or the call was cancelled."""
        from ray import exceptions

        lost = (exceptions.RayActorError, exceptions.WorkerCrashedError, exceptions.NodeDiedError)
        return isinstance(error, (CancelledError, exceptions.ObjectLostError, *lost))

    def renew(self, error: BaseException) -> None:
        """Look which nodes there are; Ray restarts the actors of those."""
        self._look()

    def close(self) -> None:
        """End the actors, and the cluster if it was started for the search."""
        if not self._actors:
            return
        import ray

        for actor in self._busy:
            ray.kill(actor)
        self._busy, self._actors = {}, {}
        if self._began:
            ray.shutdown()

    def _look(self) -> None:
        """Start actors on new nodes, and forget those of nodes that are gone."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        class Caller:
            def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
                return function(*arguments)

        self._looked = time.monotonic()
        nodes = {node["NodeID"]: int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]}
        for node in set(self._actors) - set(nodes):
            for actor in self._actors.pop(node):
                self._busy.pop(actor, None)
        for node in set(nodes) - set(self._actors):
            cores = self.threads or nodes[node]
            there = NodeAffinitySchedulingStrategy(node, soft=False)
            env = {"env_vars": {"NUMBA_NUM_THREADS": str(max(1, cores)), "OMP_NUM_THREADS": str(max(1, cores))}}
            kind = ray.remote(num_cpus=cores, max_restarts=-1, scheduling_strategy=there, runtime_env=env)(Caller)
            self._actors[node] = [kind.remote() for _ in range(nodes[node] // cores if cores else 0)]
            self._busy |= dict.fromkeys(self._actors[node], 0)

    def _free(self, actor: Any) -> None:
        if actor in self._busy:
            self._busy[actor] -= 1


def workers(argument: str, threads: int | None) -> Actors:
    """Return the workers of the cluster at an address, or of one on this machine."""
    return Actors(argument, threads)
