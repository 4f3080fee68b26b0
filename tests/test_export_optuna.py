"""A study as a journal of Optuna: what Optuna reads from it is what the study has."""

from __future__ import annotations

import io
import json
import math
import tracemalloc
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import numpy as np
import pytest
from studies import make_study

from fastnet.errors import StudyError
from fastnet.export.optuna import Timeline, write_journal
from fastnet.tuning import Study, TrialResult
from fastnet.tuning.run.enqueue import read_points
from fastnet.tuning.store.export import curve_columns

SPACE = {
    "learning_rate": "log:1e-4:1",
    "dropout": "uniform:0:0.5",
    "depth": "int:1:4",
    "batch_size": "logint:16:256",
    "optimizer": "choice:sgd,adam",
    "momentum": "choice:0,0.9",
}
TIMES = {"wall_seconds": 2.0, "compile_seconds": 0.5, "compiled_seconds": 1.0}


def written(folder: Path, **how: Any) -> bytes:
    stream = io.BytesIO()
    with Study.read(folder) as study:
        assert write_journal(study, stream, **how) == study.count()
    return stream.getvalue()


def loaded(folder: Path, **how: Any) -> Any:
    """Export a study and load it as a user of Optuna does."""
    optuna = pytest.importorskip("optuna")
    path = folder / "study.log"
    path.write_bytes(written(folder, **how))
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    return optuna.load_study(study_name=folder.name, storage=storage)


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_optuna_reads_every_trial_with_its_state_values_and_curve(tmp_path: Path, metric: str) -> None:
    make_study(tmp_path / "study-7", 60, SPACE, metric=metric, sampler="sobol")
    study = loaded(tmp_path / "study-7", curves=True)
    states = {"done": "COMPLETE", "stopped": "PRUNED", "diverged": "FAIL"}
    with Study.read(tmp_path / "study-7") as own:
        trials = list(own.iter_trials(curves=True))
        row = 3 if metric == "accuracy" else 2
        assert {trial.status for trial in trials} == set(states)
        for trial, read in zip(trials, study.trials, strict=True):
            assert read.state.name == states[trial.status]
            assert read.params == trial.params and list(map(type, read.params.values())) == [
                type(trial.params[name]) for name in read.params
            ]
            assert read.value == (trial.value if math.isfinite(trial.value) else None)
            curve = trial.curves[row, : trial.epochs]
            assert list(read.intermediate_values) == list(range(1, trial.epochs + 1))
            assert np.array_equal(np.float32(list(read.intermediate_values.values())), curve)
            if trial.epochs and trial.status != "diverged":
                assert read.intermediate_values[trial.epochs] == read.value
            for place, name in enumerate(curve_columns()):
                if place != row:
                    assert np.array_equal(np.float32(read.user_attrs[name]), trial.curves[place, : trial.epochs])
            assert read.user_attrs["trial"] == trial.id and read.user_attrs["epochs"] == trial.epochs
            assert read.duration.total_seconds() == pytest.approx(trial.seconds, abs=2e-6)
            read._validate()
        best = min((trial for trial in trials if trial.status == "done"), key=lambda one: one.value)
    assert study.direction.name == ("MAXIMIZE" if metric == "accuracy" else "MINIMIZE")
    assert metric == "accuracy" or study.best_trial.number == best.id
    assert study.metric_names == [f"validation_{metric}"]


def test_distributions_are_those_of_the_space(tmp_path: Path) -> None:
    distributions = pytest.importorskip("optuna").distributions
    make_study(tmp_path / "s", 3, SPACE)
    read = loaded(tmp_path / "s").trials[0].distributions
    assert read == {
        "learning_rate": distributions.FloatDistribution(1e-4, 1.0, log=True),
        "dropout": distributions.FloatDistribution(0.0, 0.5),
        "depth": distributions.IntDistribution(1, 4),
        "batch_size": distributions.IntDistribution(16, 256, log=True),
        "optimizer": distributions.CategoricalDistribution(("sgd", "adam")),
        "momentum": distributions.CategoricalDistribution((0.0, 0.9)),
    }


