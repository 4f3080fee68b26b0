"""The whole way through the public functions at the ends of what data and settings can be: it works or says why not."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csr_array

import fastnet
from _soak.drawing import Drawn
from _soak.record import Record, Wrong

EDGE = 50
"""Purpose of the generator of edges."""

Made = tuple[Any, Any, dict[str, Any]]
"""Features, targets and further arguments of `fastnet.as_dataset`."""


def _some(random: np.random.Generator, n: int = 30, f: int = 5) -> tuple[np.ndarray, np.ndarray]:
    return random.standard_normal((n, f)).astype(np.float32), random.integers(0, 3, n)


def _with(value: float, where: str) -> Callable[[np.random.Generator], Made]:
    def make(random: np.random.Generator) -> Made:
        x, y = _some(random)
        more: dict[str, Any] = {}
        if where == "x":
            x = x.astype(np.float64)
            x[int(random.integers(len(x))), int(random.integers(5))] = value
        elif where == "y":
            y = random.standard_normal(len(x))
            y[int(random.integers(len(x)))] = value
        else:
            more["weights"] = np.ones(len(x))
            more["weights"][int(random.integers(len(x)))] = value
        return x, y, more

    return make


def _shaped(n: int, f: int, k: int = 3) -> Callable[[np.random.Generator], Made]:
    return lambda random: (random.standard_normal((n, f)).astype(np.float32), np.arange(n) % k, {})


def _classes(n: int, k: int) -> Callable[[np.random.Generator], Made]:
    def make(random: np.random.Generator) -> Made:
        x, _ = _some(random, n)
        return x, random.integers(0, k, n), {"class_names": [f"class {number}" for number in range(k)]}

    return make


def _typed(dtype: Any) -> Callable[[np.random.Generator], Made]:
    def make(random: np.random.Generator) -> Made:
        x, y = _some(random)
        with np.errstate(all="ignore"):
            return (10 * x).astype(dtype), y, {}

    return make


def _scaled(scale: float, dtype: Any = np.float64) -> Callable[[np.random.Generator], Made]:
    def make(random: np.random.Generator) -> Made:
        x, y = _some(random)
        with np.errstate(all="ignore"):
            return (x.astype(np.float64) * scale).astype(dtype), y, {}

    return make


def _of_targets(scale: float, shift: float = 0.0) -> Callable[[np.random.Generator], Made]:
    def make(random: np.random.Generator) -> Made:
        x, _ = _some(random)
        return x, random.standard_normal(len(x)) * scale + shift, {"task": "regression"}

    return make


def _constant(random: np.random.Generator) -> Made:
    x, y = _some(random)
    x[:, : int(random.integers(1, 6))] = random.choice([0.0, 1.0, -1e30, 1e-42])
    return x, y, {}


def _views(random: np.random.Generator) -> Made:
    x, y = _some(random, 60, 10)
    x = np.asfortranarray(x[::2, ::2])
    x.setflags(write=False)
    return x, y[::2], {}


def _sparse(n: int, f: int) -> Callable[[np.random.Generator], Made]:
    def make(random: np.random.Generator) -> Made:
        columns = random.integers(0, f, (n, 7))
        columns.sort(axis=1)
        values = random.standard_normal(n * 7).astype(np.float32)
        made = csr_array((values, columns.ravel(), np.arange(0, 7 * n + 1, 7)), shape=(n, f))
        return made, np.arange(n) % 2, {}

    return make


def _empty_sparse(random: np.random.Generator) -> Made:
    return csr_array((20, 9), dtype=np.float32), np.arange(20) % 2, {}


EDGES: dict[str, Callable[[np.random.Generator], Made]] = {
    **{f"{value} in {where}": _with(value, where)
       for value in (np.nan, np.inf, -np.inf, 1e300, -1e300, 1e38, 1e-42, 5e-324) for where in ("x", "y", "weights")},
    **{f"{n} x {f}": _shaped(n, f)
       for n, f in ((1, 1), (1, 5), (2, 1), (2, 5), (3, 3), (9, 1), (0, 5), (5, 0), (0, 0))},
    "one class": _shaped(20, 4, 1), "a class for each row": _shaped(20, 4, 20), "1,000 classes": _classes(60, 1000),
    **{f"features of {np.dtype(dtype)}": _typed(dtype)
       for dtype in (">f4", ">f8", "f2", "i1", "u8", "i8", "?", "c8", "O", "S3", "g")},
    **{f"features times {scale:g}": _scaled(scale) for scale in (1e-320, 1e-300, 1e-45, 1e-38, 1e38, 1e150, 1e300)},
    "subnormal features": _scaled(1e-42, np.float32), "largest features": _scaled(1e38, np.float32),
    **{f"targets times {scale:g}": _of_targets(scale) for scale in (0.0, 1e-320, 1e-300, 1e-45, 1e38, 1e150, 1e307)},
    "targets far from 0": _of_targets(1e-6, 1e12), "constant features": _constant, "views": _views,
    "sparse": _sparse(30, 50), "no value in sparse": _empty_sparse,
}  # fmt: skip
"""Data at the edges, drawn alike; `LARGE` are the rare ones, which take seconds."""

LARGE: dict[str, Callable[[np.random.Generator], Made]] = {
    "100,000 features": _shaped(24, 100_000), "100,000 sparse features": _sparse(40, 100_000),
    "10,000 classes": _classes(40, 10_000),
}  # fmt: skip

_SETTINGS = (
    ("learning_rate", (1e6, 1e-30, 5e-324)), ("weight_decay", (1e6, 5e-324)), ("batch_size", (1, 2**31 - 1)),
    ("dropout", (0.999999, 1e-9)), ("momentum", (1 - 2**-53,)), ("epsilon", (1e-30, 1e6)),
    ("optimizer", ("adam", "rmsprop", "momentum", "adagrad")), ("activation", ("tanh", "gelu", "logistic")),
    ("seed", (0, 2**64 - 1)), ("hidden", ((), (1,), (1, 1, 1, 1, 1), (200,))), ("early_stopping", (1,)),
    ("warmup_epochs", (2.0, 1e-9)), ("label_smoothing", (0.999999,)), ("class_weight", ("balanced",)),
)  # fmt: skip
"""Settings at their ends."""


def check_edge(record: Record, drawn: Drawn) -> None:
    """Train or search on data at an edge with settings at their ends; anything but a result or one sentence fails."""
    random = drawn.random(EDGE)
    among = LARGE if random.random() < 0.03 else EDGES
    name = str(random.choice(list(among)))
    settings = {"hidden": (8,), "epochs": 2, "optimizer": "sgd"}
    for which in random.choice(len(_SETTINGS), 2, replace=False):
        field, values = _SETTINGS[which]
        settings[field] = values[int(random.integers(len(values)))]
    searches = random.random() < 0.15 and among is EDGES
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what NumPy says of the library's arithmetic is no sentence for its user
            warnings.simplefilter("ignore", fastnet.FastnetWarning)
            x, y, more = among[name](random)
            data = fastnet.as_dataset(x, y, **more)
            answers = _searched(data, settings) if searches else _trained(data, settings)
    except fastnet.FastnetError as error:
        words = str(error)
        if "\n" in words or len(words) < 12:
            raise Wrong(f"{name}, {settings}: refused by {words!r}, which is not one sentence") from None
        record.passed("edges: refused in one sentence")
        record.note(f"edge {name}: refused")
        return
    except Exception as error:
        error.add_note(f"{name}, {settings}" + (", searched" if searches else ""))
        raise
    if not np.isfinite(answers).all():
        raise Wrong(f"{name}, {settings}: {'a trial is' if searches else 'the answers are'} not finite")
    record.passed("edges: " + ("searched" if searches else "trained") + ", answers are finite")
    record.note(f"edge {name}: works")


def _trained(data: Any, settings: dict[str, Any]) -> np.ndarray:
    result = fastnet.train(data, fastnet.TrainConfig(**settings))
    with tempfile.TemporaryDirectory() as folder:
        result.model.save(f"{folder}/m.safetensors")
        again = fastnet.load_model(f"{folder}/m.safetensors")
    answers = result.model.answers(data.x)
    if again.answers(data.x).tobytes() != answers.tobytes():
        raise Wrong("the model that was saved and loaded answers otherwise")
    return np.asarray(answers)


def _searched(data: Any, settings: dict[str, Any]) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        found = fastnet.search(
            {"learning_rate": "log:1e-4:1e4"} if "learning_rate" not in settings else {"weight_decay": "log:1e-4:1e4"},
            data, trials=3, study=f"{folder}/s", jobs=1, final=0, preset="book", **settings,
        )  # fmt: skip
        return np.array([t.value for t in found.trials if t.status != "diverged"])
