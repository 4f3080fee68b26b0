"""An ensemble whose trials train on further folds: which samples train, which networks count, and what time leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli
from fastnet_cli.study_commands import search_command

import fastnet
from fastnet.config.searching import SearchConfig
from fastnet.config.training import TrainConfig
from fastnet.data.splitting import Split
from fastnet.data.validation import further_folds, split_of
from fastnet.errors import ConfigError, DataError
from fastnet.network.samples import padded_rows, prepare
from fastnet.training.pack import Member, PackRun
from fastnet.tuning import Study, TrialResult
from fastnet.tuning.run import engine, session
from fastnet.tuning.run.budget import Budget
from fastnet.tuning.run.ensemble import _shared
from fastnet.tuning.run.more_folds import _affordable, without_broken
from fastnet.tuning.run.prepared import PreparedData
from fastnet.tuning.run.seeds import FOLD, derived_seed
from fastnet.tuning.space.space import configured

SPACE = {"learning_rate": "log:3e-3:1e-1", "hidden": "choice:8,6-4"}
K = 4
SEED = 3
SMALL: dict[str, Any] = {"trials": 6, "epochs": 6, "batch_size": 20, "seed": SEED, "final": 0, "preset": "book"}
SMALL |= {"optimizer": "adam", "early_stopping": 2, "ensemble_top": 3}
FOLDED = SMALL | {"ensemble_folds": K}


def numbers(n: int = 120, **more: Any) -> fastnet.Dataset:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, n))
    table = {"a": a, "b": b, "colour": np.array(["red", "green", "blue"])[rng.integers(0, 3, n)]}
    table |= {"day": np.arange(n), "house": np.arange(n) // 3}
    return fastnet.load(table | {"y": 5000 + 800 * a - 300 * b}, target="y", task="regression", **more)


@pytest.fixture(scope="module")
def data() -> fastnet.Dataset:
    return numbers()


@pytest.fixture(scope="module")
def folded(data: fastnet.Dataset, tmp_path_factory: pytest.TempPathFactory) -> fastnet.SearchResult:
    return fastnet.search(SPACE, data, study=tmp_path_factory.mktemp("folded"), jobs=1, **FOLDED)


def parts_of(data: fastnet.Dataset) -> tuple[Split, list[Split]]:
    first = split_of(data, 0.2, SEED)
    return first, further_folds(data, first, K, SEED)


def test_each_trial_has_a_network_for_each_fold_and_the_ensemble_is_their_mean(
    data: fastnet.Dataset, folded: fastnet.SearchResult, tmp_path: Path
) -> None:
    ensemble, report = folded.ensemble, folded.ensemble_report
    assert len(ensemble.members) == 3 * K == report["networks"] and set(ensemble.weights) == {1}
    assert report["folds"] == K and "folded" not in report and "shortened" not in report
    answers = np.array([member._answers(data.x) for member in ensemble.members])
    assert np.allclose(ensemble._answers(data.x), answers.mean(axis=0), rtol=1e-12)
    plain = fastnet.search(SPACE, data, study=tmp_path, **SMALL)
    assert [trial.curves.tobytes() for trial in plain.trials] == [trial.curves.tobytes() for trial in folded.trials]
    for mine, theirs in zip(ensemble.members[::K], plain.ensemble.members, strict=True):
        assert mine._answers(data.x).tobytes() == theirs._answers(data.x).tobytes(), "fold 0 is the search"
    assert report["validation"] == plain.ensemble_report["validation"], "measured by networks that had not seen them"
    assert report["members"] == plain.ensemble_report["members"]


def test_the_networks_are_those_of_a_training_by_hand_on_each_fold(
    data: fastnet.Dataset, folded: fastnet.SearchResult
) -> None:
    first, further = parts_of(data)
    learnt = data.without_test()
    train = SearchConfig(train=TrainConfig(epochs=6, batch_size=20, seed=SEED, optimizer="adam", early_stopping=2))
    train = train.for_task("regression").train
    networks = iter(folded.ensemble.members)
    for row in folded.ensemble_report["members"]:
        next(networks)
        for fold, parts in enumerate(further, start=1):
            config = configured(train, row["params"])
            config = replace(config, seed=derived_seed(SEED, FOLD, fold))
            samples = prepare(learnt, first, config)
            rows = {"train_rows": padded_rows(parts.train), "validation_rows": padded_rows(parts.validation)}
            run = PackRun([Member(replace(samples, **rows), config, row["trial"])], 1, keep=True, stop_by="rmse")
            run.start()
            run.join()
            assert run.model(0)._answers(data.x).tobytes() == next(networks)._answers(data.x).tobytes()


def test_no_network_is_trained_on_the_part_that_stops_it_and_every_sample_trains(
    data: fastnet.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[list[Split]] = []
    made = engine.LocalThreads.__init__

    def noted(self: Any, dataset: Any, splits: Any, config: Any, **how: Any) -> None:
        used.append(list(splits))
        made(self, dataset, splits, config, **how)

    monkeypatch.setattr(engine.LocalThreads, "__init__", noted)
    fastnet.search(SPACE, data, study=tmp_path, **FOLDED)
    [[first], others] = used
    n = data.n_samples
    assert first.fingerprint() == split_of(data, 0.2, SEED).fingerprint()
    assert [part.fingerprint() for part in others] == [part.fingerprint() for part in parts_of(data)[1]]
    assert sorted(np.concatenate([part.validation for part in (first, *others)]).tolist()) == list(range(n))
    for part in (first, *others):
        assert sorted([*part.train.tolist(), *part.validation.tolist()]) == list(range(n))


@pytest.mark.parametrize("how", [{}, {"ensemble": "greedy"}, {"pruning": "halving", "pack_size": 6, "first_epochs": 2}])
def test_the_result_is_the_same_on_any_threads_and_after_a_stop(
    how: dict, data: fastnet.Dataset, tmp_path: Path
) -> None:
    for name, jobs in (("a", 1), ("b", 2)):
        fastnet.search(SPACE, data, study=tmp_path / name, jobs=jobs, **FOLDED | how)
    fastnet.search(SPACE, data, study=tmp_path / "c", timeout=0.0, **FOLDED | how)
    fastnet.search(None, study=tmp_path / "c", data=data)
    written = [(tmp_path / name / "ensemble.safetensors").read_bytes() for name in "abc"]
    assert written[0] == written[1] == written[2]
    made = fastnet.Ensemble.load(tmp_path / "a" / "ensemble.safetensors")
    with Study.read(tmp_path / "a") as study:
        counts = [row["weight"] for row in study.ensemble()["members"] if row["weight"]]
    assert list(made.weights) == [count for count in counts for _ in range(K)]


def test_finishing_adds_and_removes_folds_and_makes_nothing_twice(data: fastnet.Dataset, tmp_path: Path) -> None:
    plain = fastnet.search(SPACE, data, study=tmp_path, **SMALL)
    assert "folds" not in plain.ensemble_report and "networks" not in plain.ensemble_report
    more = fastnet.search(None, data, study=tmp_path, finish=True, ensemble_folds=str(K))
    assert more.new_trials == 0 and len(more.ensemble.members) == 3 * K
    again = fastnet.search(None, data, study=tmp_path, finish=True)
    assert again.ensemble_report == more.ensemble_report, "the study remembers the folds"
    other = fastnet.search(None, data, study=tmp_path, finish=True, ensemble_folds=3)
    assert len(other.ensemble.members) == 9 and other.ensemble_report["folds"] == 3
    fewer = fastnet.search(None, data, study=tmp_path, finish=True, ensemble_folds="none")
    assert len(fewer.ensemble.members) == 3 and "folds" not in fewer.ensemble_report
    fastnet.search(None, data, study=tmp_path, finish=True, ensemble_folds=3)
    without = fastnet.search(None, data, study=tmp_path, finish=True, ensemble_top=0, final=1, repeats=1)
    assert without.final is not None, "no ensemble has no folds"
    with Study.read(tmp_path) as study:
        assert len(study.test_uses()) == 6, "once for each of the ensembles made, and for the network kept"


def test_where_time_is_short_all_trials_have_fewer_folds(
    data: fastnet.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = FOLDED | {"study": tmp_path, "jobs": 1}
    with monkeypatch.context() as short:
        short.setattr(Budget, "folds_in_time", lambda self, members: 2)
        first = fastnet.search(SPACE, data, timeout=600, **options)
        assert first.ensemble_report["folded"] == 3 and first.ensemble_report["networks"] == 3 * 3
        assert first.ensemble.weights == (1,) * 9
        again = fastnet.search(None, data, study=tmp_path, timeout=600)
        assert again.ensemble_report == first.ensemble_report, "no more time than then"
    with monkeypatch.context() as short:
        short.setattr(Budget, "folds_in_time", lambda self, members: 0)
        none = fastnet.search(SPACE, data, **options | {"study": tmp_path / "none"}, timeout=600)
    assert none.ensemble_report["folded"] == 1 and none.ensemble.weights == (1, 1, 1)
    assert "networks" not in none.ensemble_report
    whole = fastnet.search(None, data, study=tmp_path, finish=True)
    assert "folded" not in whole.ensemble_report and whole.ensemble.weights == (1,) * (3 * K)
    for mine, theirs in zip(first.ensemble.members[:3], whole.ensemble.members[:3], strict=True):
        assert mine._answers(data.x).tobytes() == theirs._answers(data.x).tobytes(), "the first folds are the same"


def test_where_time_is_shorter_the_trials_that_count_most_are_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    curves = np.full((4, 2), 0.5, np.float32)
    a, b, c, d = (TrialResult.from_curves(number, "done", {}, curves, seconds=1.0) for number in range(4))
    members = {a: 1, b: 5, c: 3, d: 2}
    for fitting, expected in ((4, [b, c, d, a]), (3, [b, c, d]), (2, [b, c]), (1, [])):
        monkeypatch.setattr(Budget, "folds_in_time", lambda self, some, most=fitting: 2 * (len(some) <= most))
        some, further = _affordable(Budget(SearchConfig(metric="loss"), (), 1, 0.0, 60.0), members)
        assert some == expected and further == 2 * bool(expected), "at least half of the ensemble"


def test_trials_that_do_not_count_are_not_trained_again(
    data: fastnet.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []
    run_again = session.Session.run_again

    def noted(self: Any, task: Any, trials: Any, **how: Any) -> Any:
        trained.extend(trial.id for trial in trials if how.get("engine") is not None)
        return run_again(self, task, trials, **how)

    monkeypatch.setattr(session.Session, "run_again", noted)
    options = FOLDED | {"ensemble": "greedy", "trials": 12, "ensemble_top": 8}
    result = fastnet.search(SPACE, data, study=tmp_path, **options)
    rows = result.ensemble_report["members"]
    counting = sorted((row for row in rows if row["weight"]), key=lambda row: -row["weight"])
    assert trained == [row["trial"] for row in counting] and len(trained) < len(rows) == 8
    assert len(result.ensemble.members) == K * len(trained)


def test_a_deadline_during_the_further_folds_keeps_the_trials_that_have_all_of_them(
    data: fastnet.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []

    class Watched(session.Intake):
        def __call__(self, outcome: Any) -> bool:
            on_folds = not self._store and self.task.data != session_data[0]
            session_data.append(self.task.data)
            ended.append(len(self.results) if on_folds else 0)
            return super().__call__(outcome)

    session_data: list[str] = []
    monkeypatch.setattr(session, "Intake", Watched)
    monkeypatch.setattr(Budget, "left", property(lambda budget: 0.1 if ended and ended[-1] >= 1 else 1e6))
    options = FOLDED | {"epochs": 20_000, "early_stopping": None, "trials": 3, "hidden": "8"}
    result = fastnet.search(None, data, study=tmp_path, timeout=600, jobs=1, **options)
    report, weights = result.ensemble_report, list(result.ensemble.weights)
    complete = weights.count(1) // K
    assert result.interrupted and report["folded"] == 1 and 1 <= complete < 3
    assert sorted(weights) == [1] * (K * complete) + [K] * (3 - complete), "each trial counts the same"
    assert report["networks"] == len(result.ensemble.members)


def test_networks_that_do_not_fit_into_memory_together_leave_those_of_the_search(
    data: fastnet.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = PreparedData.pack

    def small(self: Any, task: Any) -> Any:
        if len(self.folds) == K - 1:
            raise ConfigError("memory=1 kB: too small")
        return pack(self, task)

    with monkeypatch.context() as patch:
        patch.setattr(PreparedData, "pack", small)
        result = fastnet.search(SPACE, data, study=tmp_path, **FOLDED)
    assert len(result.ensemble.members) == 3 and result.ensemble_report["folded"] == 1
    assert len(fastnet.search(None, data, study=tmp_path, finish=True).ensemble.members) == 3 * K


def test_ctrl_c_during_the_further_folds_leaves_the_ensemble_to_the_next_run(
    data: fastnet.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(self: Any, task: Any, trials: Any, **how: Any) -> Any:
        if how.get("engine") is not None:
            raise KeyboardInterrupt
        return run_again(self, task, trials, **how)

    run_again = session.Session.run_again
    with monkeypatch.context() as patch:
        patch.setattr(session.Session, "run_again", stopped)
        first = fastnet.search(SPACE, data, study=tmp_path, interrupt="return", **FOLDED)
    assert first.interrupted and first.ensemble_report is None and len(first.trials) == 6
    assert len(fastnet.search(None, data, study=tmp_path).ensemble.members) == 3 * K


def test_a_trial_whose_further_network_diverged_keeps_its_own_and_counts_the_same(folded: Any) -> None:
    a, b, c, d, e = folded.ensemble.members[:5]
    assert _shared([[a], [b]], [(c, d), ()], [2, 1]) == ((a, c, d, b), (2, 2, 2, 3))
    assert _shared([[a, b], [c, d]], [(), ()], [1, 2]) == ((a, b, c, d), (1, 1, 2, 2))
    assert _shared([[a], [b], [e]], [(), (c, d), ()], [3, 0, 1]) == ((a, e), (3, 1))


@pytest.mark.parametrize(
    ("losses", "kept"),
    [
        ([0.1, 0.2, 1.4, 0.15], [0, 1, 2, 3]),
        ([0.1, 0.2, 1.8, 0.15], [0, 1, 3]),
        ([0.1, 40.0], [0, 1]),
        ([0.3], [0]),
        ([-1.0, -1.1, 9.0, -0.9, 7.0], [0, 1, 3, 4]),
        ([0.0, 0.0, 0.0], [0, 1, 2]),
    ],
)
def test_a_network_that_broke_on_its_fold_is_not_averaged(losses: list[float], kept: list[int]) -> None:
    models = [SimpleNamespace(metrics={"validation_loss": loss}) for loss in losses]
    assert without_broken(models) == tuple(models[place] for place in kept)


def test_the_report_measures_columns_with_the_networks_that_have_not_seen_the_samples(
    data: fastnet.Dataset, folded: fastnet.SearchResult, tmp_path: Path
) -> None:
    plain = fastnet.search(SPACE, data, study=tmp_path, **SMALL)
    with Study.read(tmp_path) as one, Study.read(folded.trials.folder) as other:
        assert one.inspection()["importance"] == other.inspection()["importance"] != []
        assert one.inspection()["model"] == other.inspection()["model"]
    assert plain.ensemble_report["test_uses"] == folded.ensemble_report["test_uses"]


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"ensemble_folds": 2}, "ensemble_folds=2: must be a whole number from 3 to 100"),
        ({"ensemble_folds": "2"}, "'2' is neither a number of folds from 3 to 100 nor 'none'"),
        ({"ensemble_folds": 101}, "ensemble_folds=101: must be a whole number from 3 to 100"),
        ({"ensemble_folds": 5, "folds": 5}, "ensemble_folds=5: with folds=5 all samples train .* leave one of the two"),
        ({"ensemble_folds": 5, "ensemble_top": 0}, "ensemble_folds=5: with ensemble_top=0 there is no ensemble"),
        ({"ensemble_folds": 5, "validation": "given"}, "ensemble_folds=5: the samples that validate are given; leave"),
    ],
)
def test_what_cannot_be_is_refused(how: dict, sentence: str, data: fastnet.Dataset, tmp_path: Path) -> None:
    if "validation" in how:
        how = how | {"validation": numbers(30)}
    with pytest.raises(ConfigError, match=sentence):
        fastnet.search(SPACE, data, study=tmp_path / "s", **SMALL | how)
    assert not (tmp_path / "s").exists()


def test_data_that_cannot_be_divided_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    options = FOLDED | {"study": tmp_path / "s"}
    with pytest.raises(DataError, match=r"has times, so its last samples validate, .* leave ensemble_folds out"):
        fastnet.search(SPACE, numbers(time="day"), **options)
    with pytest.raises(DataError, match="ensemble_folds=100: without the validation samples, 77 samples cannot be"):
        fastnet.search(SPACE, numbers(), **options | {"ensemble_folds": 100})
    assert not (tmp_path / "s").exists()


def test_groups_stay_together_in_every_fold(tmp_path: Path) -> None:
    data = numbers(group="house")
    result = fastnet.search(SPACE, data, study=tmp_path, **FOLDED)
    assert len(result.ensemble.members) == 3 * K
    for parts in parts_of(data)[1]:
        assert not set(data.groups[parts.train]) & set(data.groups[parts.validation])


@pytest.mark.parametrize("task", ["classes", "sparse"])
def test_classes_and_sparse_data_have_further_folds_too(task: str, digits: fastnet.Dataset, tmp_path: Path) -> None:
    from scipy.sparse import csr_array

    from fastnet.data import as_dataset

    if task == "sparse":
        digits = as_dataset(csr_array(digits.x.astype(np.float32) / 255), digits.y)
    result = fastnet.search(SPACE, digits, study=tmp_path, **FOLDED)
    assert len(result.ensemble.members) == 3 * K and result.ensemble.task == "classification"


@pytest.fixture
def table(empty_folder: Path) -> str:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 90))
    rows = "".join(f"{x:.4f},{y:.4f},{3 * x - y:.4f}\n" for x, y in zip(a, b, strict=True))
    (empty_folder / "t.csv").write_text("a,b,price\n" + rows)
    return "t.csv"


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_the_command_line_trains_shows_and_repeats_them(table: str, tmp_path: Path) -> None:
    options = ["--data", table, "--target", "price", "--trials", "4", "--epochs", "2", "--pruning", "none"]
    options += ["--ensemble-top", "2", "--ensemble", "average", "--study", "s"]
    assert "the 2 best combined, average, each trained on 3 folds\n" in run(
        "search", *options, "--ensemble-folds", "3", "--dry-run"
    ).stdout  # fmt: skip
    printed = run("search", *options, "--ensemble-folds", "3", "--print-config").stdout
    assert "ensemble_folds = 3\n" in printed
    assert 'ensemble_folds = "none"\n' in run("search", *options, "--print-config").stdout
    (tmp_path / "c.toml").write_text(printed)
    shown = run("search", "--config", str(tmp_path / "c.toml")).stdout
    assert "Kept: the average, with the further folds 6 networks." in " ".join(shown.split())
    assert len(fastnet.Ensemble.load("s/ensemble.safetensors").members) == 6
    assert "6 networks" in run("studies", "show", "s").stdout
    none = run("search", "--study", "s", "--finish", "--ensemble-folds", "none").stdout
    assert "with the further folds" not in " ".join(none.split())
    run("search", "--study", "s", "--finish", "--ensemble-folds", "3")
    document = json.loads(run("studies", "show", "s", "--format", "json").stdout)
    assert document["ensemble"]["folds"] == 3 and document["ensemble"]["networks"] == 6
    with Study.read(Path("s")) as study:
        assert "--ensemble-folds 3" in search_command(study, 4)[0]
    run("search", "--study", "s", "--finish", "--ensemble-top", "0", "--final", "2")
    refused = run("search", *options[:-1], "other", "--cv", "3", "--ensemble-folds", "3", code=1)
    assert "ensemble_folds=3: with --cv=3 all samples train" in refused.stderr


def test_the_preset_gives_way_to_what_contradicts_it(empty_folder: Path) -> None:
    lines = "".join(f"{row % 7},{row}\n" for row in range(2600))
    (empty_folder / "large.csv").write_text("a,price\n" + lines)

    def printed(*more: str) -> str:
        return run("search", "--data", "large.csv", "--target", "price", "--print-config", *more).stdout

    assert "ensemble_folds = 10\n" in printed("--timeout", "60s")
    for given in (
        ["--cv", "3"],
        ["--ensemble-top", "0"],
        ["--ensemble-folds", "none"],
        ["--validation-fraction", ".3"],
    ):
        assert 'ensemble_folds = "none"\n' in printed("--timeout", "60s", *given)
    assert 'ensemble_folds = "none"\n' in printed()
    assert "ensemble_folds = 4\n" in printed("--timeout", "60s", "--ensemble-folds", "4")
