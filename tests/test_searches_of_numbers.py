"""Searches on numbers and labels, from trials to report: the lowest error wins wherever trials are compared."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli

import fastnet
from fastnet.config.metric import METRICS, metric_of_objective, score_of_objective
from fastnet.data.validation import split_of
from fastnet.errors import ConfigError, StudyError
from fastnet.report.figures import best20_figure, ensemble_curve_figure, learning_curve_figure
from fastnet.report.listing import format_best, to_rows
from fastnet.report.outcome import format_ensemble, format_final, format_recommendation
from fastnet.report.page import write_report
from fastnet.tuning import Study
from fastnet.tuning.rules.narrowing import narrow
from fastnet.tuning.space.space import Space
from fastnet.tuning.store.export import write_trials
from fastnet.tuning.trial import rank

SPACE = {"learning_rate": "log:1e-3:1e-1", "hidden": "choice:8,6-4", "optimizer": "choice:sgd,adam"}
NUMBERS = ("squared-error", "absolute-error", "huber", "pinball", "poisson")
SMALL: dict[str, Any] = {"trials": 9, "epochs": 4, "batch_size": 20, "seed": 3, "preset": "book"}


def data_of(objective: str, n: int = 120, targets: int = 1) -> fastnet.Dataset:
    """Return a table with numbers around 5,000, counts, or two labels."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, n))
    table: dict[str, Any] = {"a": a, "b": b, "colour": np.array(["red", "green", "blue"])[rng.integers(0, 3, n)]}
    if objective == "poisson":
        table["y"] = rng.poisson(np.exp(a))
    elif objective == "binary-cross-entropy":
        table |= {"y": a > b, "z": a + b > 0.5}
        return fastnet.load(table, target=["y", "z"])
    else:
        table["y"] = 5000 + 800 * a - 300 * b + 50 * rng.normal(size=n)
    if targets == 2:
        table["z"] = 0.01 * (b + rng.normal(size=n))
        return fastnet.load(table, target=["y", "z"])
    return fastnet.load(table, target="y", task="regression")


def contents(result: fastnet.SearchResult) -> bytes:
    rows = [(trial.id, trial.params, trial.value, trial.best_epoch, trial.status) for trial in result.trials]
    return b"".join(trial.curves.tobytes() for trial in result.trials) + repr(rows).encode()


def test_heads_are_searched_kept_and_shown(tmp_path: Path) -> None:
    data, space = data_of("squared-error"), SPACE | {"heads": "choice:1,4"}
    how = SMALL | {"pruning": "halving", "first_epochs": 1, "pack_size": 9, "ensemble_top": 3}
    results = [fastnet.search(space, data, study=tmp_path / name, jobs=n, **how) for name, n in (("a", 1), ("b", 2))]
    assert contents(results[0]) == contents(results[1])
    heads = {trial.params["heads"] for trial in results[0].trials}
    assert heads == {1, 4}
    fixed = fastnet.search(SPACE, data, study=tmp_path / "c", heads=4, **how)
    model = fastnet.load_model(tmp_path / "c" / "model.safetensors")
    assert model.spec.heads == 4 and "with 4 heads" in model._repr_html_() and len(fixed.trials) == 9
    ensemble = fastnet.load_model(tmp_path / "c" / "ensemble.safetensors")
    assert {member.spec.heads for member in ensemble.members} == {4}


