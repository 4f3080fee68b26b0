"""Forked and spawned processes, joblib, threads: everything works in them, and gives the same bits."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import fastnet
from fastnet.config.training import TrainConfig
from fastnet.kernels import threads
from fastnet.training import background
from fastnet.training.single import Training

SCRIPT = Path(__file__).with_name("processes.py")
FORKS = "fork" in multiprocessing.get_all_start_methods()
LAYERS = ("default", "workqueue")


def run(name: str, layer: str = "default") -> None:
    environment = os.environ | {"NUMBA_THREADING_LAYER": layer}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), name], env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not FORKS, reason="this system does not fork")
@pytest.mark.parametrize("layer", LAYERS)
def test_a_fork_after_training(layer):
    run("fork_after_work", layer)


@pytest.mark.skipif(not FORKS, reason="this system does not fork")
@pytest.mark.parametrize("name", ["fork_before_work", "fork_after_code_of_the_user", "fork_next_to_threads"])
def test_a_fork(name):
    run(name)


@pytest.mark.parametrize("name", ["start_methods", "joblib_parents"])
@pytest.mark.skipif(not FORKS, reason="this system does not fork")
def test_other_ways_to_start_processes(name):
    run(name)


def test_several_threads_at_once():
    run("many_threads")


def test_parallel_code_of_the_user_next_to_ours():
    run("next_to_code_of_the_user", "workqueue")


def test_a_large_network_without_a_layer_says_that_it_trains_on_one_thread(tiny_dataset, monkeypatch):
    monkeypatch.setattr(threads, "_inherited", True)
    config = TrainConfig(hidden=(400, 400), batch_size=100, epochs=1)
    with pytest.warns(
        fastnet.FastnetWarning, match="this network trains on one thread instead of 2, because this process was"
    ):
        alone = fastnet.train(tiny_dataset, config, jobs=2)
    monkeypatch.undo()
    shared = fastnet.train(tiny_dataset, config, jobs=2)
    assert alone.model.predict_proba(tiny_dataset.x).tobytes() == shared.model.predict_proba(tiny_dataset.x).tobytes()


def test_a_training_that_waits_for_its_turn_can_be_stopped(tiny_dataset, monkeypatch):
    """A pack that takes long is in the background; a large network behind it need not wait for it to be stopped."""
    free = threading.Event()
    long = background.submit(2, lambda: free.wait(100))
    try:
        config = TrainConfig(hidden=(400, 400), batch_size=100, epochs=1)
        with pytest.raises(KeyboardInterrupt):
            fastnet.train(tiny_dataset, config, jobs=2, should_stop=lambda: True)
        assert not long.done()
        small = fastnet.train(tiny_dataset, TrainConfig(hidden=(4,), epochs=1), jobs=2)
        assert small.epochs_done == 1 and not long.done(), "what needs one thread begins at once"
    finally:
        free.set()


def test_the_background_ends_with_an_error_of_the_caller(tiny_dataset, monkeypatch):
    running = []

    def watch(self: Training, epochs: range) -> None:
        running.append(True)
        while not self.control[0]:
            time.sleep(0.01)
        running.clear()

    monkeypatch.setattr(Training, "_train", watch)

    def fail() -> bool:
        if running:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        fastnet.train(tiny_dataset, TrainConfig(hidden=(4,)), should_stop=fail)
    assert running == []
