"""`fastnet search` on runs that pretend to train: what it asks for, prints, keeps and says after Ctrl-C."""

from __future__ import annotations

import csv
import functools
import io
import json
import re
import signal
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from fastnet_cli.main import cli
from numpy.typing import NDArray
from runs import FakeEngine

import fastnet.tuning
from fastnet.report.figures import best20_figure
from fastnet.tuning import Study

EPOCHS = 3


class FakeRun:
    """A pack whose trial number i reaches i/100, except that trial 1 diverges."""

    def __init__(self, ids: NDArray[np.int64], *, until: int | None = None) -> None:
        shape = (len(ids), EPOCHS)
        reached = np.broadcast_to((ids[:, None] / 100).astype(np.float32), shape).copy()
        self.curves = np.stack([1 - reached, reached + np.float32(0.01), 1.5 - reached, reached], axis=1)
        self.status = np.where(ids == 1, 2, 1).astype(np.int8)
        self.seconds = np.full(len(ids), 0.25)
        self.waiting = len(ids) if until is None else until
        self.status[self.waiting :] = 0
        self.endless = until is not None

    def start(self, which: NDArray[np.int64], end: int) -> None:
        pass

    def running(self) -> bool:
        return self.endless

    def wait(self, seconds: float | None = None) -> bool:
        return not self.running()

    def finished(self) -> NDArray[np.int64]:
        if self.endless:
            signal.raise_signal(signal.SIGINT)
        return np.arange(self.waiting)

    def stop(self) -> None:
        self.endless = False

    def join(self) -> None:
        pass


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What the library was asked for, in an empty folder and with runs that pretend."""
    seen: dict[str, Any] = {"until": None}
    search = fastnet.tuning.run_study

    def note(dataset: Any, config: Any, **how: Any) -> Any:
        seen.update(dataset=dataset, config=config, **how)
        factory = functools.partial(make_run, seen)
        return search(dataset, config, engine=FakeEngine(factory), **how)

    monkeypatch.setattr("fastnet.tuning.run_study", note)
    monkeypatch.setattr("fastnet.report.figures.best20_figure", lambda trials, path: path.write_bytes(b"png"))
    monkeypatch.chdir(tmp_path)
    return seen


def make_run(seen: dict[str, Any], ids: NDArray[np.int64], params: list[dict[str, Any]]) -> FakeRun:
    return FakeRun(ids, until=seen["until"])


def run(*arguments: str, code: int = 0) -> Result:
    epochs = [] if arguments[0] == "--study" else ["--epochs", str(EPOCHS)]  # which a study knows
    result = CliRunner().invoke(cli, ["search", *epochs, *arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_table_is_the_list_of_the_book(asked: dict[str, Any]) -> None:
    result = run("--trials", "30")
    *lines, closing = result.stdout.splitlines()
    best = lines[: lines.index("")]
    form = re.compile(r"Best-(\d+) \(val acc:(0\.\d+)\) \| lr:[\d.e-]+, weight decay:[\d.e-]+")
    matches = [form.fullmatch(line) for line in best]
    assert [match and match[1] for match in matches] == [str(place) for place in range(1, 21)]
    assert matches[0] is not None and matches[0][2] == "0.29"
    assert re.fullmatch(
        r"30 trials \(30 new, 1 diverged\) in [\d.]+ s \| [\d.]+ trials/s \| compile 0\.0 s \| "
        r"[\d.]+% of the time outside compiled code \| studies/001",
        closing.replace("\\", "/"),
    )
    assert all(line.isprintable() for line in result.output.splitlines())


def test_study_folder_contains_trials_picture_and_report(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastnet.report.figures.best20_figure", best20_figure)
    run("--trials", "4")
    run("--trials", "4", "--seed", "1")
    assert sorted(path.name for path in Path("studies").iterdir()) == ["001", "002"]
    assert Path("studies/001/best20.png").read_bytes().startswith(b"\x89PNG")
    assert "best of 4 trials" in Path("studies/001/report.html").read_text(encoding="utf-8")
    with Study.read(Path("studies/001")) as study:
        assert study.stored_ids().tolist() == [0, 1, 2, 3]


def test_json_is_one_object(asked: dict[str, Any]) -> None:
    result = run("--trials", "3", "--format", "json", "--seed", "7")
    document = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1 and "trials/s" in result.stderr
    assert document["schema_version"] == 1 and document["interrupted"] is False
    assert document["settings"]["train"]["seed"] == 7 and document["settings"]["train"]["hidden"] == "100x6"
    assert "learning_rate" in document["settings"]["space"]
    assert "learning_rate" not in document["settings"]["train"]
    assert document["settings"]["data"] == "mnist5k" and document["settings"]["samples"] == 500
    assert [row["id"] for row in document["trials"]] == [2, 0, 1]
    assert document["trials"][0]["validation_accuracy"] == 0.02
    assert document["trials"][-1]["status"] == "diverged" and document["trials"][-1]["validation_accuracy"] is None


def test_csv_has_every_trial_and_times_are_called_seconds(asked: dict[str, Any]) -> None:
    result = run("--trials", "25", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert len(rows) == 25 and rows[0]["id"] == "24" and rows[0]["validation_accuracy"] == "0.24"
    assert rows[-1]["validation_accuracy"] == "" and rows[0]["seconds"] == "0.25"
    assert {name for name in rows[0] if "second" in name or "time" in name} == {"seconds"}


def test_same_command_again_runs_only_what_is_missing(asked: dict[str, Any]) -> None:
    run("--trials", "3", "--study", "s")
    result = run("--trials", "5", "--study", "s")
    assert "5 trials (2 new, 1 diverged)" in result.stdout
    result = run("--trials", "5", "--study", "s")
    assert "5 trials (0 new, 1 diverged)" in result.stdout
    result = run("--trials", "2", "--study", "s", "--fresh")
    assert "2 trials (2 new, 1 diverged)" in result.stdout


def test_given_points_are_the_first_trials_also_of_a_study_that_continues(asked: dict[str, Any]) -> None:
    Path("points.csv").write_text("learning_rate,weight_decay\n0.003,1e-6\n0.004,\n", encoding="utf-8")
    run("--trials", "3", "--study", "s", "--enqueue", "points.csv")
    Path("points.csv").unlink()
    run("--study", "s", "--trials", "5")
    with Study.read(Path("s")) as study:
        trials = [trial.params for trial in study.iter_trials()]
    assert len(trials) == 5 and trials[0] == {"learning_rate": 0.003, "weight_decay": 1e-6}
    assert trials[1]["learning_rate"] == 0.004
    run("--study", "s", "--print-config")
    printed = run("--study", "s", "--print-config").stdout
    assert tomllib.loads(printed)["enqueue"] == (
        '[{"learning_rate": 0.003, "weight_decay": 1e-06}, {"learning_rate": 0.004}]'
    )
    run("--trials", "2", "--study", "t", "--enqueue", "s")
    with Study.read(Path("s")) as study, Study.read(Path("t")) as other:
        assert other.trial(0).params == study.best(1)[0].params
        assert len(other.settings["enqueue"]) == 4, "the trial that diverged is left out"


def test_samplers_of_optuna_are_chosen_by_name(asked: dict[str, Any]) -> None:
    pytest.importorskip("optuna")
    run("--trials", "3", "--study", "s", "--sampler", "optuna:RandomSampler")
    run("--trials", "4", "--study", "s")
    assert asked["config"].sampler == "optuna:RandomSampler"
    assert "optuna:RandomSampler" in run("--study", "s", "--print-config").stdout


def test_study_with_other_settings_is_refused_and_named(asked: dict[str, Any]) -> None:
    run("--trials", "2", "--study", "s")
    result = run("--trials", "2", "--study", "s", "--batch-size", "50", code=1)
    assert "batch_size 100 -> 50" in result.stderr and result.stdout == ""


def test_named_sets_give_500_images_by_default(asked: dict[str, Any]) -> None:
    run("--trials", "1")
    assert asked["dataset"].n_samples == 500
    run("--trials", "1", "--samples", "60")
    assert asked["dataset"].n_samples == 60
    run("--trials", "1", "--samples", "all")
    assert asked["dataset"].n_samples == 4000


def test_files_give_all_samples(asked: dict[str, Any], tiny_dataset: Any) -> None:
    np.savez("tiny.npz", x=tiny_dataset.x, y=tiny_dataset.y)
    run("--trials", "1", "--data", "tiny.npz")
    assert asked["dataset"].n_samples == 90


@pytest.mark.parametrize(
    ("arguments", "space"),
    [
        ([], {"learning_rate": "log:1e-06:0.01", "weight_decay": "log:1e-08:0.0001"}),
        (["--learning-rate", "0.01"], {"weight_decay": "log:1e-08:0.0001"}),
        (["--learning-rate", "0.01", "--weight-decay", "1e-8"], {}),
        (
            ["--space", "dropout=uniform:0:0.5", "--space", "learning-rate=log:1e-3:1e-1"],
            {"learning_rate": "log:0.001:0.1", "weight_decay": "log:1e-08:0.0001", "dropout": "uniform:0:0.5"},
        ),
    ],
)
def test_values_are_fixed_and_ranges_searched(asked: dict[str, Any], arguments: list[str], space: Any) -> None:
    run("--trials", "2", *arguments)
    assert asked["config"].space == space
    if "--learning-rate" in arguments:
        assert asked["config"].train.learning_rate == 0.01


def test_nothing_searched_prints_accuracies_alone(asked: dict[str, Any]) -> None:
    result = run("--trials", "1", "--learning-rate", "0.01", "--weight-decay", "0")
    assert result.stdout.splitlines()[0] == "Best-1 (val acc:0.0)"


def test_all_diverged_is_reported_and_not_drawn(asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(self: FakeRun, ids: NDArray[np.int64], *, until: int | None = None) -> None:
        initialise(self, ids, until=until)
        self.status[:] = 2

    initialise = FakeRun.__init__
    monkeypatch.setattr(FakeRun, "__init__", diverge)
    result = run("--trials", "2", "--study", "s")
    assert "Best-" not in result.stdout and not Path("s/best20.png").exists()
    assert "All trials diverged" in Path("s/report.html").read_text(encoding="utf-8")
    assert result.stdout.splitlines()[-1].startswith("2 trials (2 new, 2 diverged)")


def test_interrupt_keeps_finished_trials_and_prints_how_to_continue(asked: dict[str, Any]) -> None:
    asked["until"] = 3
    result = run("--trials", "9", "--samples", "100", code=130)
    assert not list(Path("studies/001").glob("*.html")) and not list(Path("studies/001").glob("*.png"))
    assert "3 trials (3 new, 1 diverged)" in result.stdout
    assert result.stderr.splitlines()[-2:] == [
        "Stopped with 3 of 9 trials; continue with:",
        f"  fastnet search --study {Path('studies/001')}",
    ]
    asked["until"] = None
    result = run(*result.stderr.splitlines()[-1].split()[2:])
    assert "9 trials (6 new, 1 diverged)" in result.stdout and asked["dataset"].n_samples == 100


def test_interrupted_fresh_study_is_not_started_over_by_the_printed_command(asked: dict[str, Any]) -> None:
    asked["until"] = 2
    result = run("--trials", "9", "--study", "a folder", "--fresh", code=130)
    assert result.stderr.splitlines()[-1] == "  fastnet search --study 'a folder'"


def test_report_that_cannot_be_written_does_not_lose_the_list(asked: dict[str, Any]) -> None:
    Path("s/report.html").mkdir(parents=True)
    result = run("--trials", "3", "--study", "s")
    assert result.stdout.startswith("Best-1 (val acc:0.02)")
    assert re.search(r"\nNote: s.report\.html: the report cannot be written \(Is a directory\)\n$", result.stderr)


def test_picture_that_cannot_be_written_does_not_lose_the_list(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fastnet.report.figures.best20_figure", fail)
    result = run("--trials", "3")
    assert result.stdout.startswith("Best-1 (val acc:0.02)")
    said = "best20.png: the picture cannot be drawn (No space left on device); make room and try again\n"
    assert said in result.stderr
    assert "\nreport: " in result.stderr and Path("studies/001/report.html").is_file()


def test_jobs_and_data_folder_are_passed_on(
    asked: dict[str, Any], idx_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTNET_DATA_DIR", str(idx_folder()))
    run("--trials", "1", "--jobs", "1", "--data", "mnist", "--samples", "20")
    assert asked["jobs"] == 1 and asked["dataset"].n_samples == 20
    run("--trials", "1", "--data", "mnist", "--samples", "all")
    assert asked["jobs"] is None


def test_pruning_that_cannot_stop_a_trial_is_reported(asked: dict[str, Any]) -> None:
    assert "will stop no trial early" in run("--trials", "4", "--pruning", "halving").stderr
    assert "will stop no trial early" not in run("--trials", "4", "--pruning", "none").stderr