@pytest.mark.parametrize("objective", [*NUMBERS, "binary-cross-entropy"])
def test_a_search_compares_stores_and_shows_the_metric_of_its_objective(objective: str, tmp_path: Path) -> None:
    data, score = data_of(objective), score_of_objective(objective).name
    metric = metric_of_objective(objective)
    study = tmp_path / "s"
    more = {"final": 2, "repeats": 2, "ensemble_top": 3, "ensemble": "greedy", "objective": objective}
    result = fastnet.search(SPACE, data, study=study, jobs=2, **SMALL, **more)
    done = [trial for trial in result.trials if trial.status == "done"]
    best = result.best(3)
    assert best[0].value == min(trial.value for trial in done) and best == rank(best, metric) and len(done) > 5
    assert {trial.score for trial in done} == {score}
    assert done[0].config.objective == objective
    row = 3 if METRICS[metric].curve == "validation_score" else 2
    assert best[0].value == pytest.approx(float(best[0].curves[row, -1]))

    kept = result.final["kept"]
    scores = [candidate["mean"] for candidate in result.final["candidates"] if candidate["mean"] is not None]
    assert result.final["metric"] == metric and scores == sorted(scores)
    model = fastnet.load_model(study / kept["model"])
    tested = model.score(data.x_test, data.y_test)
    assert (kept[f"test_{score}"], kept["test_loss"]) == (tested.value, tested.loss)
    assert {f"validation_{score}", f"test_{score}", f"train_{score}"} <= model.metrics.keys()

    report = result.ensemble_report
    together = report["validation"]
    assert all(found.keys() == {"networks", score, "loss"} for found in together.values())
    assert together["greedy"][metric] <= min(together["best"][metric], together["average"][metric])
    found = result.ensemble.score(data.x_test, data.y_test)
    assert report[f"test_{score}"] == found.value

    with Study.read(study) as stored:
        assert (stored.metric, stored.score) == (metric, score)
        assert stored.best_value() == best[0].value
        assert stored.settings["train"]["objective"] == objective
        stream = io.BytesIO()
        write_trials(stored, stream, format="jsonl", curves=True)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    first = next(line for line in lines if line["id"] == best[0].id)
    np.testing.assert_allclose(first[f"validation_{score}"], best[0].validation_score)

    assert format_best(best, metric)[0].startswith(f"Best-1 (val {METRICS[metric].short}:")
    assert to_rows(best, metric)[0][f"validation_{metric}"] == best[0].value
    assert f"validation {metric} of 2 candidates" in format_final(result.final)[0]
    assert score in format_ensemble(report)[1]
    assert format_recommendation(result.recommendation)
    page = write_report(study).read_text("utf-8")
    assert f"validation {metric}" in page and f"test {score}" in page
    best20_figure(best, tmp_path / "best.png")
    assert (tmp_path / "best.png").stat().st_size > 1000


@pytest.mark.parametrize(
    "how",
    [
        {"sampler": "sobol"},
        {"pruning": "halving", "pack_size": 9, "first_epochs": 1},
        {"pruning": "median", "pack_size": 5, "first_epochs": 1},
        {"folds": 3, "early_stopping": 1},
        {"stages": 2, "metric": "loss"},
    ],
    ids=lambda how: "-".join(map(str, how.values())),
)
def test_trials_on_numbers_are_the_same_on_any_threads_in_any_memory_and_in_parts(
    how: dict[str, Any], tmp_path: Path
) -> None:
    data = data_of("absolute-error")
    options = {**SMALL, "trials": 18, "final": 0, "objective": "absolute-error", **how}
    whole = fastnet.search(SPACE, data, study=tmp_path / "whole", jobs=1, **options)
    two = fastnet.search(SPACE, data, study=tmp_path / "two", jobs=2, memory=8_000_000, **options)
    assert contents(two) == contents(whole) and len(whole.trials) == 18
    stopped = fastnet.search(SPACE, data, study=tmp_path / "parts", jobs=2, timeout=0.0, **options)
    assert stopped.interrupted
    assert contents(fastnet.search(SPACE, data, study=tmp_path / "parts", jobs=2, **options)) == contents(whole)
    if "pruning" not in how:
        return
    ended = {status: [t for t in whole.trials if t.status == status] for status in ("done", "stopped")}
    assert ended["done"] and ended["stopped"]
    if how["pruning"] == "halving":  # in each pack, those that go on had the lowest errors at the rung
        for begin in (0, 9):
            pack = [trial for trial in whole.trials if begin <= trial.id < begin + 9 and trial.status != "diverged"]
            first = min(trial.epochs for trial in pack) - 1
            gone = [t.validation_score[first] for t in pack if t.epochs == first + 1]
            assert min(gone) >= max(t.validation_score[first] for t in pack if t.epochs > first + 1)


