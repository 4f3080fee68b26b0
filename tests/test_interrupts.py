"""Ctrl-C from Python: KeyboardInterrupt once everything is stored or stopped, or what there is, as the caller likes."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

import fastnet
from fastnet.config.training import TrainConfig
from fastnet.errors import ConfigError
from fastnet.training import background, loop, single
from fastnet.training.pack import PackRun
from fastnet.tuning import Study
from fastnet.tuning.run import session
from fastnet.tuning.run.budget import Budget

CONFIG = TrainConfig(hidden=(8,), epochs=6, learning_rate=0.1)
SEARCH = {"trials": 400, "hidden": "16", "epochs": 30, "final": 0}


@pytest.fixture(autouse=True)
def the_usual_handler():
    """Ctrl-C raises KeyboardInterrupt in the main thread; nothing that the library does changes that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    after = signal.signal(signal.SIGINT, before)
    assert after is signal.default_int_handler


@pytest.fixture(autouse=True)
def small_packs(monkeypatch):
    """A search looks around between packs, however rarely its thread gets a turn on a busy machine."""
    monkeypatch.setattr(session, "PACK_TRIALS", 50)


def ctrl_c(when: Callable[[object], bool]) -> Callable[[object], None]:
    """A callback that gets Ctrl-C when it is told so."""

    def look(state: object) -> None:
        if when(state):
            signal.raise_signal(signal.SIGINT)

    return look


def test_a_search_stores_what_is_done_and_raises(tiny_dataset, tmp_path):
    seen = []

    def enough(state: fastnet.tuning.Progress) -> bool:
        seen.append(state.done)
        return state.done >= 5

    with pytest.raises(KeyboardInterrupt):
        fastnet.search(None, tiny_dataset, study=tmp_path / "s", on_progress=ctrl_c(enough), **SEARCH)
    with Study.read(tmp_path / "s") as study:
        stored = study.count()
    assert 5 <= seen[-1] <= stored < 400
    again = fastnet.search(None, tiny_dataset, study=tmp_path / "s", **SEARCH)
    whole = fastnet.search(None, tiny_dataset, study=tmp_path / "w", **SEARCH)
    assert again.new_trials == 400 - stored and not again.interrupted
    for one, other in zip(again.trials, whole.trials, strict=True):
        assert one.curves.tobytes() == other.curves.tobytes()


def test_a_search_returns_what_is_done_if_asked_to(tiny_dataset, tmp_path):
    stop = ctrl_c(lambda state: state.done >= 5)
    result = fastnet.search(None, tiny_dataset, study=tmp_path / "s", on_progress=stop, interrupt="return", **SEARCH)
    assert result.interrupted and 5 <= len(result.trials) < 400


def test_a_loop_of_searches_ends_with_the_first(tiny_dataset, tmp_path):
    begun = []
    with pytest.raises(KeyboardInterrupt):
        for seed in range(3):
            begun.append(seed)
            folder, stop = tmp_path / str(seed), ctrl_c(lambda state: state.done >= 3)
            fastnet.search(None, tiny_dataset, study=folder, seed=seed, on_progress=stop, **SEARCH)
    assert begun == [0]


def test_the_end_of_the_time_is_no_interrupt(tiny_dataset, tmp_path):
    result = fastnet.search(None, tiny_dataset, study=tmp_path / "s", timeout=0.0, **SEARCH)
    assert result.interrupted


