"""Ensembles on the command line, on real small networks: trained, searched for, reported, saved, used and removed."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import cli

import fastnet
from fastnet.config.training import TrainConfig
from fastnet.training import several

pytestmark = pytest.mark.usefixtures("empty_folder")

SMALL = ["--samples", "60", "--hidden", "8", "--epochs", "3", "--learning-rate", "0.1"]
SEARCH = ["search", "--samples", "60", "--hidden", "8", "--epochs", "3", "--trials", "6", "--study", "s", "--final",
          "none", "--ensemble-top", "4"]  # fmt: skip


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == code, (result.output, result.exception)
    assert "Traceback" not in result.output
    return result


def test_training_an_ensemble_reports_the_gain_and_keeps_one_model() -> None:
    result = run("train", *SMALL, "--ensemble", "3", "--seed", "4")
    best, val, test, _, model, curve = result.stdout.splitlines()
    assert re.fullmatch(r"best epochs:\d( to \d)? of 3, seed:4", best)
    assert re.fullmatch(r"val acc:[\d.]+, its 3 networks alone [\d.]+ on average", val)
    found = re.fullmatch(r"test acc:([\d.]+), test loss:([\d.]+), alone ([\d.]+), ([\d.]+)", test)
    assert found is not None and float(found[2]) < float(found[4])
    assert (model, curve) == ("model: models/mnist5k-1.safetensors", "curve: models/mnist5k-1.png")
    assert "| 3 networks\n" in result.stderr and "epoch 3/3 | mean train acc:" in result.stderr
    assert Path("models/mnist5k-1.png").read_bytes().startswith(b"\x89PNG")
    ensemble = fastnet.Ensemble.load("models/mnist5k-1.safetensors")
    assert len(ensemble.members) == 3 and ensemble.settings["seed"] == 4

    evaluated = json.loads(run("evaluate", "models/mnist5k-1.safetensors", "--format", "json").stdout)
    assert evaluated["accuracy"] == ensemble.metrics["test_accuracy"] == pytest.approx(float(found[1]), abs=1e-4)
    labels = run("predict", "models/mnist5k-1.safetensors").stdout.splitlines()
    data = fastnet.load("mnist5k")
    assert labels[1:] == [f"{i},{label}" for i, label in enumerate(ensemble.predict(data.x_test))]
    assert "has 64 features: this model reads 784" in run(
        "evaluate", "models/mnist5k-1.safetensors", "--data", "digits", code=1
    ).stderr  # fmt: skip


def test_an_ensemble_of_one_is_a_single_network() -> None:
    run("train", *SMALL, "--ensemble", "1", "-o", "a.safetensors")
    run("train", *SMALL, "-o", "b.safetensors")
    assert Path("a.safetensors").read_bytes() == Path("b.safetensors").read_bytes()


@pytest.mark.parametrize(("number", "code"), [("0", 1), ("1001", 1), ("two", 2)])
def test_impossible_numbers_are_refused_before_anything_is_done(number: str, code: int) -> None:
    assert "Error: " in run("train", *SMALL, "--ensemble", number, code=code).stderr
    assert not Path("models").exists()


def test_interrupt_keeps_the_epochs_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    train = several.train_ensemble

    def interrupted(dataset: fastnet.Dataset, config: TrainConfig, **how: Any) -> Any:
        shown = how.pop("on_epoch")

        def on_epoch(epoch: Any) -> None:
            shown(epoch)
            if epoch.epoch == 2:
                signal.raise_signal(signal.SIGINT)

        return train(dataset, config, on_epoch=on_epoch, **how)

    monkeypatch.setattr(several, "train_ensemble", interrupted)
    result = run("train", *SMALL, "--epochs", "50", "--ensemble", "3", code=130)
    assert " of 2, seed:0" in result.stdout
    assert len(fastnet.Ensemble.load("models/mnist5k-1.safetensors").members) == 3


def test_a_file_of_settings_can_ask_for_an_ensemble() -> None:
    printed = run("train", *SMALL, "--ensemble", "2", "--print-config").stdout
    assert "ensemble = 2\n" in printed
    Path("e.toml").write_text(printed)
    run("train", "--config", "e.toml", "-o", "m.safetensors")
    assert len(fastnet.Ensemble.load("m.safetensors").members) == 2


def test_a_search_combines_its_best_trials() -> None:
    result = run(*SEARCH)
    lines = result.stdout[result.stdout.index("Ensemble of the 4 best trials") :].splitlines()
    assert [line.split()[:-2] for line in lines[2:5]] == [
        ["the", "best", "alone", "1"], ["average", "4"], ["greedy", lines[4].split()[1]]
    ]  # fmt: skip
    assert "Kept: the average." in result.stdout
    assert lines[7].startswith("test acc:") and lines[8] == "ensemble: s/ensemble.safetensors"
    assert "training the best again to combine them" in result.stderr
    evaluated = run("evaluate", "s/ensemble.safetensors").stdout
    assert lines[7] == evaluated.rpartition(",")[0], "the file gives the figures printed"

    shown = run("studies", "show", "s").stdout
    assert "ensemble  Ensemble of the 4 best trials" in shown and lines[7] in shown and " × 1" in shown
    document = json.loads(run("studies", "show", "s", "--format", "json").stdout)
    assert document["ensemble"]["method"] == "average" and len(document["test_uses"]) == 1
    again = json.loads(run(*SEARCH, "--format", "json").stdout)
    assert again["ensemble"] == document["ensemble"] and again["run"]["new_trials"] == 0

    greedy = run(*SEARCH, "--ensemble", "greedy").stdout
    assert "Kept: the greedy selection." in greedy and "Evaluated on the test set 2 times" in greedy
    run("studies", "rm", "s", "--yes")
    assert not Path("s").exists()


def test_a_dry_run_mentions_the_ensemble() -> None:
    assert "ensemble  the 4 best combined, average\n" in run(*SEARCH, "--dry-run").stdout
    assert "ensemble  " not in run(*SEARCH[:-2], "--dry-run").stdout