@pytest.mark.parametrize("objective", [*NUMBERS, "binary-cross-entropy"])
def test_weighted_trials_of_every_objective_are_the_same_on_any_threads_and_in_parts(objective, tmp_path: Path) -> None:
    data = data_of(objective)
    data = replace(data, weights=(np.arange(data.n_samples) % 4).astype(np.float32))
    options = {**SMALL, "final": 0, "objective": objective}
    whole = fastnet.search(SPACE, data, study=tmp_path / "whole", jobs=1, **options)
    two = fastnet.search(SPACE, data, study=tmp_path / "two", jobs=2, **options)
    assert contents(two) == contents(whole) and len(whole.trials) == 9
    fastnet.search(SPACE, data, study=tmp_path / "parts", jobs=1, **options | {"trials": 4})
    assert contents(fastnet.search(SPACE, data, study=tmp_path / "parts", jobs=2, **options)) == contents(whole)


def test_early_stopping_keeps_the_epoch_of_the_lowest_error(tmp_path: Path) -> None:
    data = data_of("squared-error")
    options = {**SMALL, "epochs": 12, "early_stopping": 2, "final": 1, "repeats": 1, "ensemble_top": 2}
    result = fastnet.search(SPACE, data, study=tmp_path / "s", **options)
    for trial in result.trials:
        if trial.status == "done":
            assert trial.value == trial.best_value == pytest.approx(float(np.nanmin(trial.validation_score)))
            assert trial.epochs == min(12, trial.best_epoch + 2)
    kept = fastnet.load_model(tmp_path / "s" / result.final["kept"]["model"])
    assert kept.metrics["validation_rmse"] == pytest.approx(result.final["kept"]["validation_rmse"])
    assert {member.metrics["best_epoch"] for member in result.ensemble.members} <= set(range(1, 13))


def test_the_winner_keeps_the_epoch_of_the_metric(tmp_path: Path) -> None:
    data = fastnet.take_first(fastnet.load("mnist5k"), 200)
    options = {"trials": 2, "epochs": 15, "hidden": "16", "final": 1, "repeats": 1, "seed": 1, "metric": "loss"}
    result = fastnet.search({"learning_rate": "uniform:0.3:0.5"}, data, study=tmp_path / "s", **options)
    model = fastnet.load_model(tmp_path / "s" / result.final["kept"]["model"])
    config = result.best(1)[0].config
    from fastnet.training.single import train_network

    parts = fastnet.split(data.y, seed=1)
    for metric in ("loss", "accuracy"):
        trained = train_network(data, config, parts, metric=metric)
        curve = trained.curves.validation_loss if metric == "loss" else -trained.curves.validation_score
        assert trained.best_epoch == int(np.argmin(curve)) + 1
    assert model.metrics["best_epoch"] == result.final["kept"]["best_epoch"]


def test_several_targets_are_compared_by_their_standardised_errors(tmp_path: Path) -> None:
    data = data_of("squared-error", targets=2)
    result = fastnet.search(SPACE, data, study=tmp_path / "s", **SMALL, final=0, ensemble_top=2)
    best = result.best(1)[0]
    assert 0 < best.value < 3, "not in the thousands of the first target"
    assert best.value == pytest.approx(min(trial.value for trial in result.trials if trial.status == "done"))
    assert result.ensemble_report["validation"]["best"]["rmse"] == pytest.approx(best.value, rel=0.2)


def test_the_stored_value_of_the_best_trial_is_the_score_of_its_network(tmp_path: Path) -> None:
    data = data_of("absolute-error")
    options = {**SMALL, "objective": "absolute-error", "final": 0, "ensemble_top": 1}
    result = fastnet.search(SPACE, data, study=tmp_path / "s", **options)
    alone = result.ensemble_report["validation"]["best"]
    assert alone["mae"] == pytest.approx(result.best(1)[0].value, rel=1e-4)
    assert alone["loss"] == pytest.approx(result.best(1)[0].validation_loss[-1], rel=1e-4)