def test_time_that_ends_before_the_first_epoch_of_what_is_kept_is_no_interrupt(tiny_dataset, tmp_path, monkeypatch):
    ending = []
    train_network = single.train_network

    def begin(*given, should_stop: Callable[[], bool], **more):
        ending.append(True)
        assert should_stop()
        return train_network(*given, should_stop=should_stop, **more)

    monkeypatch.setattr(single, "train_network", begin)
    monkeypatch.setattr(Budget, "left", property(lambda self: -1.0 if ending else 100.0))
    options = {**SEARCH, "trials": 3, "final": 1, "repeats": 1}
    result = fastnet.search(None, tiny_dataset, study=tmp_path / "s", timeout=100.0, **options)
    assert ending and result.interrupted and len(result.trials) == 3
    assert result.final["kept"] is None and result.final["shortened"]["epochs"] == 0
    monkeypatch.undo()
    again = fastnet.search(None, tiny_dataset, study=tmp_path / "s", **options)
    assert again.final["kept"] is not None and "shortened" not in again.final


@pytest.mark.parametrize("stage", ["choosing", "ensembling"])
def test_ctrl_c_in_the_final_choice(tiny_dataset, tmp_path, stage):
    options = {**SEARCH, "trials": 4, "final": 2, "ensemble_top": 2}
    stop = ctrl_c(lambda state: getattr(state, stage))
    with pytest.raises(KeyboardInterrupt):
        fastnet.search(None, tiny_dataset, study=tmp_path / "s", on_progress=stop, **options)
    result = fastnet.search(None, tiny_dataset, study=tmp_path / "s", **options)
    assert result.new_trials == 0 and result.final is not None and result.ensemble is not None


def probabilities(model: fastnet.Model | fastnet.Ensemble, dataset: fastnet.Dataset) -> bytes:
    return model.predict_proba(dataset.x).tobytes()


def test_a_training_raises(tiny_dataset):
    with pytest.raises(KeyboardInterrupt):
        fastnet.train(tiny_dataset, CONFIG, on_epoch=ctrl_c(lambda epoch: epoch.epoch == 3))


def test_a_training_returns_its_best_epoch_if_asked_to(tiny_dataset):
    stop = ctrl_c(lambda epoch: epoch.epoch == 3)
    cut = fastnet.train(tiny_dataset, CONFIG, on_epoch=stop, interrupt="return")
    short = fastnet.train(tiny_dataset, TrainConfig(hidden=(8,), epochs=3, learning_rate=0.1))
    assert cut.interrupted and not short.interrupted and cut.epochs_done == 3
    assert probabilities(cut.model, tiny_dataset) == probabilities(short.model, tiny_dataset)
    assert (cut.best_epoch, cut.test) == (short.best_epoch, short.test)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_training_interrupted_while_it_keeps_an_epoch_keeps_it_whole(tiny_dataset, monkeypatch, moment):
    take, fired = loop.Fit._take, []

    def interrupted(self: loop.Fit, which: np.ndarray, epoch: int) -> None:
        self._taking = which, epoch  # as it says first of all
        now = epoch == 2 and not fired
        if now:
            fired.append(True)
        if now and moment == "before":
            signal.raise_signal(signal.SIGINT)
        take(self, which, epoch)
        if now:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(loop.Fit, "_take", interrupted)
    cut = fastnet.train(tiny_dataset, CONFIG, interrupt="return")
    monkeypatch.undo()
    short = fastnet.train(tiny_dataset, TrainConfig(hidden=(8,), epochs=2, learning_rate=0.1))
    assert (cut.epochs_done, cut.best_epoch) == (2, short.best_epoch)
    assert probabilities(cut.model, tiny_dataset) == probabilities(short.model, tiny_dataset)


@pytest.mark.parametrize("interrupt", ["raise", "return"])
def test_a_training_without_an_epoch_has_nothing_to_return(tiny_dataset, monkeypatch, interrupt):
    monkeypatch.setattr(single.Training, "_train", lambda self, epochs: time.sleep(0.2))
    asked = []

    def should_stop() -> bool:
        asked.append(True)
        if len(asked) > 1:
            signal.raise_signal(signal.SIGINT)
        return False

    with pytest.raises(KeyboardInterrupt):
        fastnet.train(tiny_dataset, CONFIG, should_stop=should_stop, interrupt=interrupt)


