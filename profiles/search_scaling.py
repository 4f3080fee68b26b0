"""Measure trials per second of a search on one core and on more, for tiny, book-sized and wide networks.

    python profiles/search_scaling.py --json profiles/results/search_scaling.json

Each search is a whole one: it samples, trains, evaluates and stores in a study on disk; only compiling is left out. The
same search on another number of threads must give the same trials, and its first trial the reference's curves.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _bench import Report, Timing, machine_text, parser
from _networks import images, small_images


class Network(NamedTuple):
    """An architecture, its data, and how many trials a search of some ten seconds on one core has."""

    name: str
    hidden: tuple[int, ...]
    data: Callable[[int], Any]
    epochs: int
    trials: int


SAMPLES, BATCH = 500, 100
NETWORKS = (
    Network("tiny, 64-32-10", (32,), small_images, 50, 1000),
    Network("book, 784-100x6-10", (100,) * 6, images, 50, 60),
    Network("wide, 784-512x3-10", (512,) * 3, images, 10, 24),
)
CHECKED_EPOCHS = 3


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    options = parser(__doc__).parse_args(arguments)
    report = Report("search_scaling", threads=options.threads, quick=options.quick)
    print(machine_text(report.machine), file=sys.stderr)
    counts = thread_counts(options.threads)
    for network in NETWORKS:
        if options.quick:
            network = network._replace(trials=max(8, network.trials // 10))
        profile(report, network, counts, repeats=2 if options.quick else 5)
    report.finish(options.json)


def thread_counts(most: int) -> list[int]:
    """Return 1, 2, 4, ... and `most` itself.

    >>> thread_counts(6)
    [1, 2, 4, 6]
    """
    return [*(1 << n for n in range(most.bit_length()) if 1 << n < most), most]


def profile(report: Report, network: Network, counts: list[int], repeats: int) -> None:
    """Verify and time the searches of one architecture."""
    dataset = network.data(SAMPLES)
    with tempfile.TemporaryDirectory() as folder:  # trials stay in their study's file
        with report.warming_up():
            few = network._replace(trials=8)
            firsts = [run(few, dataset, threads, Path(folder) / str(threads)) for threads in counts]
        verify(report, network, dataset, firsts)
    rates = np.zeros((repeats, len(counts)))
    outside = np.zeros((repeats, len(counts)))
    for r in range(repeats):
        for k, threads in enumerate(counts):
            with tempfile.TemporaryDirectory() as folder:
                result = run(network, dataset, threads, Path(folder) / "s")
            rates[r, k], outside[r, k] = result.trials_per_second, result.outside_share
    report.section(network.name)
    for k, threads in enumerate(counts):
        each = Timing(tuple(1 / rates[:, k]))
        efficiency = float(np.median(rates[:, k] / rates[:, 0] / threads))
        report.add(
            f"{threads} thread{'s' * (threads > 1)}", unit="trials/s", **each.rate(1.0),
            times_one=efficiency * threads, efficiency=efficiency, outside_compiled=float(np.median(outside[:, k])),
            outside_ms=1e3 * float(np.median(outside[:, k] / rates[:, k])) * network.trials, trials=network.trials,
        )  # fmt: skip


def run(network: Network, dataset: Any, threads: int, folder: Path) -> Any:
    """Search once, in a study of its own."""
    import fastnet
    from fastnet.tuning import run_study

    train = fastnet.TrainConfig(hidden=network.hidden, batch_size=BATCH, epochs=network.epochs)
    config = fastnet.SearchConfig(trials=network.trials, train=train, final=0)
    return run_study(dataset, config, folder=folder, jobs=threads)


def verify(report: Report, network: Network, dataset: Any, results: list[Any]) -> None:
    """End the profile unless all numbers of threads found the same, and the first trial is the reference's."""
    import fastnet
    from fastnet import reference
    from fastnet.data.pipeline.scaling import fit_scaler

    for other in results[1:]:
        for mine, same in zip(other.trials, results[0].trials, strict=True):
            if not np.array_equal(mine.curves, same.curves, equal_nan=True):
                sys.exit(f"{network.name}: trial {mine.id} depends on the number of threads")
    parts = fastnet.split(dataset.y)
    x = fit_scaler(dataset.x, parts.train).apply(dataset.x)
    trial = results[0].trials[0]
    sizes = (dataset.n_features, *network.hidden, dataset.n_classes)
    expected = reference.training.train(
        x, dataset.y.astype(np.int64), parts.train, parts.validation, sizes, batch_size=BATCH, epochs=CHECKED_EPOCHS,
        stream=trial.id, **trial.params,
    )  # fmt: skip
    error = float(np.abs(trial.curves[0, :CHECKED_EPOCHS] - expected.train_loss).max())
    if not error <= 1e-4:
        sys.exit(f"{network.name}: the training loss is {error:.3g} away from fastnet.reference")
    threads = "; the same bits on every number of threads" if len(results) > 1 else ""
    report.verified(f"{network.name}: {CHECKED_EPOCHS} epochs of a trial against fastnet.reference{threads}")


if __name__ == "__main__":
    main()
