from __future__ import annotations

from dataclasses import replace

import pytest
from runs import FakeEngine
from searches import CONFIG, HALVING, FakeRun, Ranked, content

from fastnet.config.searching import SearchConfig
from fastnet.config.training import TrainConfig
from fastnet.data import as_dataset
from fastnet.errors import ConfigError, StudyError
from fastnet.tuning import Space, Study, run_study
from fastnet.tuning.run.assemble import study_settings


def test_trials_is_the_total(run):
    assert run(replace(CONFIG, trials=5)).new_trials == 5
    more = run(replace(CONFIG, trials=8))
    assert (more.new_trials, len(more.trials)) == (3, 8)
    fewer = run(replace(CONFIG, trials=2))
    assert (fewer.new_trials, len(fewer.trials), fewer.interrupted) == (0, 8, False)
    assert content(more) == content(run(replace(CONFIG, trials=8), folder="at once"))


def test_other_settings_are_refused_before_anything_runs(run):
    run()
    for config, sentence in [
        (replace(CONFIG, train=replace(CONFIG.train, epochs=9)), r"epochs 4 -> 9"),
        (replace(CONFIG, train=replace(CONFIG.train, seed=6)), r"seed 5 -> 6"),
        (replace(CONFIG, space={"learning_rate": "log:1e-6:1e-2"}), "weight_decay log:1e-08:0.0001 -> 0.0"),
        (replace(CONFIG, validation_fraction=0.5), "validation_fraction 0.2 -> 0.5"),
    ]:
        with pytest.raises(StudyError, match=sentence):
            run(config)
    assert run(replace(CONFIG, train=replace(CONFIG.train, seed=6)), fresh=True).new_trials == 23


def test_other_data_are_refused(run, tiny_dataset, tmp_path):
    run()
    other = as_dataset(tiny_dataset.x[::-1].copy(), tiny_dataset.y)
    with pytest.raises(StudyError, match=f"data {tiny_dataset.fingerprint()[:12]} -> {other.fingerprint()[:12]}"):
        run_study(other, CONFIG, folder=tmp_path / "s", engine=FakeEngine(FakeRun))


def test_settings_that_mean_the_same_are_the_same(run):
    run()
    space = {"weight_decay": "log:1e-8:1e-4", "learning_rate": "LOG:0.000001:0.01"}
    searched_anyway = replace(CONFIG.train, learning_rate=0.5, weight_decay=0.25)
    assert run(replace(CONFIG, space=space, train=searched_anyway)).new_trials == 0


def test_the_number_of_trials_belongs_to_a_pruned_or_staged_study(run):
    run(HALVING, engine=FakeEngine(Ranked))
    with pytest.raises(StudyError, match="trials 23 -> 40"):
        run(replace(HALVING, trials=40), engine=FakeEngine(Ranked))


def test_the_space_may_be_empty(run):
    result = run(replace(CONFIG, space={}))
    assert {tuple(trial.params) for trial in result.trials} == {()}


@pytest.mark.parametrize("jobs", [0, -1, 1.5, True, 5000])
def test_impossible_jobs_are_told(run, tmp_path, jobs):
    with pytest.raises(ConfigError, match=r"jobs=.*: must be a whole number from 1 to 4096"):
        run(jobs=jobs)
    assert not (tmp_path / "s").exists()


def test_mistakes_are_told_before_a_folder_is_made(run, tmp_path):
    with pytest.raises(ConfigError, match="swap them"):
        run(replace(CONFIG, space={"learning_rate": "log:1:0.1"}))
    with pytest.raises(ConfigError, match="does not use it"):
        run(replace(CONFIG, space={"momentum": "uniform:0:0.9"}))
    assert not (tmp_path / "s").exists()


def test_the_study_describes_data_and_machine(run, tmp_path):
    run(jobs=3)
    with Study.read(tmp_path / "s") as study:
        assert study.about == {
            "data": "tiny",
            "n_samples": 90,
            "n_features": 12,
            "n_classes": 3,
            "n_train": 72,
            "n_validation": 18,
        }
        (record,) = study.runs()
    assert record["environment"].keys() >= {"fastnet", "numpy", "numba", "python", "processor", "cores"}
    assert record["environment"]["threads"] == 3
    assert record["new_trials"] == 23
    assert record["wall_seconds"] >= record["compiled_seconds"] > 0


def test_what_has_no_effect_is_no_setting_of_a_study():
    """Studies made before there were objectives go on."""

    def fixed(**train: object) -> set[str]:
        settings = study_settings(SearchConfig(train=TrainConfig(**train)), Space({}), "00" * 32)
        return set(settings["train"]) & {"objective", "quantiles", "huber_delta", "class_weight"}

    assert fixed() == set()
    assert fixed(class_weight="balanced") == {"class_weight"}
    assert fixed(objective="huber") == {"objective", "huber_delta"}
    assert fixed(objective="pinball") == {"objective", "quantiles"}


def test_a_study_of_weighted_classes_goes_on_only_with_weights(run):
    weighted = replace(CONFIG, train=replace(CONFIG.train, class_weight="balanced"))
    run(weighted)
    assert run(weighted).new_trials == 0
    with pytest.raises(StudyError, match="class_weight balanced -> none"):
        run()
