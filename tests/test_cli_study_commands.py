"""The commands that repeat a study or train one of its trials again."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli
from fastnet_cli.study_commands import search_command, train_command
from studies import ABOUT, make_study, make_trial

from fastnet.config.searching import SearchConfig
from fastnet.errors import FastnetError
from fastnet.tuning import Study
from fastnet.tuning.rules.choice import choose
from fastnet.tuning.run.assemble import study_settings
from fastnet.tuning.run.sampler import checked_space, sampler_of

SEARCHES = [
    [],
    ["--trials", "7", "--samples", "60", "--seed", "5", "--hidden", "8,4", "--dropout", "0,0.5", "--metric", "loss"],
    ["--optimizer", "adam", "--weight-decay", "0", "--space", "learning_rate=log:1e-3:1e-1", "--sampler", "sobol"],
    ["--learning-rate", "0.01", "--pruning", "halving", "--eta", "2", "--cv", "3", "--final", "none", "--stages", "2"],
    ["--space", "hidden=choice:4,4-4", "--sampler", "grid", "--trials", "8", "--levels", "3", "--activation", "tanh"],
    ["--enqueue", '[{"learning_rate": 0.001}, {"weight_decay": 1e-06}]', "--sampler", "sobol"],
    ["--expand", "--stages", "2", "--validation-fraction", "0.3", "--pruning", "median", "--first-epochs", "1"],
    ["--data", "digits", "--samples", "200", "--final", "2", "--repeats", "1", "--batch-size", "10"],
]  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], tuple[Any, SearchConfig]]:
    """Return what a command line of `fastnet search` asks the library for."""
    seen: list[tuple[Any, SearchConfig]] = []

    def note(dataset: Any, config: SearchConfig, **how: Any) -> None:
        seen.append((dataset, config))
        raise FastnetError("asked")

    monkeypatch.setattr("fastnet.tuning.run_study", note)

    def ask(arguments: list[str]) -> tuple[Any, SearchConfig]:
        result = CliRunner().invoke(cli, arguments)
        assert "Error: asked" in result.stderr, result.output
        return seen.pop()

    return ask


@pytest.mark.parametrize("arguments", SEARCHES, ids=" ".join)
def test_the_command_on_the_page_makes_the_same_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Callable[[list[str]], Any], arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    dataset, config = asked(["search", "--epochs", "6", *arguments])
    settings = study_settings(config, checked_space(config), dataset.fingerprint())
    params = sampler_of(config).draw(checked_space(config), np.arange(1), ())[0]
    with Study.open(Path("a"), settings, about={"data": dataset.name, "n_samples": dataset.n_samples}) as study:
        trial = make_trial(0, params, 1, config.metric, 9.0)
        study.append([trial], run=study.begin_run({}), wall_seconds=1, compile_seconds=0, compiled_seconds=1)
        report = {"stage": 1, "trials": 1, "best": 1, "ranges": [], "recommendation": {"words": ""}}
        study.append_stage(1, 0, 1, settings["space"], report)
        if config.final:
            chosen = choose([trial], [[trial]], config.metric).to_dict()
            study.set_final({**chosen, "wanted": config.final, "repeats": config.repeats, "kept": None})
        command, notes = search_command(study, config.trials)
        text = shlex.split(train_command(study, trial))[1]
    assert notes == ()
    assert asked(shlex.split(command)[1:])[1] == config, command
    assert asked(shlex.split(command)[1:])[0].fingerprint() == dataset.fingerprint(), command
    trained = CliRunner().invoke(cli, ["train", "--config", "-", "--print-config"], input=text)
    assert trained.exit_code == 0, trained.output


def test_a_sampler_that_is_an_object_of_python_is_a_note(tmp_path: Path) -> None:
    with Study.read(make_study(tmp_path / "s", 3)) as study:
        settings = study.settings | {"sampler": "given:TPESampler"}
    Study.open(tmp_path / "t", settings, about=ABOUT).close()
    with Study.read(tmp_path / "t") as study:
        command, notes = search_command(study, 3)
    assert "--sampler" not in command
    assert notes[-1] == "The trials were drawn by an object of TPESampler: continue the study in Python."


def test_unknown_parts_of_a_command_are_in_capitals(tmp_path: Path) -> None:
    with Study.read(make_study(tmp_path / "s", 3, about=ABOUT | {"data": "flowers"})) as study:
        command, notes = search_command(study, 3)
    assert "--data FILE.npz" in command and notes == (
        "Replace FILE.npz by the file of the data flowers: the study does not know its path.",
    )
