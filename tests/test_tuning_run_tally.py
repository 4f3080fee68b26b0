from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from runs import FakeEngine
from searches import CONFIG, HALVING, Ranked

from fastnet.tuning import Progress


def test_progress_counts_up_to_the_total(run):
    run(replace(CONFIG, trials=10))
    seen: list[Progress] = []
    result = run(on_progress=seen.append)
    done = [progress.done for progress in seen]
    assert (done[0], done[-1]) == (10, 23)
    assert done == sorted(done)
    assert {progress.total for progress in seen} == {23}
    assert [progress.done for progress in seen if progress.compiling] == [10], "before the first trial of this run"
    assert seen[0].best is not None
    assert seen[-1].best == result.best(1)[0].value
    assert seen[0].eta_seconds is None
    assert seen[-1].eta_seconds == 0.0
    assert all(a.elapsed_seconds <= b.elapsed_seconds for a, b in pairwise(seen))


@pytest.mark.parametrize("config", [CONFIG, HALVING], ids=["plain", "halving"])
def test_progress_hands_over_each_trial_that_ended_once(run, config):
    seen: list[Progress] = []
    result = run(config, engine=FakeEngine(Ranked), on_progress=seen.append)
    ended = [trial for progress in seen for trial in progress.ended]
    assert sorted(trial.id for trial in ended) == [trial.id for trial in result.trials]
    assert {trial.id: trial.value for trial in ended} == {trial.id: trial.value for trial in result.trials}
