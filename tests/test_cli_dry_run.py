"""The plan of a search: `--dry-run`, and `--verbose`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import cli

import fastnet
import fastnet.tuning
from fastnet.tuning import Study

pytestmark = pytest.mark.usefixtures("empty_folder")

SMALL = ["--hidden", "4", "--epochs", "2", "--samples", "60"]


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def stored(folder: str) -> int:
    with Study.read(Path(folder)) as study:
        return len(study.stored_ids())


TITLES = [
    "data",
    "split",
    "network",
    "training",
    "space",
    "",
    "sampler",
    "trials",
    "schedule",
    "final",
    "study",
    "threads",
]


def table(text: str) -> dict[str, str]:
    """Lines under their titles."""
    found: dict[str, str] = {}
    title = ""
    for line in text.splitlines():
        title = line[:9].strip() or title
        found[title] = (found.get(title, "") + "\n" + line[10:]).strip()
    return found


def test_dry_run_prints_the_plan_and_writes_nothing() -> None:
    result = run("search", "--dry-run", "--trials", "1000", "-j", "2", *SMALL)
    plan = table(result.stdout)
    assert [line[:9].strip() for line in result.stdout.splitlines()] == [*TITLES, "memory", "", "time"]
    assert plan["data"] == "mnist5k, 60 samples of 784 features, 10 classes"
    assert plan["split"] == "48 to train, 12 to validate" and plan["network"] == "784-4-10, 3,190 parameters"
    assert plan["space"] == "learning_rate log:1e-06:0.01\nweight_decay log:1e-08:0.0001"
    assert plan["schedule"] == "every trial trains 2 epochs: 2,000 in total" and plan["trials"] == "1,000"
    assert re.fullmatch(
        r"[\d.]+ [KM]iB for 2 threads\nabout [\d.]+ [MG]iB for the whole program with data, kernels and pictures",
        plan["memory"],
    )
    assert re.fullmatch(
        r"about [\d:]+, likely [\d:]+ to [\d:]+; [\d.,]+ epochs/s, measured for [\d.]+ s on 2 threads", plan["time"]
    )
    assert list(Path().iterdir()) == []


def test_dry_run_of_a_study_counts_its_trials_and_does_not_change_it() -> None:
    run("search", "--trials", "3", *SMALL, "--study", "s")
    files = {path: path.read_bytes() for path in Path("s").iterdir()}
    plan = table(run("search", "--dry-run", "--trials", "3", *SMALL, "--study", "s").stdout)
    assert plan["trials"] == "3, of which 3 are stored" and plan["time"] == "none: every trial is stored"
    assert {path: path.read_bytes() for path in Path("s").iterdir()} == files
    assert table(run("search", "--dry-run", "--fresh", *SMALL, "--study", "s").stdout)["trials"] == "100"


def test_dry_run_of_a_search_with_pruning_stages_and_folds() -> None:
    options = [
        "--pruning",
        "halving",
        "--first-epochs",
        "1",
        "--stages",
        "2",
        "--cv",
        "3",
        "--final",
        "none",
        "-j",
        "2",
    ]
    plan = table(run("search", "--dry-run", "-n", "200", *SMALL, *options, "--epochs", "9").stdout)
    assert plan["split"] == "3 folds, each 40 to train, 20 to validate" and "final" not in plan
    # Each stage: a pack of 81, then one of 19; halving 81, 27, 9 and 19, 7, 3 trials after 1, 3 and 9 epochs.
    total = 2 * 3 * (81 * 1 + 27 * 2 + 9 * 6 + 19 * 1 + 7 * 2 + 3 * 6)
    assert plan["schedule"] == (
        f"halving in packs of 81 trials\n81 to epoch 1, 27 to epoch 3, 9 to epoch 9: {total:,} epochs in total, "
        f"{total / (200 * 9 * 3):.0%} of those without pruning"
    )
    assert plan["stages"] == "2, of 100 trials each"
    assert re.match(r"[\d.]+ [KM]iB for 2 threads and [\d.]+ [KM]iB for the weights of \d+ trials", plan["memory"])


def test_dry_run_of_searched_architectures() -> None:
    space = ["--space", "hidden=choice:4,8x2", "--space", "optimizer=choice:sgd,adam"]
    plan = table(run("search", "--dry-run", *space, "--samples", "60", "--epochs", "2", "--dropout", "0.5").stdout)
    assert plan["network"] == "784-(searched)-10"
    assert plan["training"] == "batch size 100, 2 epochs, seed 0, dropout 0.5"


def test_dry_run_counts_the_points_that_are_given() -> None:
    options = ["search", "--dry-run", "--samples", "60", "--epochs", "1", "--hidden", "8"]
    points = '[{"learning_rate": 0.001}, {}]'
    plan = table(run(*options, "--enqueue", points, "--sampler", "optuna:TPESampler").stdout)
    assert (plan["first"], plan["sampler"]) == ("2 given points", "optuna:TPESampler")
    assert "first" not in table(run(*options).stdout)


def test_dry_run_with_a_separate_validation_set() -> None:
    digits = fastnet.load("mnist5k")
    np.savez("v.npz", x=digits.x[:30], y=digits.y[:30])
    options = ["search", "--dry-run", "--validation", "v.npz", *SMALL]
    assert table(run(*options).stdout)["split"] == "60 to train, 30 to validate"
    assert "remove --cv" in run(*options, "--cv", "3", code=2).stderr
    Path("s.toml").write_text("cv = 3")
    assert "--cv=3: the samples that validate are given" in run(*options, "--config", "s.toml", code=1).stderr


def test_dry_run_refuses_what_the_search_would_refuse() -> None:
    refused = run("search", "--dry-run", "--memory", "1K", *SMALL, code=1)
    assert refused.stdout == ""
    assert re.fullmatch(r"Error: memory=1\.00 KiB: one network at a time needs [\d.]+ KiB; allow .*\n", refused.stderr)
    assert run("search", "--memory", "1K", *SMALL, code=1).stderr.splitlines()[-1] == refused.stderr.strip()
    assert "remove --format" in run("search", "--dry-run", "--format", "csv", *SMALL, code=2).stderr
    assert "does not use it" in run("search", "--dry-run", "--space", "beta1=uniform:0:0.9", code=1).stderr


def test_verbose_search_prints_its_plan_on_standard_error() -> None:
    result = run("search", "--trials", "2", "-v", *SMALL)
    plan = result.stderr.splitlines()
    assert [line[:9].strip() for line in plan[: len(TITLES)]] == TITLES
    assert plan[len(TITLES)].startswith("trials 0/2") and result.stdout.startswith("Best-1")
