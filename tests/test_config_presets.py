"""Presets of a search: their settings are valid, follow the data, and give way to what is given."""

from __future__ import annotations

import time
import tomllib
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from fastnet_cli.budget import time_limit
from fastnet_cli.main import cli
from scipy.sparse import csr_array

import fastnet
from fastnet.config.presets import (
    ENSEMBLE_FOLDS,
    FEW_ROWS,
    FOLDS,
    HEADS,
    IMAGES_ROWS,
    PRESETS,
    QUALITIES,
    RELATIVE_RATE,
    TIMED_TRIALS,
    About,
    batch_size_of,
    preset_of,
    usual_config,
)
from fastnet.config.searching import SearchConfig
from fastnet.config.settings import to_toml
from fastnet.config.training import TrainConfig
from fastnet.data import as_dataset
from fastnet.data.fields import Field
from fastnet.errors import ConfigError
from fastnet.tuning.run.sampler import checked_space
from fastnet.tuning.run.search import about_data

SMALL = {"trials": 2, "epochs": 2, "final": 0, "ensemble_top": 0, "pruning": "none"}


@pytest.mark.parametrize("name", ["table", "images"])
def test_every_setting_of_a_preset_belongs_to_a_search_and_can_be_drawn(name):
    found = preset_of(name, About(rows=5000, table=False))
    assert not found.settings.keys() - SearchConfig.__dataclass_fields__ - TrainConfig.__dataclass_fields__.keys()
    training = {name: value for name, value in found.settings.items() if name in TrainConfig.__dataclass_fields__}
    searching = {name: value for name, value in found.settings.items() if name not in training}
    if isinstance(training["dropout"], str):
        assert TrainConfig(**training).dropout == 0.2
    config = SearchConfig(space=found.space, train=TrainConfig(**training), **searching)
    assert checked_space(config).names and set(found.space) <= set(training), (
        "each range has a fixed value for its lack"
    )


@pytest.mark.parametrize(("name", "table", "is_book"), [("auto", False, True), ("auto", True, False),
                                                        ("book", True, True), ("table", False, False)])  # fmt: skip
def test_auto_decides_by_the_data(name, table, is_book):
    found = preset_of(name, About(rows=100, table=table, seconds=9.0))
    assert (found.space is None) == is_book
    assert found.settings.get("trials") == (None if is_book else TIMED_TRIALS)


def test_many_images_in_a_limited_time_have_defaults_of_their_own():
    many = About(rows=IMAGES_ROWS, table=False, seconds=60.0)
    images = preset_of("images", many)
    assert images.settings["trials"] == TIMED_TRIALS and images.settings["optimizer"] == "adamw"
    assert preset_of("auto", many) == images
    for how in ({"rows": IMAGES_ROWS - 1}, {"seconds": None}, {"counted": True}):
        assert preset_of("auto", replace(many, **how)) == preset_of("book", many)
    assert preset_of("images", About(rows=9, table=False)).settings["trials"] < 100


@pytest.mark.parametrize("task", ["classification", "regression", "multilabel"])
def test_a_timed_search_of_few_rows_has_folds_and_of_more_an_ensemble_that_has(task):
    few = About(rows=FEW_ROWS, table=True, seconds=5.0, folding=True, task=task)
    more = replace(few, rows=FEW_ROWS + 1)
    assert preset_of("table", few).settings["folds"] == FOLDS
    assert preset_of("table", more).settings["ensemble_folds"] == ENSEMBLE_FOLDS
    assert "ensemble_folds" not in preset_of("table", few).settings
    assert "folds" not in preset_of("table", more).settings
    for known in (few, more):
        for how in ({"seconds": None}, {"folding": False}, {"rows": FOLDS - 1}):
            assert not {"folds", "ensemble_folds"} & set(preset_of("table", replace(known, **how)).settings)
        assert "ensemble_folds" not in preset_of("images", known).settings


def test_an_ensemble_has_no_folds_beside_settings_that_contradict_them():
    known = preset_of("table", About(rows=9000, table=True, seconds=5.0, folding=True))
    assert known.beside({"ensemble_top": 3, "folds": None}) == known
    for given in ({"folds": 3}, {"ensemble_top": 0}):
        assert known.beside(given).settings == {k: v for k, v in known.settings.items() if k != "ensemble_folds"}


