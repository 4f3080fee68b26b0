"""Processes that peers run in: started once, told over a pipe what to do, pinned to their cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import _bench

PROFILES = Path(__file__).resolve().parents[1]


class PeerError(RuntimeError):
    """A peer's process failed; the text is the last line it wrote."""


def changed(environment: Mapping[str, str | None]) -> dict[str, str]:
    """Return our environment with some variables set, and those that are None taken away.

    >>> os.environ["A_PEER"] = "yes"
    >>> changed({"A_PEER": None, "OMP_NUM_THREADS": "1"}).keys() & {"A_PEER", "OMP_NUM_THREADS"}
    {'OMP_NUM_THREADS'}
    """
    merged: dict[str, str | None] = {**os.environ, **environment}
    return {name: value for name, value in merged.items() if value is not None}


class Process:
    """One process with one peer in it.

    Parameters
    ----------
    home : str
        Module and class of the peer.
    threads : int
        Threads it may use.
    cores : sequence of int
        Which of our cores it is kept on, counted from 0, where the system allows.
    environment : dict
        Environment variables added to ours; None takes one away.
    """

    def __init__(self, home: str, threads: int, cores: Sequence[int], environment: Mapping[str, str | None]) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed with the process
        with _bench.pinned(cores):
            self._process = subprocess.Popen(
                [sys.executable, "-m", "_peers.process", home, str(threads)], cwd=PROFILES,
                env=changed(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
                text=True,
            )  # fmt: skip

    def send(self, method: str, *arguments: Any) -> None:
        """Begin a call of one of the peer's methods; arguments must be JSON."""
        assert self._process.stdin
        try:
            print(json.dumps([method, arguments]), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise PeerError(self._last_words()) from None

    def receive(self) -> Any:
        """Wait for what the call returns."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(self._last_words())
        answer = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer["value"]

    def close(self) -> None:
        """End it."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def _last_words(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read().splitlines() if line.strip()]
        return lines[-1] if lines else f"its process ended with code {self._process.returncode}"


class Team:
    """One peer in one or more processes that work at the same time."""

    def __init__(self, processes: Sequence[Process]) -> None:
        self.processes = list(processes)

    def call(self, method: str, *arguments: Any) -> list[Any]:
        """Call the same in all of them and wait."""
        return self.share(method, [list(arguments)] * len(self.processes))[1]

    def share(self, method: str, arguments: Sequence[Sequence[Any]]) -> tuple[float, list[Any]]:
        """Give each process its arguments; return the seconds until the last is done, and what they return.

        With fewer arguments than processes, the others rest.
        """
        working = self.processes[: len(arguments)]
        started = time.perf_counter()
        for process, some in zip(working, arguments, strict=True):
            process.send(method, *some)
        values = [process.receive() for process in working]
        return time.perf_counter() - started, values

    def close(self) -> None:
        """End all."""
        for process in self.processes:
            process.close()


def build(home: str, threads: int) -> Any:
    """Import a peer."""
    from importlib import import_module

    module, _, name = home.partition(":")
    return getattr(import_module(f"_peers.{module}"), name)(threads)


def _serve(home: str, threads: int) -> None:
    """Answer calls until the pipe closes; whatever libraries print goes to the error stream."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    served = _Served(build(home, threads))
    for line in sys.stdin:
        method, arguments = json.loads(line)
        try:
            answer = {"value": getattr(served, method)(*arguments)}
        except Exception as error:  # a peer's failure is told, not ours to mend
            told = str(error).strip().splitlines() or [""]
            answer = {"error": f"{type(error).__name__}: {told[0]}"}
        print(json.dumps(answer), file=answers, flush=True)


class _Served:
    """The calls of a peer, with JSON in and out."""

    def __init__(self, peer: Any) -> None:
        self.peer = peer

    def prepare(self, what: str, data: str, *options: Any) -> float:
        """`prepare_trials`, `_network`, `_search` or `_folds`; return the seconds it took."""
        from .task import BOOK, Plan, Samples

        samples = Samples.read(data)
        started = time.perf_counter()
        if what == "network":
            options = (tuple(options[0]), options[1])
        if what in ("trials", "folds"):
            plan = Plan.read(options[0]) if options else BOOK
            options, self.epochs = (plan,), plan.epochs
        getattr(self.peer, f"prepare_{what}")(samples, *options)
        return time.perf_counter() - started

    def trials(self, rates: list[float], decays: list[float], seed: int) -> list[list[float]]:
        """Return the last scores of each trial, after checking that there is a score for every epoch."""
        import numpy as np

        curves = self.peer.trials(np.array(rates), np.array(decays), seed)
        if curves.shape != (len(rates), 4, self.epochs):
            raise ValueError(f"the curves have the shape {curves.shape}")
        last: list[list[float]] = curves[:, :, -1].astype(float).tolist()
        return last

    def epoch(self) -> float:
        """Return the seconds of one epoch of training."""
        started = time.perf_counter()
        self.peer.epoch()
        return time.perf_counter() - started

    def evaluate(self) -> list[float]:
        """Return seconds, training and validation accuracy."""
        started = time.perf_counter()
        accuracies = self.peer.evaluate()
        return [time.perf_counter() - started, *accuracies]

    def test_accuracy(self) -> float:
        return float(self.peer.test_accuracy())

    def search(self, trials: int, seed: int) -> float:
        return float(self.peer.search(trials, seed))

    def folds(self, n_configurations: int, seed: int) -> float:
        return float(self.peer.folds(n_configurations, seed))


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
