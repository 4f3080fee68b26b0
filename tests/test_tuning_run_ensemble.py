"""The ensemble of the best trials of a search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fastnet
from fastnet.config.metric import sign
from fastnet.errors import ConfigError

SPACE = {"learning_rate": "log:1e-2:3e-1", "hidden": "choice:8,6-4"}


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"folds": 3, "ensemble": "greedy"},
        {"pruning": "halving", "pack_size": 9, "first_epochs": 1, "stages": 2},
        {"early_stopping": 1},
        {"early_stopping": 1, "pruning": "halving", "pack_size": 9, "first_epochs": 2, "epochs": 12},
        {"early_stopping": 2, "folds": 3, "metric": "loss", "epochs": 9},
    ],
)
def test_the_best_trials_of_a_search_are_put_together_as_they_were(
    digits: fastnet.Dataset, tmp_path: Path, how: dict
) -> None:
    options = {"trials": 18, "epochs": 4, "final": 0, "seed": 3, "ensemble_top": 3, "batch_size": 20, **how}
    plain = fastnet.search(SPACE, digits, study=tmp_path / "a", jobs=1, **{**options, "ensemble_top": 0})
    assert plain.ensemble is None and plain.ensemble_report is None
    whole = fastnet.search(SPACE, digits, study=tmp_path / "a", jobs=1, **options)
    assert whole.new_trials == 0, "an ensemble changes no trial"
    written = (tmp_path / "a" / "ensemble.safetensors").read_bytes()
    ensemble, report = whole.ensemble, whole.ensemble_report
    assert ensemble is not None and report is not None
    best = [trial for trial in whole.best(3) if trial.status == "done"]
    assert [row["trial"] for row in report["members"]] == [trial.id for trial in best]
    folds = how.get("folds", 1)
    assert len(ensemble.members) == folds * sum(row["weight"] > 0 for row in report["members"])
    if how in ({}, {"early_stopping": 1}):
        parts = fastnet.split(digits.y, seed=3)
        for member, trial in zip(ensemble.members, best, strict=True):
            score = member.score(digits.x[parts.validation], digits.y[parts.validation])
            assert score.value == pytest.approx(trial.value), "the trial itself"
    together = report["validation"][options.get("ensemble", "average")]
    assert ensemble.metrics["validation_accuracy"] == together["accuracy"]
    score = ensemble.score(digits.x_test, digits.y_test)
    assert (report["test_accuracy"], report["test_loss"], report["test_uses"]) == (score.value, score.loss, 1)
    greedy, average = report["validation"]["greedy"], report["validation"]["average"]
    metric = how.get("metric", "accuracy")
    values = [sign(metric) * scores[metric] for scores in (average, report["validation"]["best"])]
    assert sign(metric) * greedy[metric] >= max(values)

    fastnet.search(SPACE, digits, study=tmp_path / "b", jobs=2, timeout=0.0, **options)
    resumed = fastnet.search(SPACE, digits, study=tmp_path / "b", jobs=2, **options)
    assert (tmp_path / "b" / "ensemble.safetensors").read_bytes() == written
    assert {**resumed.ensemble_report, "made": ""} == {**report, "made": ""}
    again = fastnet.search(SPACE, digits, study=tmp_path / "b", **options)
    assert again.ensemble_report == resumed.ensemble_report, "made once"
    with fastnet.tuning.Study.read(tmp_path / "b") as study:
        assert [use["of"] for use in study.test_uses()] == ["the ensemble of the best trials"]


def test_folds_are_judged_by_the_networks_that_have_not_seen_the_sample(
    digits: fastnet.Dataset, tmp_path: Path
) -> None:
    from fastnet.data.validation import stratified_folds

    result = fastnet.search(
        SPACE, digits, study=tmp_path, trials=3, folds=3, epochs=4, seed=2, ensemble_top=1, batch_size=20, final=0
    )
    folds = stratified_folds(digits.y, 3, seed=2)
    right = [
        member.predict(digits.x[fold.validation]) == digits.y[fold.validation]
        for member, fold in zip(result.ensemble.members, folds, strict=True)
    ]
    assert result.ensemble_report["validation"]["best"]["accuracy"] == np.concatenate(right).mean()
    assert result.ensemble_report["validation"]["best"]["networks"] == 3


def test_nothing_is_put_together_where_everything_diverged(digits: fastnet.Dataset, tmp_path: Path) -> None:
    result = fastnet.search(
        {"learning_rate": "log:1e5:1e6"}, digits, study=tmp_path, trials=3, hidden="8", epochs=2, ensemble_top=2
    )
    assert result.ensemble is None and not (tmp_path / "ensemble.safetensors").exists()


def test_too_little_memory_for_the_ensemble_is_refused_and_loses_nothing(
    digits: fastnet.Dataset, tmp_path: Path
) -> None:
    options = {"study": tmp_path, "trials": 6, "hidden": "300", "epochs": 1, "final": 0, "ensemble_top": 6}
    with pytest.raises(ConfigError, match=r"6 networks that are kept need .* or a smaller ensemble_top"):
        fastnet.search(None, digits, memory=4_000_000, **options)
    assert fastnet.search(None, digits, **options).ensemble is not None


def test_wrong_settings_are_refused(digits: fastnet.Dataset, tmp_path: Path) -> None:
    for settings, sentence in (
        ({"ensemble_top": -1}, "ensemble_top=-1: must be a whole number from 0 to 1000"),
        ({"ensemble": "stacked"}, "ensemble='stacked': must be one of average, greedy"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            fastnet.search(None, digits, study=tmp_path / "s", **settings)
    assert not (tmp_path / "s").exists()
