"""Compare what searches find on real tables in the same time, on all cores.

    python profiles/accuracy.py FOLDER --seconds 10 60 --json profiles/results/accuracy.json

FOLDER holds the tables as NAME.csv.gz; three more come with scikit-learn. Each table is divided into training and test
rows by a seed. A contestant gets the training rows, all cores and the seconds, from the start of its process to its
end, with everything that it does after its search; what its predictions of the test rows are worth is then measured.
A search of which no trial has ended by then waits for its first one, so that it has an answer: its `trials` is 1, and
its `seconds` are those that it took.
The kernels of this project are compiled before. Contestants:

fastnet            `fastnet search --data train.csv --target TARGET --timeout SECONDS`, its ensemble
MLP, best / ten    random search over scikit-learn's MLP with early stopping; its best, and the average of its ten best
TPE, best / ten    the same with Optuna's TPE
trees              HistGradientBoosting with its defaults, without a limit
trees, best / ten  random search over HistGradientBoosting with early stopping
RealMLP            pytabkit's RealMLP-TD, where it is installed, without a limit
linear             a linear model with a penalty chosen by folds, without a limit

Errors are the log-loss of classes and the root of the mean squared error of numbers. Measurements that FILE of --json
holds already are kept: a run that was stopped goes on, and --again NAME measures a contestant anew.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from _accuracy.contest import error_of, score_of
from _accuracy.sets import ASIDE, DECIDING, TABLES, Prepared, split_into
from _accuracy.summary import OURS, SUMMARY, summarise
from _bench import ROOT, Report, load, parser, save, say

SEARCHES = {"mlp": "MLP", "tpe": "TPE", "trees": "trees"}
"""Contestants that search until the time is up, and what they are called."""
OTHERS = {"default": "trees", "realmlp": "RealMLP", "linear": "linear"}
"""Those that take the time they take."""
LONGEST = 600.0
"""Seconds after which one of these is given up."""


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    asked = parser(__doc__)
    asked.add_argument("folder", type=Path, help="folder of the tables, NAME.csv.gz")
    asked.add_argument("--seconds", type=int, nargs="+", default=[10, 60, 300], help="times (default: 10 60 300)")
    asked.add_argument("--splits", type=int, nargs="+", default=[0, 1, 2], help="seeds of the splits (default: 0 1 2)")
    asked.add_argument("--only", nargs="+", default=list(DECIDING + ASIDE), choices=TABLES, help="tables to measure")
    names = (OURS, *SEARCHES, *OTHERS)
    asked.add_argument("--contestants", nargs="+", default=list(names), choices=names, help="who takes part")
    asked.add_argument("--again", nargs="*", default=[], choices=names, help="measure these anew")
    asked.add_argument("--option", nargs="*", default=[], help="more options of our search, without their hyphens")
    options = asked.parse_args(arguments)
    report = Report("accuracy", threads=options.threads, quick=options.quick)
    known = load(options.json)["figures"] if options.json and options.json.exists() else []
    report.figures = [figure for figure in known if figure["section"] != SUMMARY and not measured_anew(figure, options)]
    for name in options.only:
        for number in options.splits:
            for seconds in options.seconds:
                compare(report, options, name, number, seconds)
    summarise(report)
    report.finish(options.json)


def measured_anew(figure: Mapping[str, Any], options: Any) -> bool:
    """Whether a figure of an earlier run is to be replaced."""
    if not any(figure["name"] in labels_of(name) for name in options.again):
        return False
    place = figure["section"].split(", ")
    chosen = place[0] in options.only and int(place[1].split()[1]) in options.splits
    return chosen and (len(place) < 3 or int(place[2].split()[0]) in options.seconds)


def labels_of(contestant: str) -> tuple[str, ...]:
    """Return the names of a contestant's figures.

    >>> labels_of("trees"), labels_of("default")
    (('trees, best', 'trees, ten'), ('trees',))
    """
    if contestant in SEARCHES:
        return f"{SEARCHES[contestant]}, best", f"{SEARCHES[contestant]}, ten"
    return (OTHERS.get(contestant, contestant),)


def compare(report: Report, options: Any, name: str, number: int, seconds: int) -> None:
    """Measure every contestant on one split of one table."""
    lacking = [one for one in options.contestants if not holds(report, one, name, number, seconds)]
    if not lacking:
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        split_into(folder, options.folder, name, number)
        data = Prepared(folder)
        for one in lacking:
            if one == OURS:
                with report.warming_up():
                    compile_kernels(folder, name)
            began = time.perf_counter()
            found = ours(folder, name, seconds, options) if one == OURS else theirs(folder, one, seconds, options)
            spent = time.perf_counter() - began
            report.section(section_of(one, name, number, seconds))
            for label, predicted in found["predicted"].items():
                error = error_of(predicted, data.y_test, data.n_classes)
                score = score_of(predicted, data.y_test, data.n_classes)
                unit = "log-loss" if data.n_classes else "rmse"
                trials = {"trials": found["trials"]} if one == OURS or one in SEARCHES else {}
                report.add(label, error, unit, better="lower", score=score, seconds=round(spent, 1), **trials)
                say(f"{report.figures[-1]['section']}: {label} {error:.4g}, {found['trials']} trials, {spent:.1f} s")
    if options.json:
        save(report.as_dict(), options.json)


def section_of(contestant: str, name: str, number: int, seconds: int) -> str:
    """Return where a contestant's figures stand: those without a limit are the same for all times."""
    return f"{name}, split {number}" + ("" if contestant in OTHERS else f", {seconds} s")