def test_should_stop_is_no_interrupt(tiny_dataset):
    seen = []
    result = fastnet.train(tiny_dataset, CONFIG, on_epoch=seen.append, should_stop=lambda: len(seen) >= 2)
    assert result.interrupted and result.epochs_done == 2
    stopped = fastnet.train(tiny_dataset, TrainConfig(hidden=(8,), epochs=60, learning_rate=1e-5, early_stopping=2))
    assert stopped.epochs_done < 60 and not stopped.interrupted, "an early stop is the whole training"


def test_an_ensemble_raises_or_returns_the_epochs_that_all_have_done(tiny_dataset):
    stop = ctrl_c(lambda epoch: epoch.epoch == 3)
    with pytest.raises(KeyboardInterrupt):
        fastnet.train_ensemble(tiny_dataset, CONFIG, networks=3, on_epoch=stop)
    cut = fastnet.train_ensemble(tiny_dataset, CONFIG, networks=3, on_epoch=stop, interrupt="return")
    short = fastnet.train_ensemble(tiny_dataset, TrainConfig(hidden=(8,), epochs=3, learning_rate=0.1), networks=3)
    assert cut.interrupted and not short.interrupted and cut.epochs_done == 3
    assert probabilities(cut.ensemble, tiny_dataset) == probabilities(short.ensemble, tiny_dataset)


def test_an_ensemble_interrupted_while_it_keeps_an_epoch_keeps_it_whole(tiny_dataset, monkeypatch):
    parameters, fired = PackRun.parameters, []

    def interrupted(self: PackRun, t: int) -> np.ndarray:
        if t == 1 and not fired:
            fired.append(True)
            signal.raise_signal(signal.SIGINT)
        return parameters(self, t)

    monkeypatch.setattr(PackRun, "parameters", interrupted)
    cut = fastnet.train_ensemble(tiny_dataset, CONFIG, networks=3, interrupt="return")
    monkeypatch.undo()
    short = fastnet.train_ensemble(tiny_dataset, TrainConfig(hidden=(8,), epochs=1, learning_rate=0.1), networks=3)
    assert cut.epochs_done == 1 and len(cut.ensemble.members) == 3
    assert probabilities(cut.ensemble, tiny_dataset) == probabilities(short.ensemble, tiny_dataset)


@pytest.mark.parametrize("value", ["stop", None, True, 1])
def test_anything_else_is_refused(tiny_dataset, tmp_path, value):
    match = "^interrupt=.*: must be one of raise, return$"
    with pytest.raises(ConfigError, match=match):
        fastnet.train(tiny_dataset, CONFIG, interrupt=value)
    with pytest.raises(ConfigError, match=match):
        fastnet.train_ensemble(tiny_dataset, CONFIG, interrupt=value)
    with pytest.raises(ConfigError, match=match):
        fastnet.search(None, tiny_dataset, study=tmp_path / "s", interrupt=value, **SEARCH)
    assert not (tmp_path / "s").exists()


def test_an_interrupt_while_a_thread_starts_leaves_none_behind(tiny_dataset, monkeypatch):
    """Python would wait at its end for a thread that its executor does not know."""
    start, begun = threading.Thread.start, []

    def interrupted(self: threading.Thread) -> None:
        start(self)
        begun.append(self)
        if len(begun) == 1:
            signal.raise_signal(signal.SIGINT)

    background._make_executors()  # without threads
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fastnet.train(tiny_dataset, TrainConfig(hidden=(8,), epochs=100_000))
    begun[0].join(20)
    assert not begun[0].is_alive()
    assert fastnet.train(tiny_dataset, CONFIG).epochs_done == 6
    begun.clear()
    background._make_executors()
    with pytest.raises(KeyboardInterrupt):
        fastnet.train_ensemble(tiny_dataset, TrainConfig(hidden=(8,), epochs=100_000), networks=2, jobs=2)
    for thread in begun[:1]:
        thread.join(20)
        assert not thread.is_alive()
