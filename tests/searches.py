"""Searches on packs that train nothing, for the tests of what leads a search."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from fastnet.config.searching import SearchConfig
from fastnet.config.training import TrainConfig
from fastnet.report import to_rows
from fastnet.tuning import Progress, SearchResult

EPOCHS = 4
CONFIG = SearchConfig(trials=23, final=0, metric="accuracy", train=TrainConfig(epochs=EPOCHS, seed=5))
HALVING = replace(CONFIG, pruning="halving", eta=2, first_epochs=1, pack_size=8)
FINAL = replace(CONFIG, final=3, repeats=4)


def fake_curves(trial: int, learning_rate: float) -> np.ndarray:
    """Curves that follow from the number and the parameters of a trial alone, with ties of the last accuracy."""
    curves = np.random.default_rng(trial).random((4, EPOCHS)).astype(np.float32)
    curves[3, -1] = np.float32(round(learning_rate * 1000) % 5) / np.float32(10)
    return curves


class FakeRun:
    """A pack that trains nothing and finishes a few trials at each look, in shuffled order; every 7th diverges."""

    def __init__(self, ids: np.ndarray, params: list[dict], order_seed: int = 0, folds: int = 1) -> None:
        n = len(ids) * folds
        self.curves = np.full((n, 4, EPOCHS), np.nan, np.float32)
        self.status = np.zeros(n, np.int8)
        self.seconds = np.zeros(n)
        self.ids = ids
        self.params = params
        self.folds = folds
        self.random = np.random.default_rng(order_seed)
        self.left: list[int] = []
        self.spans: list[tuple[list[int], int]] = []
        self.calls: list[str] = []

    def start(self, which: np.ndarray, end: int) -> None:
        self.calls.append("start")
        self.left = self.random.permutation(which).tolist()
        self.spans.append((sorted(which.tolist()), end))

    def running(self) -> bool:
        return bool(self.left) and "stop" not in self.calls

    def finished(self) -> np.ndarray:
        n = int(self.random.integers(0, 4))
        done, self.left = self.left[:n], self.left[n:]
        for p in done:
            self.finish(p)
        return np.array(done, dtype=np.int64)

    def finish(self, p: int) -> None:
        trial, fold = divmod(p, self.folds)
        number, end = int(self.ids[trial]), self.spans[-1][1]
        curves = fake_curves(number, float(self.params[trial].get("learning_rate", 0.0))) + np.float32(fold)
        curves[:, 2 if number % 7 == 3 else end :] = np.nan
        self.curves[p] = curves
        self.seconds[p] = 0.5
        self.status[p] = 2 if number % 7 == 3 and end > 2 else 1 if end >= EPOCHS else 4

    def stop(self) -> None:
        self.calls.append("stop")
        for p in self.left:
            self.status[p] = 3

    def wait(self, seconds: float | None = None) -> bool:
        return not self.running()

    def join(self) -> None:
        self.calls.append("join")


class Ranked(FakeRun):
    """A pack in which nothing diverges and a trial is as good as its number says, in every epoch."""

    value = staticmethod(lambda number, epoch: (number * 7 % 23) / 100 + 0.0 * epoch)

    def finish(self, p):
        trial, end = p // self.folds, self.spans[-1][1]
        self.curves[p, :, :end] = [self.value(int(self.ids[trial]), epoch) for epoch in range(end)]
        self.status[p] = 1 if end >= self.curves.shape[2] else 4
        self.seconds[p] += 0.25


class StopAfter:
    """Says stop once `n` trials are done."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.done = 0

    def on_progress(self, progress: Progress) -> None:
        self.done = progress.done

    def should_stop(self) -> bool:
        return self.done >= self.n

    def options(self) -> dict:
        return {"on_progress": self.on_progress, "should_stop": self.should_stop}


def content(result: SearchResult) -> str:
    return json.dumps(to_rows(result.trials)) + "".join(trial.curves.tobytes().hex() for trial in result.trials)