def test_folds_give_way_to_sparse_data_times_groups_and_given_validation_samples():
    columns = {"size": [k / 4 for k in range(40)], "day": list(range(40)), "kind": ["a", "b", "b", "a"] * 10}
    how = {"seconds": 9.0, "counted": False}
    plain = fastnet.load(columns, target="kind")
    assert about_data(plain, validated=False, **how).folding and not about_data(plain, validated=True, **how).folding
    sparse = as_dataset(csr_array(np.eye(40, dtype=np.float32)), ["a", "b", "b", "a"] * 10)
    assert sparse.like_table and not about_data(sparse, validated=False, **how).folding
    for role in ("time", "group"):
        assert not about_data(fastnet.load(columns, target="kind", **{role: "day"}), validated=False, **how).folding


@pytest.mark.parametrize(
    ("task", "metric"), [("classification", "loss"), ("regression", "rmse"), ("multilabel", "loss")]
)
def test_tables_are_compared_by_the_loss_or_the_error_of_numbers(task, metric):
    found = preset_of("table", About(rows=100, table=True, task=task))
    assert SearchConfig(metric=found.settings["metric"]).for_task(task).metric == metric


@pytest.mark.parametrize(
    ("task", "rate"), [("classification", 0.0), ("regression", RELATIVE_RATE), ("multilabel", 0.0)]
)
def test_steps_grow_with_the_weights_where_numbers_are_predicted(task, rate):
    assert usual_config(rows=100, table=True, task=task).relative_rate == rate
    assert preset_of("table", About(rows=100, table=True, task=task)).settings.get("relative_rate", 0.0) == rate


@pytest.mark.parametrize(("task", "heads"), [("classification", 1), ("regression", HEADS), ("multilabel", 1)])
def test_a_single_network_of_numbers_has_several_heads_and_trains_longer(task, heads):
    single = usual_config(rows=5000, table=True, task=task)
    assert (single.heads, single.epochs, single.early_stopping) == (heads, 72, 16) if heads > 1 else (1, 36, 8)
    assert usual_config(rows=5000, table=False, task=task) == TrainConfig()
    assert "heads" not in preset_of("table", About(rows=5000, table=True, task=task)).settings


