"""Whole searches on every engine, in parts and on other numbers of threads: the same trials to the bit."""

from __future__ import annotations

import tempfile
import warnings
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

import fastnet
from _soak.drawing import Drawn
from _soak.record import Record, Wrong
from _soak.samples import dataset_of

SEARCH = 60
"""Purpose of the generator of searches."""

_TRIALS = 6
_RARE = 40
"""Of so many searches one runs in processes, whose start takes seconds."""


class Inline(Executor):
    """Runs each call where it is submitted."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a call and return its result."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


def settings_of(drawn: Drawn) -> dict[str, Any]:
    """Return the settings of a search from those of a configuration."""
    random, config = drawn.random(SEARCH), drawn.config
    fields = (
        "hidden",
        "activation",
        "init",
        "optimizer",
        "batch_size",
        "schedule",
        "label_smoothing",
        "dropout_scaling",
    )
    settings = {name: getattr(config, name) for name in (*fields, "objective", "quantiles", "seed", "class_weight")}
    settings = {name: value for name, value in settings.items() if value is not None}
    pruning = str(random.choice(["none", "halving", "median"]))
    return settings | {
        "epochs": int(random.integers(2, 7)), "pruning": pruning, "first_epochs": 1,
        "pack_size": int(random.choice([2, 3, 6])),
        "sampler": str(random.choice(["random", "sobol", "tpe"])), "stages": int(random.choice([1, 1, 2])),
        "final": int(random.choice([0, 2])), "repeats": 1, "ensemble_top": int(random.choice([0, 3])),
        "early_stopping": int(random.choice([1, 50])),
    }  # fmt: skip


def check_search(record: Record, drawn: Drawn) -> None:
    """Search once on one thread, then in other ways, and compare all that the studies hold."""
    dataset, _ = dataset_of(drawn)
    space = {"learning_rate": "log:1e-3:1e2", "weight_decay": "log:1e-6:1"}
    settings = settings_of(drawn)
    ways: dict[str, dict[str, Any]] = {
        "two threads": {"jobs": 2},
        "a thread pool": {},
        "inline": {},
        "little memory": {},
    }
    if drawn.number % _RARE == 0:
        ways = {"processes": {"executor": "processes:1"}, "in two parts": {}}
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore", fastnet.FastnetWarning)
        common = {"space": space, "data": dataset, "trials": _TRIALS, "preset": "book", "progress": False} | settings
        try:
            expected = _content(fastnet.search(study=f"{folder}/first", jobs=1, **common), f"{folder}/first")
        except fastnet.FastnetError as error:
            if "\n" in str(error):
                raise Wrong(f"a search is refused by {str(error)!r}, which is not one sentence") from None
            record.passed("searches: refused in one sentence")
            record.note(f"search refused: {str(error)[:60]}")
            return
        chosen = [str(way) for way in drawn.random(61).permutation([*ways, "in two parts"])[:2]]
        for way in dict.fromkeys(chosen):
            found = _in_another_way(way, f"{folder}/{way}", common, ways.get(way, {}))
            if found != expected:
                raise Wrong(f"a search {way} gives other trials: {_first(found, expected)}")
            record.passed(f"searches with the same bits: {way}")


def _in_another_way(way: str, study: str, common: dict[str, Any], options: dict[str, Any]) -> list[Any]:
    if way == "in two parts":
        common = common | {"trials": _TRIALS}
        seen = []

        def stop_early(progress: Any) -> None:
            seen.append(progress)
            if progress.done >= 2 and len(seen) < 10_000:
                raise _Enough

        with suppress(_Enough):
            fastnet.search(study=study, jobs=1, on_progress=stop_early, **common)
        return _content(fastnet.search(study=study, jobs=2, **common), study)
    if way == "a thread pool":
        with ThreadPoolExecutor(1) as pool:
            return _content(fastnet.search(study=study, executor=pool, **common), study)
    if way == "inline":
        return _content(fastnet.search(study=study, executor=Inline(), jobs=1, **common), study)
    if way == "little memory":
        return _content(fastnet.search(study=study, jobs=2, memory="64M", **common), study)
    return _content(fastnet.search(study=study, **options, **common), study)


class _Enough(Exception):
    """Ends a search in its middle."""


def _content(result: Any, study: str) -> list[Any]:
    """Return all trials with their curves, and the numbers of the models that the study left."""
    found: list[Any] = [
        (trial.id, sorted(trial.params.items()), repr(trial.value), trial.status, np.asarray(trial.curves).tobytes())
        for trial in result.trials
    ]
    for name in ("model", "ensemble"):
        path = Path(study) / f"{name}.safetensors"
        if path.exists():
            tensors = fastnet.load_model(path).to_parts()[1]
            found.append((name, "", "", "", b"".join(tensors[key].tobytes() for key in sorted(tensors))))
    return found


def _first(found: list[Any], expected: list[Any]) -> str:
    for ours, theirs in zip(found, expected, strict=False):
        if ours != theirs:
            return f"{ours[:4]} and not {theirs[:4]}"
    return f"{len(found)} and not {len(expected)}"
