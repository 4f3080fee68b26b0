"""Try on real tables, in PyTorch, what the networks of a search do not have yet, before any kernel is written for it.

    python profiles/ideas.py FOLDER --json profiles/results/ideas.json

FOLDER holds the tables as NAME.csv.gz, by default those of `accuracy.py` that decide. Each idea trains the same trials
(learning rate, weight decay and dropout drawn from the ranges of a search, 128x2, 36 epochs of AdamW, the best epoch by
validation) on the same inputs as this project's networks. What is compared is the error on the test rows: of the
average of the best half of the trials by validation, and in `single` the mean over those trials. It says nothing about
time: an idea has to be worth what its kernel would cost, too.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np
from _accuracy.sets import DECIDING, TABLES, split_into
from _accuracy.summary import SUMMARY, interval
from _bench import Report, load, parser, save, say

PLAIN = "as it is"
MOST_ROWS = 12_000
"""Training rows of a table; of larger ones that many are drawn."""


def ideas() -> dict[str, Any]:
    """Return what is tried, by the name of its figures."""
    from _ideas.networks import Idea

    return {
        PLAIN: Idea(),
        "another seed": Idea(),
        "average of weights": Idea(average=0.998),
        "beta2 0.95": Idea(beta2=0.95),
        "coslog4": Idea(schedule="coslog4"),
        "falling decay and dropout": Idea(falling=True),
        "biases at a tenth of the rate": Idea(bias_rate=0.1),
        "rates by width": Idea(by_width=True),
        "front scale": Idea(scale=True),
        "relative rate 20": Idea(relative=20.0),
        "relative rate 50": Idea(relative=50.0),
        "Mish": Idea(activation="mish"),
        "parametric Mish": Idea(activation="parametric"),
        "label smoothing": Idea(smoothing=0.05),
        "dropout of inputs": Idea(input_dropout=0.1),
        "linear path": Idea(linear=True),
        "PBLD and bins": Idea(periodic="linear"),
        "PBLD instead of bins": Idea(periodic="linear", bins=False),
        "PLR and bins": Idea(periodic="relu"),
        "neither bins nor periods": Idea(bins=False),
        "bins of trees": Idea(),
        "four members": Idea(members=4),
    }


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    asked = parser(__doc__)
    asked.add_argument("folder", type=Path, help="folder of the tables, NAME.csv.gz")
    asked.add_argument("--only", nargs="+", default=list(DECIDING), choices=TABLES, help="tables")
    asked.add_argument("--ideas", nargs="+", default=list(ideas()), choices=list(ideas()), help="what is tried")
    asked.add_argument("--splits", type=int, nargs="+", default=[0], help="seeds of the splits (default: 0)")
    asked.add_argument("--trials", type=int, default=8, help="trials of each (default: 8)")
    options = asked.parse_args(arguments)
    import torch

    torch.set_num_threads(options.threads)
    report = Report("ideas", threads=options.threads, quick=options.quick)
    if options.json and options.json.exists():
        report.figures = list(load(options.json)["figures"])
    for name in options.only:
        for number in options.splits:
            compare(report, options, name, number)
    summarise(report)
    report.finish(options.json)


def compare(report: Report, options: Any, name: str, number: int) -> None:
    """Train the trials of every idea on one split of one table."""
    from _ideas.networks import draw, errors, train

    section = f"{name}, split {number}"
    report.section(section)
    read = cache(partial(inputs_of, options.folder, name, number))
    for label in options.ideas:
        if any(one["section"] == section and one["name"] == label for one in report.figures):
            continue
        inputs, unit = read(trees=label == "bins of trees")
        if label == "label smoothing" and not inputs.n_classes:
            continue
        began = time.perf_counter()
        draws = draw(options.trials, inputs.n_classes, number)
        found, predicted = train(inputs, ideas()[label], draws, number + 1000 * (label == "another seed"))
        half = found.argsort()[: max(options.trials // 2, 1)]
        y = inputs.y[inputs.test]
        single = float(errors(predicted[half], y, inputs.n_classes).mean()) * unit
        averaged = float(errors(predicted[half].mean(0, keepdim=True), y, inputs.n_classes)) * unit
        seconds = time.perf_counter() - began
        kind = "log-loss" if inputs.n_classes else "rmse"
        report.add(label, averaged, kind, better="lower", single=single, seconds=round(seconds, 1))
        say(f"{section}: {label} {averaged:.4g}, single {single:.4g}, {seconds:.0f} s")
        if options.json:
            save(report.as_dict(), options.json)


def inputs_of(folder: Path, name: str, number: int, *, trees: bool) -> tuple[Any, float]:
    """Return a table as a network of a search reads it, and the unit of its errors."""
    import torch
    from _ideas.networks import Inputs
    from sklearn.model_selection import train_test_split

    import fastnet
    from fastnet.data.pipeline.table import fit_table

    with tempfile.TemporaryDirectory() as made:
        split_into(Path(made), folder, name, number)
        data = fastnet.load(Path(made) / "train.csv", target=TABLES[name].target, test=Path(made) / "test.csv")
    rows = np.arange(len(data.y))
    y = data.y if data.n_classes else data.y[:, 0]
    strata = y if data.n_classes else None
    learn, validate = train_test_split(rows, test_size=0.1, random_state=number, stratify=strata)
    learn = learn[:MOST_ROWS]
    pipeline = fit_table(data.x, learn, data.fields)
    if trees:
        pipeline = replace(pipeline, edges=edges_of_trees(pipeline, data.x[learn], y[learn], bool(data.n_classes)))
    x = np.concatenate([data.x, data.x_test])
    out = pipeline.apply(x)
    n_dense, n_bins, _ = pipeline.blocks
    n_numbers = sum(field.kind == "number" for field in data.fields)
    begin, end = n_dense, n_dense + sum(n_bins)
    y_all = np.concatenate([y, data.y_test if data.n_classes else data.y_test[:, 0]])
    mean, spread = (0.0, 1.0) if data.n_classes else (float(y[learn].mean()), float(y[learn].std()))
    targets = y_all if data.n_classes else ((y_all - mean) / spread).astype(np.float32)
    inputs = Inputs(
        torch.tensor(out[:, :n_numbers]),
        torch.tensor(out[:, begin:end]),
        torch.tensor(np.concatenate([out[:, n_numbers:begin], out[:, end:]], axis=1)),
        torch.tensor(targets),
        torch.tensor(learn), torch.tensor(validate), torch.arange(len(y), len(x)),
        int(data.n_classes),
    )  # fmt: skip
    return inputs, spread


def edges_of_trees(pipeline: Any, x: Any, y: Any, classes: bool) -> tuple[Any, ...]:
    """Return edges of bins where a tree on the target divides each number, as many as there are."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    found = []
    for place, edges in zip(pipeline.encoded.tolist(), pipeline.edges, strict=True):
        values = np.where(np.isnan(x[:, place]), pipeline.filling.values[place], x[:, place].astype(np.float64))
        kind = DecisionTreeClassifier if classes else DecisionTreeRegressor
        tree = (
            kind(max_leaf_nodes=max(len(edges) - 1, 2), min_samples_leaf=32, random_state=0)
            .fit(values[:, None], y)
            .tree_
        )
        inner = np.unique(tree.threshold[tree.feature >= 0])
        found.append(
            np.unique(np.concatenate([edges[:1], inner[(inner > edges[0]) & (inner < edges[-1])], edges[-1:]]))
        )
    return tuple(found)


def summarise(report: Report) -> None:
    """Add the geometric means over tables of errors relative to those without an idea, with intervals."""
    measured = [figure for figure in report.figures if figure["section"] != SUMMARY]
    report.figures = measured
    held = {(one["section"], one["name"]): one for one in measured}
    report.section(SUMMARY)
    for label in ideas():
        places = [section for section, name in held if name == label and (section, PLAIN) in held]
        if label == PLAIN or not places:
            continue
        ratios = {key: [held[at, label][key] / held[at, PLAIN][key] for at in places] for key in ("value", "single")}
        low, high = interval(ratios["value"])
        report.add(
            label, geometric_mean(ratios["value"]), f"of {PLAIN}", better="lower", low=low, high=high,
            single=geometric_mean(ratios["single"]), tables=len(places),
        )  # fmt: skip


if __name__ == "__main__":
    main()