@pytest.mark.parametrize(
    ("rows", "seconds", "epochs"),
    [
        *((5000, 10.0, 108), (5001, 10.0, 36), (3000, 60.0, 108), (30_000, 60.0, 108), (9, None, 36)),
        *((30_000, 300.0, 216), (30_001, 300.0, 108), (3000, 299.0, 108), (200_000, 300.0, 36)),
    ],
)
def test_searches_of_numbers_train_longer_where_their_time_allows(rows, seconds, epochs):
    about = About(rows=rows, table=True, task="regression", seconds=seconds)
    found = preset_of("table", about).settings
    assert (found["epochs"], found["first_epochs"], found["early_stopping"]) == (epochs, epochs // 9, 2 * epochs // 9)
    for task in ("classification", "multilabel"):
        others = preset_of("table", replace(about, task=task)).settings
        assert (others["epochs"], others["first_epochs"], others["early_stopping"]) == (36, 4, 8)


def test_the_rows_of_every_fold_count():
    few = About(rows=1500, table=True, task="regression", seconds=10.0)
    assert preset_of("table", few).settings["epochs"] == 108
    assert preset_of("table", replace(few, folding=True)).settings["epochs"] == 36
    assert preset_of("table", replace(few, folding=True, seconds=15.0)).settings["epochs"] == 108


def test_batches_grow_with_rows():
    sizes = [batch_size_of(rows) for rows in (1, 1024, 1025, 100_000, 100_001)]
    assert sizes == [64, 64, 128, 128, 512]


def test_an_unknown_preset_is_refused(digits, tmp_path):
    with pytest.raises(ConfigError, match=f"preset='photos': must be one of {', '.join(PRESETS)}"):
        fastnet.search({}, digits, preset="photos", study=tmp_path)


@pytest.mark.filterwarnings("ignore:at least 99.5 % of the rows:fastnet.FastnetWarning")
def test_a_table_takes_its_preset_and_what_is_given_wins(digits, tmp_path):
    few = fastnet.take_first(digits, 120)
    names = [f"x{i}" for i in range(few.n_features)]
    table = replace(few, fields=tuple(Field(name, "number", name) for name in names))
    result = fastnet.search(None, table, study=tmp_path / "a", hidden="8", **SMALL)
    with fastnet.tuning.Study.read(tmp_path / "a") as study:
        settings = study.settings
    assert settings["train"]["optimizer"] == "adamw" and settings["train"]["batch_size"] == 64
    assert settings["train"]["hidden"] == "8" and settings["train"]["epochs"] == 2 and settings["metric"] == "loss"
    assert sorted(settings["space"]) == ["dropout", "learning_rate", "weight_decay"] and len(result.trials) == 2
    more = fastnet.search(data=table, study=tmp_path / "a", trials=3)
    assert len(more.trials) == 3, "a known study keeps its settings"
    fastnet.search(None, table, study=tmp_path / "b", hidden="8", preset="book", **SMALL)
    with fastnet.tuning.Study.read(tmp_path / "b") as study:
        assert study.settings["train"]["optimizer"] == "sgd" and len(study.settings["space"]) == 2


def print_config(*options: str, **environment: str) -> dict:
    run = CliRunner().invoke(cli, ["search", "--print-config", *options], env=environment)
    assert run.exit_code == 0, run.output
    return tomllib.loads(run.stdout)


def test_the_command_line_shows_a_preset_and_overrides_it_option_by_option(tmp_path):
    book, table = print_config(), print_config("--preset", "table", "--data", "digits")
    assert (book["optimizer"], book["trials"], sorted(book["space"])) == ("sgd", 100, ["learning_rate", "weight_decay"])
    assert (table["optimizer"], table["trials"], table["ensemble_top"]) == ("adamw", 54, 8)
    assert sorted(table["space"]) == ["dropout", "hidden", "learning_rate", "weight_decay"]
    assert table["early_stopping"] == 8 and table["pruning"] == "halving" and table["metric"] == "loss"
    (tmp_path / "mine.toml").write_text('preset = "table"\nepochs = 9\n[space]\ndropout = "uniform:0:0.1"\n')
    mine = print_config(
        "--config", str(tmp_path / "mine.toml"), "--hidden", "32", "--timeout", "9s", FASTNET_SEARCH_BATCH_SIZE="33"
    )
    assert (mine["epochs"], mine["hidden"], mine["batch_size"], mine["trials"]) == (9, "32", 33, TIMED_TRIALS)
    assert mine["space"]["dropout"] == "uniform:0:0.1" and "hidden" not in mine["space"]
    (tmp_path / "again.toml").write_text(to_toml(table))
    assert print_config("--config", str(tmp_path / "again.toml")) == table


def test_a_training_of_a_table_takes_the_preset_too(digits, tmp_path):
    table = {"size": [k / 4 for k in range(40)], "kind": ["a", "b", "b", "a"] * 10}
    data = fastnet.load(table, target="kind")
    settings = fastnet.train(data).model.settings
    assert (settings["optimizer"], settings["hidden"], settings["batch_size"]) == ("adamw", "128x2", 64)
    assert fastnet.train(data, fastnet.TrainConfig(epochs=1)).model.settings["optimizer"] == "sgd"
    assert usual_config(rows=40, table=False) == fastnet.TrainConfig()


def test_a_quality_is_a_time_limit_by_name(digits, tmp_path):
    assert time_limit(None, "good") == QUALITIES["good"] == 60.0 and time_limit(9.0, None) == 9.0
    quick = print_config("--preset", "table", "--data", "digits", "--quality", "quick")
    assert quick["trials"] == TIMED_TRIALS
    run = CliRunner().invoke(cli, ["search", "--quality", "best", "--timeout", "9s"])
    assert run.exit_code == 2 and "--quality best is a time limit of 10m, and --timeout gives another" in run.output
    with pytest.raises(ConfigError, match="quality='good' is a time limit, and timeout='9s' is another"):
        fastnet.search({}, digits, quality="good", timeout="9s", study=tmp_path)
    with pytest.raises(ConfigError, match="quality='fast': must be one of quick, good, best"):
        fastnet.search({}, digits, quality="fast", study=tmp_path)


def test_a_search_by_quality_ends_in_its_time(digits, tmp_path, monkeypatch):
    monkeypatch.setitem(QUALITIES, "quick", 3.0)
    began = time.perf_counter()
    how = {"preset": "images", "hidden": "8", "epochs": 2, "first_epochs": 1, "ensemble_top": 2}
    result = fastnet.search(None, digits, quality="quick", study=tmp_path, **how)
    assert result.interrupted and len(result.trials) > 9 and time.perf_counter() - began > 1.0
