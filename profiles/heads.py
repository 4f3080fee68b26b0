"""Train single networks on real tables with one and with several heads, and for longer.

    python profiles/heads.py FOLDER --json profiles/results/heads.json

FOLDER holds the tables as NAME.csv.gz, those of `accuracy.py` of which numbers are predicted. Each network has the
settings that `fastnet.train` takes for a table, other than `heads`, `epochs` and `early_stopping`; of its training rows
a fifth validates. The error is that on the test rows, a mean over seeds; `averaged` is the error of the mean of their
predictions, and `seconds` those of one training. The summary has geometric means over tables, relative to one head.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np
from _accuracy.sets import ASIDE, DECIDING, TABLES, split_into
from _accuracy.summary import SUMMARY
from _bench import Report, parser, say

FEWEST = "1 head, 36 epochs"
SETTINGS: dict[str, dict[str, int]] = {
    FEWEST: {"heads": 1, "epochs": 36, "early_stopping": 8},
    "2 heads, 36 epochs": {"heads": 2, "epochs": 36, "early_stopping": 8},
    "4 heads, 36 epochs": {"heads": 4, "epochs": 36, "early_stopping": 8},
    "8 heads, 36 epochs": {"heads": 8, "epochs": 36, "early_stopping": 8},
    "1 head, 72 epochs": {"heads": 1, "epochs": 72, "early_stopping": 16},
    "4 heads, 72 epochs": {"heads": 4, "epochs": 72, "early_stopping": 16},
    "1 head, 144 epochs": {"heads": 1, "epochs": 144, "early_stopping": 32},
}
NUMBERS = tuple(name for name in DECIDING + ASIDE if not TABLES[name].classes)


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    asked = parser(__doc__)
    asked.add_argument("folder", type=Path, help="folder of the tables, NAME.csv.gz")
    asked.add_argument("--only", nargs="+", default=list(NUMBERS), choices=NUMBERS, help="tables")
    asked.add_argument("--seeds", type=int, default=4, help="networks of each (default: 4)")
    options = asked.parse_args(arguments)
    report = Report("heads", threads=options.threads, quick=options.quick)
    for name in options.only:
        compare(report, options, name)
    summarise(report)
    report.finish(options.json)


def compare(report: Report, options: Any, name: str) -> None:
    """Train networks with every setting on one table."""
    import fastnet
    from fastnet.training.single import config_for

    with tempfile.TemporaryDirectory() as made:
        split_into(Path(made), options.folder, name, 0)
        data = fastnet.load(Path(made) / "train.csv", target=TABLES[name].target, test=Path(made) / "test.csv")
    report.section(name)
    usual = replace(config_for(data, None), seed=0)
    assert data.x_test is not None and data.y_test is not None
    with report.warming_up():
        for heads in (1, 2):
            fastnet.train(data, replace(usual, heads=heads, epochs=1), jobs=1)
    truth = data.y_test.ravel()
    for label, settings in SETTINGS.items():
        began = time.perf_counter()
        models = [
            fastnet.train(data, replace(usual, seed=seed, **settings), jobs=1).model for seed in range(options.seeds)
        ]
        seconds = (time.perf_counter() - began) / options.seeds
        answers = np.array([model.predict(data.x_test).ravel() for model in models])
        each = float(np.mean([rmse(one, truth) for one in answers]))
        averaged = rmse(answers.mean(axis=0), truth)
        report.add(label, each, "rmse", better="lower", averaged=averaged, seconds=round(seconds, 2))
        say(f"{name}: {label} {each:.4g}, averaged {averaged:.4g}, {seconds:.2f} s")


def rmse(predicted: Any, truth: Any) -> float:
    """Return the root of the mean squared error."""
    return float(np.sqrt(np.mean((predicted - truth) ** 2)))


def summarise(report: Report) -> None:
    """Add geometric means over the tables that decide and over those that were put aside."""
    held = {(figure["section"], figure["name"]): figure for figure in report.figures}
    measured = dict.fromkeys(section for section, _ in held)
    report.section(SUMMARY)
    for label in SETTINGS:
        ratios = {
            part: [held[name, label][key] / held[name, FEWEST][key] for name in measured if name in names]
            for part, names, key in (
                ("decides", DECIDING, "value"), ("aside", ASIDE, "value"), ("averaged", DECIDING + ASIDE, "averaged"),
                ("time", DECIDING + ASIDE, "seconds"),
            )
        }  # fmt: skip
        means = {part: geometric_mean(found) for part, found in ratios.items() if found}
        value = means.pop("decides", means.get("aside", 1.0))
        report.add(label, value, f"of {FEWEST}", better="lower", **means)


if __name__ == "__main__":
    main()
