"""The order of settings: flags, the environment, files, defaults; and printed settings read back."""

from __future__ import annotations

import json
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from commands import find_command
from fastnet_cli.config_file import file_options
from fastnet_cli.main import cli

from fastnet.config.searching import SearchConfig, as_settings
from fastnet.config.settings import to_toml
from fastnet.config.training import TrainConfig
from fastnet.report.listing import to_rows
from fastnet.tuning import TrialResult, configured

pytestmark = pytest.mark.usefixtures("empty_folder")


def effective(*arguments: str, env: dict[str, str] | None = None, stdin: str | None = None) -> dict[str, Any]:
    """What --print-config prints."""
    result = CliRunner().invoke(cli, [*arguments, "--print-config"], env=env, input=stdin)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert list(Path().glob("studies")) == list(Path().glob("models")) == []
    return tomllib.loads(result.stdout)


def test_a_file_overrides_the_default_the_environment_the_file_and_a_flag_all() -> None:
    Path("s.toml").write_text("epochs = 7\nbatch-size = 20\nseed = 3\n")
    env = {"FASTNET_SEARCH_BATCH_SIZE": "30", "FASTNET_SEARCH_SEED": "4", "FASTNET_TRAIN_EPOCHS": "9"}
    found = effective("search", "--config", "s.toml", "--seed", "5", env=env)
    assert [found[name] for name in ("trials", "epochs", "batch_size", "seed")] == [100, 7, 30, 5]
    env = {"FASTNET_SEARCH_CONFIG": "s.toml"}
    assert effective("search", env=env)["epochs"] == 7


def test_every_field_can_be_given_in_a_file_under_its_own_name() -> None:
    search = set(file_options(find_command("search")))
    expected = {field.name for field in fields(SearchConfig)} - {"space", "train", "folds"} | {"cv"}
    expected |= {field.name for field in fields(TrainConfig)}
    assert expected <= search
    assert {field.name for field in fields(TrainConfig)} <= set(file_options(find_command("train")))
    assert not {"fresh", "overwrite", "config", "print_config", "help", "space"} & search


def test_flags_that_act_once_are_not_taken_from_the_environment() -> None:
    names = {"fresh", "overwrite", "print_config"}
    options = [o for command in ("search", "train") for o in find_command(command).params if o.name in names]
    assert len(options) == 4 and not any(option.allow_from_autoenv for option in options)  # type: ignore[attr-defined]


SETTINGS = {
    "trials": 8,
    "sampler": "grid",
    "levels": 3,
    "pruning": "halving",
    "eta": 2,
    "first_epochs": 4,
    "pack_size": 16,
    "metric": "loss",
    "repeats": 2,
    "expand": True,
    "final": "none",
    "cv": 4,
    "data": "mnist",
    "data_dir": "folder with \"quotes\" and a tab\t",
    "samples": "all",
    "validation_fraction": 0.25,
    "batch_size": 50,
    "epochs": 9,
    "seed": 2**63,
    "jobs": 1,
    "study": "studies/näme",
    "format": "csv",
    "learning_rate": 0.125,
    "space": {"hidden": "choice:64x2-32,none", "optimizer": "choice:sgd,adam"},
}  # fmt: skip


@pytest.mark.parametrize("write", [to_toml, json.dumps], ids=["toml", "json"])
def test_printed_settings_are_those_given_and_read_back(write: Any) -> None:
    Path("s.toml").write_text(write(SETTINGS), encoding="utf-8")
    found = effective("search", "--config", "s.toml")
    assert found["space"] == {**SETTINGS["space"], "weight_decay": "log:1e-08:0.0001"}
    assert {name: found[name] for name in SETTINGS if name != "space"} == {
        name: value for name, value in SETTINGS.items() if name != "space"
    }
    Path("again.toml").write_text(to_toml(found), encoding="utf-8")
    assert effective("search", "--config", "again.toml") == found


@pytest.mark.parametrize(
    "arguments",
    [
        ["train"],
        ["train", "--optimizer", "adam", "--hidden", "512,256", "--early-stopping", "3", "-o", "m.safetensors"],
        ["search"],
        ["search", "--learning-rate", "0.1", "--weight-decay", "0", "--final", "2", "--cv", "5"],
        ["search", "--space", "width=logint:16:256", "--space", "depth=int:1:4", "--samples", "200"],
        ["search", "--dropout", "0,0.5", "--hidden", "64,32", "--timeout", "1h30m", "--memory", "1.5G"],
        ["search", "--sampler", "sobol", "--stages", "3", "--expand", "--pruning", "median", "--seed", str(2**64 - 1)],
    ],
)
def test_printed_settings_read_back_as_the_same(arguments: list[str]) -> None:
    first = CliRunner().invoke(cli, [*arguments, "--print-config"])
    Path("c.toml").write_text(first.stdout, encoding="utf-8")
    again = CliRunner().invoke(cli, [arguments[0], "--config", "c.toml", "--print-config"])
    assert again.exit_code == 0 and again.stdout == first.stdout
    piped = CliRunner().invoke(cli, [arguments[0], "--config", "-", "--print-config"], input=first.stdout)
    assert piped.stdout == first.stdout


