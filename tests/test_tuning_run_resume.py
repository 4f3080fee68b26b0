"""A study knows what it was made with: it goes on, and ends, without being told again."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import cli

import fastnet
from fastnet.config.presets import Preset
from fastnet.config.searching import SearchConfig, as_settings
from fastnet.errors import ConfigError, StudyError
from fastnet.tuning import Study
from fastnet.tuning.run import search
from fastnet.tuning.run.resume import Source, known_of, plan_of

pytestmark = pytest.mark.usefixtures("empty_folder")

SMALL = {"hidden": "6", "epochs": 3, "batch_size": 20}
OPTIONS = ["--hidden", "6", "--epochs", "3", "--batch-size", "20"]


@pytest.fixture
def file(tiny_dataset: fastnet.Dataset) -> Path:
    np.savez("tiny.npz", x=tiny_dataset.x, y=tiny_dataset.y)
    return Path("tiny.npz")


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["search", *arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def content(folder: str) -> list[tuple[Any, ...]]:
    with Study.read(Path(folder)) as study:
        return [(t.id, t.params, t.stage, t.curves.tobytes()) for t in study.iter_trials(curves=True)]


@pytest.mark.parametrize(
    "settings",
    [
        {"trials": 7, "final": "none"},
        {"trials": 9, "pruning": "halving", "first_epochs": 1, "pack_size": 4, "stages": 2, "metric": "loss"},
        {"trials": 6, "folds": 2, "sampler": "sobol", "optimizer": "adam", "final": 2, "repeats": 1},
        {"trials": 4, "sampler": "grid", "levels": 2, "dropout": "0.1", "ensemble_top": 2, "ensemble": "greedy"},
    ],
)
def test_a_study_holds_the_whole_configuration(file: Path, settings: dict[str, Any]) -> None:
    space = {"learning_rate": "log:0.001:0.1", "weight_decay": "log:1e-08:0.0001"}
    fastnet.search(space, file, study="s", **SMALL, **settings)
    known = known_of(Path("s"))
    assert known is not None and known.source == Source(data=str(file.absolute()))
    more = {name: value for name, value in settings.items() if name != "trials"}
    given = search._config(space, settings["trials"], SMALL | more, None, Preset()).for_task("classification")
    ineffective = {"eta", "pack_size", "first_epochs", "levels", "expand"} if "pruning" not in settings else set()
    for field in fields(SearchConfig):
        if field.name not in ineffective | {"train"}:
            assert getattr(known.config, field.name) == getattr(given, field.name), field.name
    made, asked = (as_settings(config.train) for config in (known.config, given))
    assert {name: made[name] for name in made if name not in space} == {
        name: asked[name] for name in asked if name not in space
    }


@pytest.mark.parametrize("more", [[], ["--pruning", "halving", "--first-epochs", "1", "--pack-size", "5"]])
def test_a_search_that_was_stopped_goes_on_alone(file: Path, more: list[str]) -> None:
    made = [*OPTIONS, "--data", str(file), "--trials", "12", "--space", "learning_rate=log:1e-3:1", *more]
    made += ["--weight-decay", "0"]
    run(*made, "--study", "whole")
    fastnet.search(
        {"learning_rate": "log:1e-3:1"}, file, study="parts", trials=12, on_progress=None, timeout=0.0,
        **SMALL, **({"pruning": "halving", "first_epochs": 1, "pack_size": 5} if more else {}),
    )  # fmt: skip
    result = run("--study", "parts")
    assert "12 trials (12 new" in result.stdout and content("parts") == content("whole")
    again = fastnet.search(study="parts")
    assert again.new_trials == 0 and again.final is not None
    assert "the study already has 12 trials. Raise --trials" in run("--study", "parts", "--trials", "12").stderr


def test_what_is_given_is_compared_and_what_is_planned_may_change(file: Path) -> None:
    run(*OPTIONS, "--data", str(file), "--trials", "3", "--study", "s", "--final", "none")
    assert "batch_size 20 -> 30" in run("--study", "s", "--batch-size", "30", code=1).stderr
    assert "seed 0 -> 4" in run("--study", "s", "--seed", "4", code=1).stderr
    assert "learning_rate log:1e-06:0.01 -> 0.1" in run("--study", "s", "--learning-rate", "0.1", code=1).stderr
    assert "sampler random -> sobol" in run("--study", "s", "--sampler", "sobol", code=1).stderr
    assert "data " in run("--study", "s", "--samples", "50", code=1).stderr
    with pytest.raises(StudyError, match="epochs 3 -> 4"):
        fastnet.search(study="s", epochs=4)
    assert "5 trials (2 new" in run("--study", "s", "--trials", "5", "--final", "1", "--repeats", "2").stdout
    with Study.read(Path("s")) as study:
        assert study.plan()["trials"] == 5 and len(study.final()["candidates"]) == 1
    assert "Final choice" in run("--study", "s").stdout, "as the last command planned it"


def test_data_are_found_again_or_asked_for(file: Path, tiny_dataset: fastnet.Dataset) -> None:
    fastnet.search(None, tiny_dataset, study="arrays", trials=2, **SMALL)
    with pytest.raises(StudyError, match=r"arrays: the study does not know where its data \(tiny\) are; give data"):
        fastnet.search(study="arrays")
    assert run("--study", "arrays", code=1).stderr.count("\n") == 1
    assert fastnet.search(None, tiny_dataset, study="arrays", trials=3).new_trials == 1
    run(*OPTIONS, "--data", str(file), "--trials", "2", "--study", "s")
    file.rename("moved.npz")
    assert "tiny.npz" in run("--study", "s", code=1).stderr
    assert "3 trials (1 new" in run("--study", "s", "--data", "moved.npz", "--trials", "3").stdout
    assert "4 trials (1 new" in run("--study", "s", "--trials", "4").stdout, "where they are now"
    with pytest.raises(ConfigError, match="data is missing"):
        fastnet.search(study="new")


def test_parts_of_named_data_and_validation_data_are_found_again(file: Path) -> None:
    run(*OPTIONS, "--data", "mnist5k", "--samples", "80", "--trials", "2", "--study", "s", "--final", "none")
    assert fastnet.search(study="s", trials=3).new_trials == 1
    run(*OPTIONS, "--data", str(file), "--validation", str(file), "--trials", "2", "--study", "v", "--final", "none")
    assert "3 trials (1 new" in run("--study", "v", "--trials", "3").stdout
    assert fastnet.search(study="v", trials=4).new_trials == 1


def test_finish_ends_a_study_from_what_it_holds(file: Path) -> None:
    made = [*OPTIONS, "--data", str(file), "--ensemble-top", "2", "--final", "2", "--repeats", "1", "--study", "s"]
    run(*made, "--trials", "6")
    for name in ("model.safetensors", "ensemble.safetensors", "report.html"):
        (Path("s") / name).unlink()
    with Study.open(Path("s"), _settings("s")) as study:
        study.set_plan(plan_of(replace(known_of(Path("s")).config, trials=1000), None) | {
            "source": {"data": str(file.absolute())},
        })  # fmt: skip
        study._connection.execute("DELETE FROM final")
        study._connection.execute("DELETE FROM meta WHERE key = 'ensemble'")
    result = run("--study", "s", "--finish")
    assert "6 trials (0 new" in result.stdout and "Nothing to do" not in result.stderr
    for name in ("model.safetensors", "ensemble.safetensors", "report.html"):
        assert (Path("s") / name).is_file()
    assert fastnet.search(study="s", finish=True).final is not None
    assert "10 trials (4 new" in run("--study", "s", "--trials", "10").stdout, "it can still go on"
    assert run("--finish", code=2).stderr.strip().endswith("--finish needs --study with the folder of a study.")


def test_finish_of_stages_leaves_the_ranges_of_the_next_stage_open(file: Path) -> None:
    space = {"learning_rate": "log:1e-3:1"}
    staged = {"trials": 12, "stages": 2, **SMALL}
    whole = fastnet.search(space, file, study="whole", **staged)

    class Stop:
        def __call__(self, progress: Any) -> None:
            if progress.done >= 3:
                raise KeyboardInterrupt

    part = fastnet.search(space, file, study="s", on_progress=Stop(), interrupt="return", **staged)
    if len(part.trials) < 12:
        ended = fastnet.search(study="s", finish=True)
        assert ended.final is not None and len(ended.trials) == len(part.trials)
    fastnet.search(study="s")
    assert content("s") == content("whole") and len(whole.trials) == 12


def _settings(folder: str) -> dict[str, Any]:
    with Study.read(Path(folder)) as study:
        return study.settings


def test_a_study_without_a_plan_goes_on_too(file: Path) -> None:
    run(*OPTIONS, "--data", "mnist5k", "--samples", "80", "--trials", "2", "--study", "s", "--final", "none")
    with Study.open(Path("s"), _settings("s")) as study:
        study._connection.execute("DELETE FROM meta WHERE key = 'plan'")
    known = known_of(Path("s"))
    assert known is not None and known.source == Source(data="mnist5k", samples=80) and known.config.trials == 2
    assert "3 trials (1 new" in run("--study", "s", "--trials", "3").stdout


def test_print_config_of_a_study_prints_its_settings(file: Path) -> None:
    run(*OPTIONS, "--data", str(file), "--trials", "2", "--study", "s", "--final", "none", "--metric", "loss")
    printed = run("--study", "s", "--print-config").stdout
    for line in (
        'hidden = "6"',
        "epochs = 3",
        'metric = "loss"',
        'final = "none"',
        f"data = {json.dumps(str(file.absolute()))}",
    ):
        assert line in printed


def test_the_command_of_the_next_round_is_printed_and_works() -> None:
    made = ["--samples", "200", "--hidden", "none", "--epochs", "8", "--batch-size", "20", "--weight-decay", "0"]
    result = run(*made, "--space", "learning_rate=log:1e-5:1e-2", "--trials", "80", "--final", "none", "--study", "s")
    *_, words, command, closing = result.stdout.splitlines()
    assert words == "Another search in wider ranges promises more:" and closing.startswith("80 trials")
    assert command == "  fastnet search --after s"
    with Study.read(Path("s")) as study:
        advice = study.stages()[-1]["report"]["recommendation"]["next"]
    assert advice["way"] == "wider" and advice["epochs"] == 8
    after = run(*command.split()[2:])
    assert "80 trials (80 new" in after.stdout
    with Study.read(Path("studies/001")) as study:
        assert study.settings["space"] == advice["ranges"] and study.settings["train"]["hidden"] == "none"
        low, high = (float(end) for end in study.settings["space"]["learning_rate"].split(":")[1:])
        assert low < 1e-2 < high and study.best_value() > result_of("s")
    again = fastnet.search(after="s", study="again", trials=3)
    assert len(again.trials) == 3 and again.trials[0].params["learning_rate"] >= low
    assert fastnet.search(study="again", trials=4).new_trials == 1, "a study like any other"


def result_of(folder: str) -> float:
    with Study.read(Path(folder)) as study:
        return study.best_value() or 0.0


def test_there_is_no_round_after_nothing(file: Path) -> None:
    with pytest.raises(StudyError, match="no study here"):
        fastnet.search(after="nowhere")
    result = fastnet.search({"learning_rate": "log:1e-3:1"}, file, study="s", trials=4, timeout=0.0, **SMALL)
    assert result.recommendation is None
    with pytest.raises(StudyError, match="recommends no ranges yet"):
        fastnet.search(after="s")
    assert run("--after", "s", "--finish", code=2).stderr.strip().endswith("with the folder of a study.")


def test_a_data_set_that_was_loaded_tells_the_study_where_it_is(file: Path, tmp_path: Path, monkeypatch: Any) -> None:
    data = fastnet.take_first(fastnet.load(file), 40)
    monkeypatch.chdir(tmp_path)  # the stored path is absolute
    other = tmp_path / "elsewhere"
    other.mkdir()
    first = fastnet.search(None, data, study="a", trials=2, **SMALL)
    monkeypatch.chdir(other)
    again = fastnet.search(study=tmp_path / "a", trials=3)
    assert len(again.trials) == 3 and content(str(tmp_path / "a"))[:2] == [
        (t.id, t.params, t.stage, t.curves.tobytes()) for t in first.trials[:2]
    ]
    known = known_of(tmp_path / "a")
    assert known is not None and known.source is not None and known.source.samples == 40
    fastnet.search(None, (data.x, data.y), study="b", trials=2, **SMALL)
    known = known_of(Path("b"))
    assert known is not None and known.source is None


def test_a_table_that_was_loaded_is_read_alike_when_its_study_continues(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"{k * 7 % 13},{'abc'[k % 3]},{k * 3 % 5},{k % 4 + k * 0.5}" for k in range(60)]
    Path("t.csv").write_text("\n".join(["size,colour,id,price", *rows]) + "\n")
    how = {"target": "price", "drop": ("id",), "types": {"size": "category"}, "test": 0.3}
    data = fastnet.load(Path("t.csv"), **how)
    options = {"epochs": 2, "hidden": "8", "final": 0, "preset": "book"}
    fastnet.search(None, data, study="s", trials=2, **options)
    again = fastnet.search(study="s", trials=3)
    assert len(again.trials) == 3
    known = known_of(Path("s"))
    assert known is not None and known.source == Source(
        data=str(Path("t.csv").absolute()),
        reading={"target": ["price"], "drop": ["id"], "types": ["size=category"], "test": 0.3},
    )
    shown = CliRunner().invoke(cli, ["studies", "show", "s"]).output
    assert "--target price" in shown and "--drop id" in shown
    Path("v.csv").write_text("size,colour,price\n" + "3,a,7.25\n5,b,8.75\n")
    fastnet.search(None, data, study="v", trials=2, validation="v.csv", **options)
    known = known_of(Path("v"))
    assert known is not None and known.source is not None and known.source.validation == str(Path("v.csv").absolute())
    rest = fastnet.load({"a": [1.0, 2.0, 3.0, 4.0] * 5, "b": ["x", "y"] * 10}, target="b")
    assert rest.source is None


@pytest.mark.parametrize("begun", [False, True])
def test_a_search_begins_where_an_earlier_one_found_no_room_to(begun: bool) -> None:
    folder = Path("s")
    folder.mkdir()
    (folder / "study.sqlite").touch()
    if begun:
        with contextlib.closing(sqlite3.connect(folder / "study.sqlite")) as connection:
            connection.execute("PRAGMA user_version = 0")
    assert known_of(folder) is None
    result = fastnet.search(None, "digits", study=folder, trials=2, hidden="4", epochs=1, final=0)
    assert len(result.trials) == 2
