"""Measure training on sparse data: texts of 20,000 features, 0.2 % not zero, next to scikit-learn's MLPClassifier.

    python profiles/sparse.py --json profiles/results/sparse.json

Both train a network of 100 hidden units by Adam in batches of 200 on the same matrix, as TfidfVectorizer makes it
(float64) and as float32. The frequencies of the words follow Zipf's law. fastnet measures its scores on all samples
after every epoch, MLPClassifier none. `memory` is what training allocates for the samples at its peak, relative to the
matrix that it is given, which it holds as well.
"""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
import warnings
from typing import Any

import numpy as np
from _bench import Report, Timing, machine_text, parser

N_SAMPLES, N_FEATURES, N_CLASSES = 10_000, 20_000, 10
WORDS = 40
"""Distinct words of a text, on average: 0.2 % of the features."""

HIDDEN, BATCH, EPOCHS = 100, 200, 3
N_LARGE = 200_000
"""Samples whose memory is measured: their matrix is large beside everything else."""


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    options = parser(__doc__).parse_args(arguments)
    report = Report("sparse", threads=options.threads, quick=options.quick)
    print(machine_text(report.machine), file=sys.stderr)
    verify(report)
    turns = 2 if options.quick else 5
    for kind in (np.float32, np.float64):
        profile(report, np.dtype(kind), options.threads, turns)
    memory(report)
    report.finish(options.json)


def texts(n: int, kind: Any = np.float64) -> tuple[Any, np.ndarray]:
    """Draw n texts of words by Zipf's law, (n, N_FEATURES), rows of length 1, and a class that some words tell."""
    from scipy.sparse import csr_array, diags_array
    from scipy.sparse.linalg import norm

    rng = np.random.default_rng(0)
    chances = 1.0 / np.arange(1, N_FEATURES + 1) ** 0.9
    words = rng.choice(N_FEATURES, size=(n, WORDS + 8), p=chances / chances.sum())
    starts = np.arange(n + 1) * words.shape[1]
    counts = csr_array(
        (np.ones(words.size), words.ravel().astype(np.int32), starts.astype(np.int32)), shape=(n, N_FEATURES)
    )
    counts.sum_duplicates()
    counts = counts @ diags_array(np.log(1.0 / chances))
    x = csr_array(diags_array(1.0 / norm(counts, axis=1)) @ counts).astype(kind)
    x.sort_indices()
    return x, np.asarray(x @ rng.standard_normal((N_FEATURES, N_CLASSES))).argmax(axis=1)


def profile(report: Report, kind: np.dtype[Any], threads: int, turns: int) -> None:
    """Time both on the same matrix, in turns."""
    import fastnet
    from fastnet.kernels import pack

    with report.warming_up():
        x, y = texts(N_SAMPLES, kind)
        parts = fastnet.split(y)
        dataset = fastnet.as_dataset(x, y)
        runs = {f"fastnet, {n} thread{'s' * (n > 1)}": training(dataset, parts, n) for n in sorted({1, threads})}
    x_train, y_train = x[parts.train], y[parts.train]
    seconds: dict[str, list[float]] = {}
    for turn in range(turns):
        for name, run in runs.items():
            pack.use_threads(run.threads)
            seconds.setdefault(name, []).append(epochs_of(run, turn * EPOCHS) / EPOCHS)
        seconds.setdefault("MLPClassifier", []).append(peer(x_train, y_train) / EPOCHS)
    report.section(f"{x.shape[1]:,} features, {100 * x.nnz / x.shape[0] / x.shape[1]:.2f} % not zero, {kind.name}")
    theirs = Timing(tuple(seconds["MLPClassifier"])).median
    for name, some in seconds.items():
        ratio = {} if name == "MLPClassifier" else {"ratio": round(theirs / Timing(tuple(some)).median, 1)}
        report.add(name, unit="samples/s", **Timing(tuple(some)).rate(len(y_train)), **ratio)


