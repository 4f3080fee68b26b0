"""Measure the search for scikit-learn next to RandomizedSearchCV: the same configurations and folds, all cores.

    python profiles/estimators.py --json profiles/results/estimators.json

Both draw the same configurations from the same ranges and train 64x2 units for 20 epochs on 5,000 rows of 20 numbers,
five folds each: FastNetSearchCV over FastNetClassifier, and RandomizedSearchCV over MLPClassifier with as many
processes as there are threads. Whole calls of `fit` are timed in turns, without the last fit on all samples.
"""

from __future__ import annotations

import sys
import time
import warnings
from typing import Any

import numpy as np
from _bench import Report, Timing, machine_text, parser

ROWS, FEATURES, FOLDS, EPOCHS = 5000, 20, 5, 20
HIDDEN, BATCH = (64, 64), 32


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    options = parser(__doc__).parse_args(arguments)
    report = Report("estimators", threads=options.threads, quick=options.quick)
    print(machine_text(report.machine), file=sys.stderr)
    configurations, turns = (4, 1) if options.quick else (20, 5)
    x, y = samples()
    with report.warming_up():
        fit("FastNetSearchCV", x, y, 2, options.threads)
        verify(report, x, y, options.threads)
    seconds: dict[str, list[float]] = {}
    for _ in range(turns):
        for name in ("FastNetSearchCV", "RandomizedSearchCV"):
            seconds.setdefault(name, []).append(fit(name, x, y, configurations, options.threads)[0])
    report.section(f"{configurations} configurations, {FOLDS} folds, {options.threads} threads")
    theirs = Timing(tuple(seconds["RandomizedSearchCV"])).median
    for name, some in seconds.items():
        ratio = {} if name == "RandomizedSearchCV" else {"ratio": round(theirs / Timing(tuple(some)).median, 1)}
        report.add(name, unit="configurations/s", **Timing(tuple(some)).rate(configurations), **ratio)
    report.finish(options.json)


def samples() -> tuple[np.ndarray, np.ndarray]:
    """Draw samples of two classes."""
    from sklearn.datasets import make_classification

    x, y = make_classification(ROWS, FEATURES, n_informative=10, random_state=0)
    return (x - x.mean(axis=0)) / x.std(axis=0), y


def verify(report: Report, x: np.ndarray, y: np.ndarray, threads: int) -> None:
    """Check that networks of both are equally good with the same settings, within what chance does."""
    ours, theirs = (fit(name, x, y, 2, threads)[1] for name in ("FastNetSearchCV", "RandomizedSearchCV"))
    gap = float(np.abs(ours.cv_results_["mean_test_score"] - theirs.cv_results_["mean_test_score"]).max())
    if not gap < 0.02:
        sys.exit(f"the mean accuracies of both differ by {gap:.3g}")
    report.verified("mean accuracies of the same configurations within 0.02")


def fit(name: str, x: np.ndarray, y: np.ndarray, configurations: int, threads: int) -> tuple[float, Any]:
    """Fit a search; return the seconds and the search."""
    from scipy.stats import loguniform
    from sklearn.model_selection import RandomizedSearchCV
    from sklearn.neural_network import MLPClassifier

    from fastnet.sklearn import FastNetClassifier, FastNetSearchCV

    settings: dict[str, Any] = {
        "hidden_layer_sizes": HIDDEN, "batch_size": BATCH, "max_iter": EPOCHS, "n_iter_no_change": EPOCHS,
        "random_state": 0,
    }  # fmt: skip
    space = {"learning_rate_init": loguniform(1e-4, 1e-2), "alpha": loguniform(1e-5, 1e-1)}
    ours = name == "FastNetSearchCV"
    kind, network = (FastNetSearchCV, FastNetClassifier) if ours else (RandomizedSearchCV, MLPClassifier)
    search = kind(
        network(**settings), space, n_iter=configurations, cv=FOLDS, random_state=0, refit=False, n_jobs=threads
    )
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(x, y)
    return time.perf_counter() - began, search


if __name__ == "__main__":
    main()