@pytest.mark.parametrize(
    ("objective", "metric", "allowed"),
    [
        ("squared-error", "accuracy", "rmse or loss"),
        ("absolute-error", "rmse", "mae or loss"),
        ("binary-cross-entropy", "rmse", "loss or accuracy"),
    ],
)
def test_a_metric_that_the_data_do_not_have_is_refused(
    objective: str, metric: str, allowed: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"metric='{metric}': networks .* are compared by {allowed}; choose one"):
        fastnet.search(SPACE, data_of(objective), study=tmp_path / "s", objective=objective, metric=metric)
    assert not (tmp_path / "s").exists()


def test_a_study_goes_on_with_its_own_metric(tmp_path: Path) -> None:
    data, options = data_of("huber"), {"epochs": 2, "final": 0, "hidden": "8", "preset": "book"}
    fastnet.search(None, data, study=tmp_path / "s", trials=2, objective="huber", **options)
    more = fastnet.search(None, data, study=tmp_path / "s", trials=3)
    assert len(more.trials) == 3 and more.trials[2].score == "rmse"
    fastnet.search(None, data, study=tmp_path / "s", trials=3, metric="auto", objective="huber")
    with pytest.raises(StudyError, match="metric rmse -> loss"):
        fastnet.search(None, data, study=tmp_path / "s", trials=3, metric="loss")


def test_pictures_of_a_training_show_errors_and_mark_the_lowest(tmp_path: Path) -> None:
    data, config = data_of("huber"), fastnet.TrainConfig(hidden=(8,), epochs=3, objective="huber")
    result = fastnet.train(data, config)
    assert result.curves.score == "rmse" and result.best_epoch == int(np.argmin(result.curves.validation_score)) + 1
    learning_curve_figure(result.curves, tmp_path / "one.png")
    several = fastnet.train_ensemble(data, config, networks=3)
    assert several.validation.name == several.member_test.name == "rmse"
    assert several.validation.value < several.member_validation.value
    ensemble_curve_figure(several.curves, several.validation, tmp_path / "three.png")
    assert min((tmp_path / name).stat().st_size for name in ("one.png", "three.png")) > 1000


def test_ranges_narrow_to_where_the_errors_are_low(tmp_path: Path) -> None:
    data = data_of("squared-error")
    options = {**SMALL, "trials": 40, "hidden": "8", "optimizer": "adam", "final": 0}
    result = fastnet.search({"learning_rate": "log:1e-5:1e-1"}, data, study=tmp_path / "s", **options)
    [item] = narrow(Space.parse({"learning_rate": "log:1e-5:1e-1"}), result.trials, metric="rmse").ranges
    low = float(item.new.split(":")[1])
    best = result.best(4)
    assert low > 1e-4 and all(trial.params["learning_rate"] >= low for trial in best[:2])