RANGE = "log:0.001:0.1"


@pytest.mark.parametrize(
    ("file", "env", "arguments", "found"),
    [
        ("", {}, [], "log:1e-06:0.01"),
        (f'[space]\nlearning-rate = "{RANGE}"', {}, [], RANGE),
        (f'[space]\nlearning_rate = "{RANGE}"', {}, ["--learning-rate", "0.5"], 0.5),
        (f'[space]\nlearning_rate = "{RANGE}"', {"LEARNING_RATE": "0.5"}, [], 0.5),
        ("learning_rate = 0.5", {}, [], 0.5),
        ("learning_rate = 0.5", {}, ["--space", f"learning_rate={RANGE}"], RANGE),
        ("learning_rate = 0.5", {"SPACE": f"dropout=choice:0,0.5 learning_rate={RANGE}"}, [], RANGE),
        ("", {"SPACE": "learning_rate=log:1e-3:1"}, ["--space", f"learning_rate={RANGE}"], RANGE),
        ("", {"LEARNING_RATE": "0.5"}, ["--space", f"learning_rate={RANGE}"], RANGE),
    ],
)
def test_the_place_of_highest_precedence_decides_whether_a_name_is_fixed_or_searched(
    file: str, env: dict[str, str], arguments: list[str], found: Any
) -> None:
    Path("s.toml").write_text(file)
    env = {f"FASTNET_SEARCH_{name}": value for name, value in env.items()}
    printed = effective("search", "--config", "s.toml", *arguments, env=env)
    space = printed["space"]
    assert (space if isinstance(found, str) else printed)["learning_rate"] == found
    assert ("learning_rate" in space) != ("learning_rate" in printed)


def test_a_flag_for_the_whole_overrides_a_file_for_a_part() -> None:
    Path("s.toml").write_text('[space]\nwidth = "int:16:64"\ndepth = "int:1:3"\n')
    assert set(effective("search", "--config", "s.toml")["space"]) >= {"width", "depth"}
    found = effective("search", "--config", "s.toml", "--hidden", "32x2")
    assert found["hidden"] == "32x2" and set(found["space"]) == {"learning_rate", "weight_decay"}


def test_a_file_can_fix_the_whole_whose_part_it_searches() -> None:
    Path("s.toml").write_text('hidden = "100x3"\n[space]\nwidth = "int:16:64"\n')
    found = effective("search", "--config", "s.toml")
    assert found["hidden"] == "100x3" and found["space"]["width"] == "int:16:64"


@pytest.mark.parametrize("write", [to_toml, json.dumps], ids=["toml", "json"])
@pytest.mark.parametrize(
    "params",
    [
        {"learning_rate": 0.0125, "weight_decay": 1e-8},
        {"hidden": "64x2-32", "optimizer": "adam", "batch_size": 50},
        {"width": 64, "depth": 2, "init": "xavier"},
        {"depth": 3},
        {"dropout_2": 0.5, "dropout": 0.125, "hidden": "64-32"},
    ],
)
def test_a_trial_can_be_replayed(params: dict[str, Any], write: Any) -> None:
    Path("trial").write_text(write(params))
    expected = as_settings(configured(TrainConfig(), params))
    if "learning_rate" not in params and "optimizer" in params:
        del expected["learning_rate"]  # a training takes the optimizer's own
    given = expected.items() - {
        ("early_stopping", None),
        ("class_weight", None),
        ("calibration", None),
        ("threshold", None),
    }
    assert given <= effective("train", "--config", "trial").items()


def test_a_row_of_results_can_be_replayed() -> None:
    curves = np.full((4, 2), 0.5, np.float32)
    trial = TrialResult.from_curves(4, "done", {"learning_rate": 0.25, "hidden": "64-32"}, curves, seconds=0.5)
    (row,) = to_rows([trial])
    found = effective("train", "--config", "-", stdin=json.dumps(row))
    assert found["learning_rate"] == 0.25 and found["hidden"] == "64,32" and found["epochs"] == TrainConfig().epochs


def test_a_flag_overrides_the_parts_of_a_trial() -> None:
    Path("trial.json").write_text('{"width": 64, "depth": 2, "learning_rate": 0.5}')
    found = effective("train", "--config", "trial.json", "--hidden", "7")
    assert found["hidden"] == "7" and found["learning_rate"] == 0.5


def test_a_search_that_would_be_refused_is_not_printed() -> None:
    result = CliRunner().invoke(cli, ["search", "--space", "beta1=uniform:0:0.9", "--print-config"])
    assert result.exit_code == 1 and result.stdout == ""


def test_the_file_that_the_documentation_shows_is_one() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "howto.md").read_text(encoding="utf-8")
    shown = page.partition("```toml\n")[2].partition("```")[0]
    found = effective("search", "--config", "-", stdin=shown)
    given = tomllib.loads(shown)
    assert found.items() >= {name: value for name, value in given.items() if name != "space"}.items()
    assert set(found["space"]) == {*given["space"], "weight_decay"}
