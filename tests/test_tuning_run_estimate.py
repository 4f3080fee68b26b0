from __future__ import annotations

from dataclasses import replace

import pytest
from runs import FakeEngine
from searches import CONFIG, EPOCHS, HALVING, Ranked
from tasks import CONFIG as FOLDED
from tasks import packs_of

from fastnet.tuning.run import estimate
from fastnet.tuning.run.engine import LocalThreads
from fastnet.tuning.run.task import Tasks, data_name


@pytest.mark.parametrize("trials", [1, 8, 15, 23])
@pytest.mark.parametrize("folds", [None, 3])
def test_the_epochs_of_a_search_are_those_that_it_trains(run, trials, folds):
    trained = []

    class Counted(Ranked):
        def finish(self, p):
            super().finish(p)
            trained.append(self.spans[-1][1] - (self.spans[-2][1] if len(self.spans) > 1 else 0))

    config = replace(HALVING, trials=trials, folds=folds)
    run(config, engine=FakeEngine(lambda ids, params: Counted(ids, params, folds=folds or 1)))
    assert estimate.epochs_to_train(config, trials) == sum(trained)
    assert estimate.epochs_to_train(replace(CONFIG, folds=folds), trials) == trials * EPOCHS * (folds or 1)


def test_the_speed_is_measured_on_the_first_trials(tiny_dataset, splits):
    engine = LocalThreads(tiny_dataset, splits, FOLDED)
    engine.load()
    tasks = Tasks(FOLDED, data_name(tiny_dataset, splits), threads=2)
    speed = estimate.measure(engine, tasks, seconds=0.01)
    assert speed.finished >= 2 and speed.epochs_per_second > 0 and 0.0 < speed.seconds < estimate.LONGEST_MEASURE
    stopped = estimate.measure(engine, tasks, seconds=60.0, should_stop=lambda: True)
    assert stopped.seconds < 10.0


def test_the_first_trials_are_those_of_the_search(tiny_dataset, splits):
    tasks = Tasks(FOLDED, data_name(tiny_dataset, splits), threads=2)
    first, second = packs_of(tiny_dataset, splits, (8, 4))
    for expected, begin, n in ((first, 0, 8), (second, 8, 4)):
        made = estimate.first_trials(tasks, n, begin)
        assert made.ids.tolist() == expected.ids.tolist() and made.configs == expected.configs


def test_the_first_wave_counts_the_memory_of_trials_that_wait(tiny_dataset, splits):
    engine = LocalThreads(tiny_dataset, splits, FOLDED)
    engine.load()
    name = data_name(tiny_dataset, splits)
    wave = estimate.first_wave(engine, Tasks(FOLDED, name, threads=2))
    assert (wave.packs, wave.trials, wave.threads) == (1, 12, 2) and wave.kept > 0 and wave.workspaces > 0
    plain = estimate.first_wave(engine, Tasks(replace(FOLDED, pruning="none"), name, threads=2))
    assert plain.kept == 0 and plain.trials == 12
