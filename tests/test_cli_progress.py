"""The contents and the pace of progress."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import click
import pytest
from displays import Clock, search_state
from fastnet_cli.interrupt import StopOnInterrupt
from fastnet_cli.progress import BestSoFar, DownloadDisplay, SearchDisplay, TrainDisplay
from fastnet_cli.screen import sparkline

from fastnet.config.presets import TIMED_TRIALS
from fastnet.progress.words import duration, scored


def epoch(number: int) -> Any:
    return SimpleNamespace(
        epoch=number,
        train_loss=0.5,
        train_score=0.9,
        validation_loss=0.61234,
        validation_score=0.8125,
        score="accuracy",
        train_scored="exact",
    )


def test_plain_lines_are_few_and_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with TrainDisplay(100, StopOnInterrupt(), clock=clock) as display:
        for number in range(1, 101):
            clock.now += 1.0
            display(epoch(number))
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert len(lines) == 21 and lines[0].startswith("epoch 1/100 | train acc:0.90, loss:0.5000 | val acc:0.8125")
    assert lines[-1].startswith("epoch 100/100") and lines[-1].endswith("ETA 0:00")
    assert lines[1].startswith("epoch 6/100") and lines[1].endswith("ETA 1:34")
    assert all(line.isprintable() for line in lines)


def test_search_lines_mention_compilation_once(capsys: pytest.CaptureFixture[str]) -> None:
    stop = StopOnInterrupt()
    with SearchDisplay(stop) as display:
        display(search_state(0, best=None, eta_seconds=None, trials_per_second=0.0))
        display(search_state(0, compiling=True))
        display(search_state(0, compiling=True))
        assert not stop.careful
        display(search_state(3))
        assert stop.careful
        display(search_state(10, eta_seconds=0.0))
        display(search_state(10, eta_seconds=0.0))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "trials 0/10 | best val acc:- | 0.0 trials/s | ETA -:--",
        "trials 0/10 | compiling the kernels, or loading them from the cache",
        "trials 10/10 | best val acc:0.83 | 2.0 trials/s | ETA 0:00",
    ]


def test_search_lines_show_stage_rung_and_stopped_trials(capsys: pytest.CaptureFixture[str]) -> None:
    with SearchDisplay(StopOnInterrupt(), metric="loss") as display:
        display(search_state(7, best=0.51234, stage=1, stages=3, rung=2, rungs=4, stopped=5, diverged=1))
    assert capsys.readouterr().err == (
        "trials 7/10 | best val loss:0.5123 | 5 stopped early | 1 diverged | "
        "stage 1/3 | rung 2/4 | 2.0 trials/s | ETA 1:01\n"
    )


def test_a_timeout_before_the_end_of_the_search_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    left = iter((30.0, 90.0, -1.0))
    for _ in range(3):
        with SearchDisplay(StopOnInterrupt(), time_left=lambda: next(left)) as display:
            display(search_state(7))
    ends = [line.rpartition(" | ")[2] for line in capsys.readouterr().err.splitlines()]
    assert ends == ["stops in 0:30", "ETA 1:01", "stops in 0:00"]


def test_lines_of_a_night_are_a_minute_apart(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with SearchDisplay(StopOnInterrupt(), clock=clock) as display:
        for second in range(8 * 3600):
            clock.now = float(second)
            display(search_state(1))
    assert 470 < len(capsys.readouterr().err.splitlines()) < 600


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    context = click.Context(click.Command("search"))
    context.meta["fastnet.verbosity"] = -1
    with context, SearchDisplay(StopOnInterrupt()) as display:
        display(search_state(10))
    assert capsys.readouterr().err == ""


def test_download_without_a_known_size(capsys: pytest.CaptureFixture[str]) -> None:
    with DownloadDisplay() as display:
        display("images.gz", 3_400_000, 0)
        display("labels.gz", 2_000_000, 2_000_000)
    assert capsys.readouterr().err == "download (MB) 3/3 | images.gz\ndownload (MB) 2/2 | labels.gz\n"


def test_best_so_far_is_kept_where_it_changed() -> None:
    best = BestSoFar()
    assert best.along(3) == []
    best.add(0, None)
    for done in range(1, 101):
        best.add(done, 0.1 if done < 50 else 0.9)
    assert best.along(5) == [0.1, 0.1, 0.9, 0.9, 0.9] and len(best._steps) == 2
    assert sparkline(best.along(4)) == "▁▁██"


def test_accuracy_has_two_to_four_decimals() -> None:
    texts = [scored("val", value).removeprefix("val acc:") for value in (0.0, 0.8, 0.83, 0.8125, 0.98117, 1.0)]
    assert texts == ["0.00", "0.80", "0.83", "0.8125", "0.9812", "1.00"]


def test_duration_counts_minutes_and_hours() -> None:
    assert [duration(seconds) for seconds in (0.4, 59.6, 3599.6, None)] == ["0:00", "1:00", "1:00:00", "-:--"]


def test_the_final_choice_is_announced_once(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with StopOnInterrupt() as stop, SearchDisplay(stop, clock=clock) as display:
        display(search_state(10))
        for _ in range(3):
            clock.now += 0.1
            display(search_state(10, choosing=True))
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:] == ["trials 10/10 | training the best again on fresh seeds, then the one to keep"]


def test_a_search_that_ends_by_its_time_shows_no_number_of_trials_to_come(capsys: pytest.CaptureFixture[str]) -> None:
    with SearchDisplay(StopOnInterrupt(), time_left=lambda: 45.0) as display:
        display(search_state(7, total=TIMED_TRIALS, eta_seconds=None))
    assert capsys.readouterr().err.startswith("trials 7 | best val acc:")
