"""Search a model for each of thirteen real tables, and compare it with boosted trees on the same test rows.

    python profiles/tables.py FOLDER --json profiles/results/tables.json

FOLDER holds the tables as NAME.csv.gz. Each is searched by one command with a target and nothing else,

    fastnet search --data NAME.csv.gz --target TARGET --timeout 60s

in a process of its own, so that the time includes its start. scikit-learn's HistGradientBoosting with its defaults
learns from the same training rows, with missing values and categories as it reads them itself. The error is the
log-loss of classes and the root of the mean squared error of numbers, on the test rows that neither has seen; below 1
the ratio is in favour of the search. A table has one split and one seed here, so a single ratio is uncertain by several
per cent.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np
from _accuracy.sets import FROM_SKLEARN, MOST_LEVELS
from _accuracy.sets import TABLES as SETS
from _bench import Report, parser

TABLES = {name: table.target for name, table in SETS.items() if name not in FROM_SKLEARN}


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    asked = parser(__doc__)
    asked.add_argument("folder", type=Path, help="folder of the tables, NAME.csv.gz")
    asked.add_argument("--timeout", default="60s", help="time of each search (default: 60s)")
    asked.add_argument("--only", nargs="*", default=list(TABLES), choices=TABLES, help="tables to measure")
    asked.add_argument("--option", nargs="*", default=[], help="more options of the search, without their hyphens")
    options = asked.parse_args(arguments)
    report = Report("tables", threads=options.threads, quick=options.quick)
    ratios = []
    for name in options.only:
        found = measured(options, name)
        ratios.append(found["ratio"])
        report.section(name)
        for figure, value in found.items():
            unit = {"seconds": "s", "trials": ""}.get(figure, "log-loss" if found["classes"] else "rmse")
            if figure != "classes":
                report.add(figure, value, "" if figure == "ratio" else unit, better="lower" if unit else "")
    report.section("all tables")
    report.add("geometric mean of ratios", geometric_mean(ratios), "", better="lower")
    report.finish(options.json)


def measured(options: Any, name: str) -> dict[str, Any]:
    """Search one table and measure what the search leaves, and boosted trees."""
    import fastnet

    file, target = options.folder / f"{name}.csv.gz", TABLES[name]
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study"
        command = [shutil.which("fastnet"), "search", "--data", file, "--target", target, "--timeout", options.timeout]
        more = [part for option in options.option for part in f"--{option}".split("=", 1)]
        begin = time.perf_counter()
        done = subprocess.run([*command, "--study", study, *more], capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - begin
        if done.returncode:
            sys.exit(f"{name}: {done.stderr[-2000:]}")
        models = [study / model for model in ("ensemble.safetensors", "model.safetensors")]
        data = fastnet.load(file, target=target)
        errors = {model.stem: error_of(fastnet.load_model(model), data) for model in models if model.exists()}
        trials = trials_in(study)
    trees = trees_error(data)
    kept = errors.get("ensemble", errors.get("model", math.nan))
    print(
        f"{name}: {kept:.4g} in {seconds:.1f} s, {trials} trials; trees {trees:.4g}, ratio {kept / trees:.3f}",
        flush=True,
    )
    figures = {**errors, "trees": trees, "ratio": kept / trees, "seconds": seconds, "trials": trials}
    return {"classes": bool(data.n_classes), **figures}


def trials_in(study: Path) -> int:
    """Return the number of trials that a study holds."""
    from fastnet.tuning import Study

    with Study.read(study) as opened:
        return opened.count()


def error_of(model: Any, data: Any) -> float:
    """Return the error of a model on the test rows."""
    found = model.evaluate(data.x_test, data.labels_test if data.n_classes else data.y_test).metrics
    return float(found["log_loss"] if data.n_classes else found["rmse"])


def trees_error(data: Any) -> float:
    """Return the error of boosted trees with their defaults on the test rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.metrics import log_loss

    categories = [field.kind == "category" and len(field.levels) <= MOST_LEVELS for field in data.fields]
    x, x_test = (np.where((part < 0) & np.array(categories), np.nan, part) for part in (data.x, data.x_test))
    how = {"random_state": 0, "categorical_features": categories}
    if data.n_classes:
        trees = HistGradientBoostingClassifier(**how).fit(x, data.y)
        return float(log_loss(data.y_test, trees.predict_proba(x_test), labels=range(data.n_classes)))
    trees = HistGradientBoostingRegressor(**how).fit(x, data.y[:, 0])
    return float(np.sqrt(np.mean(np.square(trees.predict(x_test) - data.y_test[:, 0]))))


if __name__ == "__main__":
    main()
