"""Measure exported models: ONNX Runtime and the NumPy program next to the library, on one core.

    python profiles/export.py --json profiles/results/export.json

Needs the package onnxruntime (extra `test`). Each predicts the probabilities of 1 row and of 10,000 rows, in turns. The
rows of a table are columns of NumPy: as they are for the graph and for the program, and as an Arrow table for the
library, which also compares it with the table of the training.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy, as all three are measured on one core

import numpy as np
from _bench import Report, interleaved, machine_text, parser, pinned

ROWS = 10_000
NETWORKS = 8
"""Networks of an ensemble."""


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    options = parser(__doc__).parse_args(arguments)
    report = Report("export", threads=1, quick=options.quick)
    print(machine_text(report.machine), file=sys.stderr)
    with pinned([0]):
        for name, (model, columns) in cases().items():
            profile(report, name, model, columns, repeats=5 if options.quick else 25)
    report.finish(options.json)


def cases() -> dict[str, tuple[Any, dict[str, np.ndarray]]]:
    """Train the models briefly; return each with columns to predict, those of an array as one of the name features."""
    import pyarrow as pa

    import fastnet

    columns = table(ROWS)
    y = np.where(columns["n0"] + (columns["c0"] == "a") > 0.5, "yes", "no")
    rows = fastnet.load(pa.table({**columns, "target": y}), target="target")
    config = fastnet.TrainConfig(hidden=(128, 128), epochs=1)
    digits = fastnet.load("mnist5k")
    images = {"features": np.resize(digits.x_test.astype(np.float32), (ROWS, digits.n_features))}
    seven = fastnet.TrainConfig(hidden=(100,) * 6, epochs=1)
    return {
        "table, 128-128": (fastnet.train(rows, config).model, columns),
        f"table, {NETWORKS} x 128-128": (
            fastnet.train_ensemble(rows, config, networks=NETWORKS).ensemble, columns
        ),
        "images, 784-100x6-10": (fastnet.train(digits, seven).model, images),
    }  # fmt: skip


def table(n: int) -> dict[str, np.ndarray]:
    """Draw ten numbers, some of them missing, and four categories of six levels."""
    random = np.random.default_rng(0)
    columns: dict[str, np.ndarray] = {}
    for k in range(10):
        values = random.normal(size=n).astype(np.float32)
        columns[f"n{k}"] = np.where(random.random(n) < 0.05, np.float32(np.nan), values)
    for k in range(4):
        columns[f"c{k}"] = random.choice(np.array([*"abcdef"], dtype=object), n)
    return columns


def profile(report: Report, name: str, model: Any, columns: dict[str, np.ndarray], repeats: int) -> None:
    """Verify and time the three on one row and on all."""
    with tempfile.TemporaryDirectory() as folder, report.warming_up():
        run = exported(model, Path(folder))
    for n in (1, ROWS):
        calls = run({key: values[:n] for key, values in columns.items()})
        answers = {key: call() for key, call in calls.items()}
        for key, found in answers.items():
            error = float(np.abs(found - answers["fastnet"]).max())
            if not error <= 1e-5:
                sys.exit(f"{key}: a probability is {error:.3g} away from the library's")
        report.section(f"{name}, {n:,} row{'s' * (n > 1)}")
        timings = interleaved([repeated(call) for call in calls.values()], repeats=repeats)
        for key, timing in zip(calls, timings, strict=True):
            report.add(key, unit="ms", better="lower", **timing.scaled(1e3))
    report.verified(f"{name}: the probabilities of all three")


def exported(model: Any, folder: Path) -> Callable[[dict[str, np.ndarray]], dict[str, Callable[[], np.ndarray]]]:
    """Export a model; return a function that makes the three calls for some rows."""
    import onnxruntime
    import pyarrow as pa

    from fastnet.export.export import export_model
    from fastnet.export.standalone import Program

    export_model(model, folder / "model.onnx")
    export_model(model, folder / "program")
    program = Program(folder / "program" / "weights.npz")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    content = (folder / "model.onnx").read_bytes()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def calls(columns: dict[str, np.ndarray]) -> dict[str, Callable[[], np.ndarray]]:
        if model.schema is None:
            feeds, rows, given = columns, columns["features"], columns["features"]
        else:
            feeds = {key: values[:, None] for key, values in columns.items()}
            rows, given = columns, pa.table(columns)
        return {
            "fastnet": lambda: model.predict_proba(given),
            "ONNX Runtime": lambda: session.run(["probabilities"], feeds)[0],
            "NumPy program": lambda: program.predict_proba(rows),
        }

    return calls


def repeated(call: Callable[[], np.ndarray]) -> Callable[[int], None]:
    """Return a function that calls another one n times."""

    def work(n: int) -> None:
        for _ in range(n):
            call()

    return work


if __name__ == "__main__":
    main()