def holds(report: Report, contestant: str, name: str, number: int, seconds: int) -> bool:
    """Whether a contestant has been measured."""
    if contestant == "realmlp" and find_spec("pytabkit") is None:
        return True
    section = section_of(contestant, name, number, seconds)
    first = labels_of(contestant)[0]
    return any(figure["section"] == section and figure["name"] == first for figure in report.figures)


def compile_kernels(folder: Path, name: str) -> None:
    """Let this project compile what a search of the table needs, if it has not."""
    command = ["warmup", "--data", folder / "train.csv", "--target", TABLES[name].target, "--test", folder / "test.csv"]
    subprocess.run([shutil.which("fastnet") or "fastnet", *command], capture_output=True, check=False)


def ours(folder: Path, name: str, seconds: int, options: Any) -> dict[str, Any]:
    """Search by the command line with a target and nothing else; like the others, it waits for its first trial."""
    import fastnet
    from fastnet.tuning import Study

    study = folder / "study"
    more = [part for option in options.option for part in f"--{option}".split("=", 1)]
    command = [
        shutil.which("fastnet") or "fastnet", "search", "--data", folder / "train.csv", "--target",
        TABLES[name].target, "--test", folder / "test.csv", "--study", study, *more,
    ]  # fmt: skip
    for length in (("--timeout", f"{seconds}s"), ("--trials", "1")):
        shutil.rmtree(study, ignore_errors=True)
        done = subprocess.run([*command, *length], capture_output=True, text=True, check=False)
        models = [path for path in (study / "ensemble.safetensors", study / "model.safetensors") if path.exists()]
        if not done.returncode and models:
            break
    else:
        sys.exit(f"{name}: {done.stderr[-2000:]}")
    model = fastnet.load_model(models[0])
    predicted = model.predict_proba(folder / "test.csv") if TABLES[name].classes else model.predict(folder / "test.csv")
    with Study.read(study) as opened:
        trials = opened.count()
    return {"trials": trials, "predicted": {OURS: np.asarray(predicted).reshape(len(predicted), -1).squeeze()}}


def theirs(folder: Path, contestant: str, seconds: int, options: Any) -> dict[str, Any]:
    """Run another contestant in a process of its own."""
    arguments = [contestant, folder, seconds, options.threads, 0]
    command = [sys.executable, "-m", "_accuracy.contest", *map(str, arguments)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT / "profiles",
            timeout=max(LONGEST, 2 * seconds),
        )
    except subprocess.TimeoutExpired:
        say(f"{contestant}: not done within {LONGEST:g} s")
        return {"trials": 0, "predicted": {}}
    if done.returncode:
        sys.exit(f"{contestant}: {done.stderr[-2000:]}")
    trials = json.loads(done.stdout.splitlines()[-1])["trials"]
    with np.load(folder / f"{contestant}.npz") as held:
        keys = ("best", "averaged") if contestant in SEARCHES else ("only",)
        names = dict(zip(keys, labels_of(contestant), strict=True))
        return {"trials": trials, "predicted": {names[key]: held[key] for key in held.files}}


if __name__ == "__main__":
    main()