def test_the_ranges_of_several_stages_are_one(tmp_path: Path) -> None:
    space = {"learning_rate": "log:1e-4:1", "depth": "int:1:4", "optimizer": "choice:sgd,adam"}
    make_study(tmp_path / "s", 10, space)
    with Study.open(tmp_path / "s", Study.read(tmp_path / "s").settings) as study:
        study.append_stage(2, 10, 0, {"learning_rate": "log:1e-2:10", "depth": "choice:2", "optimizer": "choice:adam"})
    read = loaded(tmp_path / "s")
    ranges = read.trials[0].distributions
    assert (ranges["learning_rate"].low, ranges["learning_rate"].high) == (1e-4, 10.0)
    assert (ranges["depth"].low, ranges["depth"].high) == (1, 4)
    assert ranges["optimizer"].choices == ("sgd", "adam")
    assert read.user_attrs["stages_spaces"][1]["depth"] == "choice:2"


def test_the_settings_are_attributes_of_the_study(tmp_path: Path) -> None:
    make_study(tmp_path / "s", 5, pruning="halving", first_epochs=1)
    attributes = loaded(tmp_path / "s").user_attrs
    with Study.read(tmp_path / "s") as study:
        settings = study.settings
    assert settings["train"].items() - attributes.items() == {
        (name, value) for name, value in settings["train"].items() if value is None
    }
    assert attributes["pruning"] == "halving" and attributes["data"] == "mnist5k"
    assert attributes["data_sha256"] == settings["data"] and attributes["space learning_rate"] == "log:0.0001:1"


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("stages", [1, 2])
def test_the_figures_of_optuna_draw_it(tmp_path: Path, stages: int) -> None:
    visualization = pytest.importorskip("optuna").visualization
    make_study(tmp_path / "s", 80, SPACE, stages=stages)
    study = loaded(tmp_path / "s")
    for name in ("contour", "edf", "intermediate_values", "optimization_history", "parallel_coordinate", "slice",
                 "param_importances", "rank", "timeline"):  # fmt: skip
        figure = getattr(visualization, f"plot_{name}")(study)
        assert figure.data, name
    curves = visualization.plot_intermediate_values(study).data
    assert len(curves) == sum(trial.state.name != "FAIL" for trial in study.trials), "failed ones are left out"