def training(dataset: Any, parts: Any, threads: int, hidden: int = HIDDEN) -> Any:
    """Make a training ready."""
    import fastnet
    from fastnet.network.samples import prepare
    from fastnet.training.single import Training

    config = fastnet.TrainConfig(
        hidden=(hidden,), batch_size=BATCH, epochs=1000, optimizer="adam", learning_rate=0.001, weight_decay=1e-4
    )  # fmt: skip
    return Training(config, prepare(dataset, parts, config), threads)


def epochs_of(run: Any, first: int) -> float:
    """Train some epochs and evaluate all samples after each; return the seconds."""
    from fastnet.kernels import step

    stop = np.zeros(1, np.int64)
    began = time.perf_counter()
    for epoch in range(first, first + EPOCHS):
        run.call(step.TRAIN_EPOCH, epoch, stop)
        run.call(step.EVALUATE, int(step.TRAINING), stop)
        run.call(step.EVALUATE, int(step.VALIDATION), stop)
    return time.perf_counter() - began


def peer(x: Any, y: np.ndarray) -> float:
    """Fit scikit-learn's network; return the seconds."""
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier((HIDDEN,), batch_size=BATCH, alpha=1e-4 * BATCH, max_iter=EPOCHS, tol=0.0, random_state=0)
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.fit(x, y)
    return time.perf_counter() - began


def memory(report: Report) -> None:
    """Measure the memory of the samples in a process of its own, which has loaded everything else before."""
    for kind in ("float32", "float64"):
        code = f"import sparse; sparse.print_memory('{kind}')"
        found = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=sys.path[0]
        )
        given, more = map(float, found.stdout.split())
        report.section(f"Memory of the samples, {kind}")
        report.add("the matrix given", given / 2**20, "MiB", better="")
        report.add("with training", (given + more) / 2**20, "MiB", better="lower", of_the_matrix=(given + more) / given)


def print_memory(kind: str) -> None:
    """Print the bytes of a matrix, and what training on it allocates at its peak, one narrow network included."""
    import fastnet

    x, y = texts(N_LARGE, np.dtype(kind))
    few = fastnet.as_dataset(x[:1000], y[:1000])
    epochs_of(training(few, fastnet.split(few.y), 1, hidden=2), 0)
    tracemalloc.start()
    dataset = fastnet.as_dataset(x, y)
    epochs_of(training(dataset, fastnet.split(dataset.y), 1, hidden=2), 0)
    print(x.data.nbytes + x.indices.nbytes + x.indptr.nbytes, tracemalloc.get_traced_memory()[1])


def verify(report: Report) -> None:
    """End the profile unless a small training is that of the reference on the same samples written out."""
    import fastnet
    from fastnet import reference
    from fastnet.kernels import step
    from fastnet.kernels.context import LOSS
    from fastnet.kernels.host import TILE_ROWS

    x, y = texts(300, np.float32)
    x = x[:, :500]
    dataset = fastnet.as_dataset(x, y % 3)
    run = training(dataset, fastnet.split(dataset.y), 1, hidden=20)
    rows = (run.data.train_rows[:-TILE_ROWS], run.data.validation_rows[:-TILE_ROWS])
    expected = reference.training.train(
        x.toarray().astype(np.float64), dataset.y, *rows, (500, 20, 3), batch_size=BATCH, epochs=3,
        optimizer="adam", learning_rate=0.001, weight_decay=1e-4,
    )  # fmt: skip
    for epoch in range(3):
        run.call(step.TRAIN_EPOCH, epoch, np.zeros(1, np.int64))
        error = abs(float(run.work.state[LOSS]) - float(expected.train_loss[epoch]))
        if not error <= 1e-4:
            sys.exit(f"the training loss is {error:.3g} away from fastnet.reference")
    report.verified("three epochs on sparse samples, against fastnet.reference on the same written out")


if __name__ == "__main__":
    main()