def test_the_command_line_shows_errors_in_the_units_of_the_target(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    data = data_of("squared-error", 150)
    table = {"a": data.x[:, 0], "b": data.x[:, 1], "price": data.y[:, 0]}
    rows = zip(*(column.tolist() for column in table.values()), strict=True)
    text = "\n".join([",".join(table), *(",".join(map(str, row)) for row in rows)])
    Path("t.csv").write_text(text + "\n")
    named = ("--data", "t.csv", "--target", "price", "--quiet")

    def run(*options: str) -> str:
        done = CliRunner().invoke(cli, options)
        assert done.exit_code == 0, done.output
        return done.stdout

    small = ("--hidden", "8", "--epochs", "2", "--batch-size", "20")
    assert re.search(r"train rmse:[\d.]+, val rmse:[\d.]+.*\ntest rmse:[\d.]+", run("train", *named, *small))
    assert re.search(
        r"val rmse:[\d.]+, its 2 networks alone [\d.]+ on average", run("train", *named, *small, "--ensemble", "2")
    )
    search = ("search", *named, *small, "--preset", "book", "--trials", "3", "--study", "s", "--final", "1")
    shown = run(*search, "--repeats", "2", "--ensemble-top", "2")
    assert re.search(r"Best-1 \(val rmse:[\d.]+\)", shown) and re.search(
        r"Kept: .*val rmse:[\d.]+, test rmse:[\d.]+", shown
    )
    document = json.loads(run(*search, "--repeats", "2", "--ensemble-top", "2", "--format", "json"))
    values = [trial["validation_rmse"] for trial in document["trials"]]
    assert values == sorted(values) and document["settings"]["metric"] == "rmse"
    assert "best_validation_rmse,best_epoch,train_rmse,validation_loss" in run(*search, "--format", "csv")
    assert "rmse" in run("studies", "ls", ".").splitlines()[1]
    assert f"best validation rmse {values[0]:g}" in run("studies", "show", "s")
    trial = run("studies", "export", "s", "--format", "jsonl", "--curves").splitlines()[0]
    Path("trial.json").write_text(trial)
    run("train", *named, "--config", "trial.json", "--hidden", "8", "--epochs", "1")
    refused = CliRunner().invoke(cli, [*search[:-2], "--study", "other", "--metric", "accuracy"])
    assert refused.exit_code and "are compared by rmse or loss" in refused.output


def test_the_weights_of_classes_count_in_the_ensemble_as_in_the_trials(tmp_path: Path) -> None:
    data = fastnet.take_first(fastnet.load("digits"), 150)
    kept = np.flatnonzero((data.y > 2) | (np.arange(150) % 4 == 0))  # some classes are rare
    data = fastnet.data.as_dataset(data.x[kept], data.y[kept])
    options = {"trials": 3, "epochs": 6, "hidden": "16", "batch_size": 20, "final": 0, "ensemble_top": 1, "seed": 1}
    result = fastnet.search(None, data, study=tmp_path / "s", class_weight="balanced", **options)
    alone, best = result.ensemble_report["validation"]["best"], result.best(1)[0]
    assert alone["accuracy"] == pytest.approx(best.value, rel=1e-5)
    assert alone["loss"] == pytest.approx(best.validation_loss[-1], rel=1e-4)


def test_weights_count_in_trials_ensembles_and_on_the_test_set(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    a, b, noise = rng.normal(size=(3, 150))
    table = {"a": a, "b": b, "weight": rng.uniform(0.1, 5.0, 150), "price": 5000 + 800 * a - 600 * b + 300 * noise}
    data = fastnet.load(table, target="price", weights="weight")
    options = {**SMALL, "final": 1, "repeats": 1, "ensemble_top": 1}
    result = fastnet.search(SPACE, data, study=tmp_path / "s", **options)
    [member], rows = result.ensemble.members, split_of(data, seed=SMALL["seed"]).validation
    alone = member._measure(data.x[rows], data.y[rows], data.weights[rows]).value
    assert result.ensemble_report["validation"]["best"]["rmse"] == pytest.approx(alone, rel=1e-6)
    scaler = member.target_scaler
    wide = replace(member, target_scaler=replace(scaler, low=scaler.low - 1e9, high=scaler.high + 1e9))
    curve = wide._measure(data.x[rows], data.y[rows], data.weights[rows]).value  # the curves are not clamped
    assert curve == pytest.approx(result.best(1)[0].value, rel=1e-4)
    for document in (result.final["kept"], result.ensemble_report):
        model = fastnet.load_model(tmp_path / "s" / document["model"])
        measured = model.evaluate(data.x_test, data.y_test, data.weights_test)
        assert document["test_rmse"] == measured.score.value == pytest.approx(measured.metrics["rmse"])
        assert document["test_rmse"] != model.score(data.x_test, data.y_test).value