def test_optuna_continues_from_it(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    make_study(tmp_path / "s", 20, SPACE)
    study = loaded(tmp_path / "s")
    study.sampler = optuna.samplers.TPESampler(seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asked = study.ask(fixed_distributions=study.trials[0].distributions)
    study.tell(asked, 0.5)
    assert len(study.trials) == 21 and set(study.trials[-1].params) == set(SPACE)


def test_its_best_trials_are_points_for_another_search(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    make_study(tmp_path / "s", 60, SPACE)
    (tmp_path / "study.log").write_bytes(written(tmp_path / "s"))
    with Study.read(tmp_path / "s") as study:
        done = [trial for trial in study.best(60) if trial.status == "done"]
    assert list(read_points(tmp_path / "study.log")) == [trial.params for trial in done[:20]]


@pytest.mark.filterwarnings("ignore")  # those of the dashboard and of its web server
def test_the_dashboard_serves_it(tmp_path: Path) -> None:
    dashboard = pytest.importorskip("optuna_dashboard")
    make_study(tmp_path / "s", 30, SPACE)
    app = dashboard.wsgi(loaded(tmp_path / "s")._storage)

    def asked(path: str) -> Any:
        environ = {"PATH_INFO": path, "QUERY_STRING": "after=0", "HTTP_CONTENT_TYPE": "application/json"}
        setup_testing_defaults(environ)
        return json.loads(b"".join(app(environ, lambda *answer: None)))

    assert [one["study_name"] for one in asked("/api/studies")["study_summaries"]] == ["s"]
    served = asked("/api/studies/0")
    assert [one["state"] for one in served["trials"]] == [
        one.state.name.capitalize() for one in loaded(tmp_path / "s").trials
    ]
    assert {one["key"] for one in served["user_attrs"]} > {"data", "epochs", "space dropout"}


def test_without_times_the_same_trials_are_the_same_bytes(tmp_path: Path) -> None:
    settings = {"space": {"dropout": "uniform:0:0.5"}}
    for name, batches in (("a", [[0, 1, 2]]), ("b", [[2], [0, 1]])):
        for batch in batches:
            with Study.open(tmp_path / name / "s", settings) as study:
                trials = [of_number(i, seconds=0.1 if name == "a" else 0.2) for i in batch]
                study.append(trials, run=study.begin_run({}), **TIMES)
    with_times = [written(tmp_path / name / "s") for name in ("a", "b")]
    assert with_times[0] != with_times[1]
    without = [written(tmp_path / name / "s", times=False).splitlines()[-3:] for name in ("a", "b")]
    assert without[0] == without[1] and b"seconds" not in without[0][0]
    assert [trial.datetime_start for trial in loaded(tmp_path / "a" / "s", times=False).trials] == [None] * 3


def of_number(number: int, seconds: float = 0.1) -> TrialResult:
    curves = np.full((4, 2), 0.1 * number, np.float32)
    return TrialResult.from_curves(number, "done", {"dropout": 0.1}, curves, seconds=seconds)


def test_gaps_in_the_numbers_are_closed_and_the_numbers_kept(tmp_path: Path) -> None:
    with Study.open(tmp_path / "s", {"space": {"dropout": "uniform:0:0.5"}}, curves=False) as study:
        study.append([of_number(i) for i in (3, 8)], run=study.begin_run({}), **TIMES)
    trials = loaded(tmp_path / "s", curves=True).trials
    assert [(trial.number, trial.user_attrs["trial"]) for trial in trials] == [(0, 3), (1, 8)]
    assert [trial.intermediate_values for trial in trials] == [{}, {}], "the study has no curves"


def test_a_study_without_trials_is_a_study(tmp_path: Path) -> None:
    Study.open(tmp_path / "s", {"space": {"dropout": "uniform:0:0.5"}}).close()
    assert loaded(tmp_path / "s").trials == []


def test_every_line_is_one_json_object_without_nan(tmp_path: Path) -> None:
    make_study(tmp_path / "s", 40)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    lines = written(tmp_path / "s", curves=True).decode().splitlines(keepends=True)
    read = [json.loads(line, parse_constant=refuse) for line in lines]
    assert all(line.endswith("\n") for line in lines)
    assert [one["op_code"] for one in read][-40:] == [4] * 40 and read[0]["op_code"] == 0


def test_trials_follow_one_another_on_the_threads_of_their_run() -> None:
    def run(started: str, new_trials: int, **more: Any) -> dict[str, Any]:
        return {"started": started, "compile_seconds": 1.0, "new_trials": new_trials, "environment": more}

    timeline = Timeline("", [run("2024-05-01T12:00:00+00:00", 3, threads=2), run("2024-05-01T13:00:00", 0),
                             run("2024-05-01T14:00:00+02:00", 1)])  # fmt: skip
    spans = [tuple(map(datetime.fromisoformat, timeline.span(seconds))) for seconds in (2.0, 0.5, 1.0, 3.0, 1.0)]
    at = [tuple((moment - datetime(2024, 5, 1, 12, tzinfo=UTC)).total_seconds() for moment in span) for span in spans]
    assert at == [(1.0, 3.0), (1.0, 1.5), (1.5, 2.5), (1.0, 4.0), (4.0, 5.0)], (
        "the last run takes what it did not count"
    )


def test_a_study_without_runs_begins_when_it_was_created() -> None:
    assert Timeline("2024-05-01T12:00:00+00:00", []).span(1.0)[0].startswith("2024-05-01T12:00:00")


def test_a_damaged_time_is_a_sentence_and_a_huge_one_is_cut() -> None:
    with pytest.raises(StudyError, match="'soon' is not a time; restore it from a copy"):
        Timeline("soon", [])
    timeline = Timeline("2024-05-01T12:00:00+00:00", [])
    begin, end = timeline.span(1e300)
    assert datetime.fromisoformat(end) > datetime.fromisoformat(begin)
    ends = [timeline.span(1e300)[1] for _ in range(300)]
    assert ends == sorted(ends) and ends[-1].startswith("9999")


def test_the_memory_does_not_grow_with_the_trials(tmp_path: Path) -> None:
    curves = np.random.default_rng(0).random((4, 60)).astype(np.float32)
    with Study.open(tmp_path, {"space": {"dropout": "uniform:0:0.5"}}) as study:
        number, run = 0, study.begin_run({})
        for _ in range(10):
            batch = [
                TrialResult.from_curves(number + i, "done", {"dropout": 0.1}, curves, seconds=0.1) for i in range(400)
            ]
            number += len(batch)
            study.append(batch, run=run, **TIMES)
    size = 0

    class Sink(io.RawIOBase):
        def write(self, content: Any) -> int:
            nonlocal size
            size += len(content)
            return len(content)

    tracemalloc.start()
    try:
        with Study.read(tmp_path) as study:
            write_journal(study, Sink(), curves=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 12e6 and peak < 6e6
