"""The trials that a sampler learns from, as a sequence that stays in the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from studies import SPACE, make_study

from fastnet.tuning import Study
from fastnet.tuning.run import history as module
from fastnet.tuning.run.history import History
from fastnet.tuning.run.ranked import Ranked
from fastnet.tuning.run.tpe import Tpe
from fastnet.tuning.space.space import Space


def test_it_is_the_sequence_of_the_trials_below_its_end(tmp_path: Path) -> None:
    with Study.read(make_study(tmp_path / "s", 30)) as study:
        history, plain = History(study, 20, []), tuple(range(20))
        assert len(history) == 20 and [trial.id for trial in history] == list(plain)
        assert history[3].id == 3 and history[-1].id == 19
        for key in (slice(None), slice(5, 9), slice(-3, None), slice(9, 5), slice(None, None, 3), slice(12, 2, -4)):
            assert tuple(trial.id for trial in history[key]) == plain[key]
        with pytest.raises(IndexError):
            history[20]


def test_a_ranking_grows_with_the_run_and_is_that_of_the_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ", 8)
    space, rankings, ids = Space.parse(SPACE), [], np.arange(60, 64)
    sampler = Tpe(0, "accuracy", 20)
    with Study.read(make_study(tmp_path / "s", 60)) as study:
        trials = tuple(study.iter_trials())
        for end in (20, 40, 60):
            history = History(study, end, rankings)
            assert sampler.draw(space, ids, history) == sampler.draw(space, ids, trials[:end])
            assert len(rankings) == 1 and rankings[0].read == end
        known = rankings[0]
        assert History(study, 60, rankings).ranked(space, "accuracy") is known
        narrower = Space.parse({**SPACE, "learning_rate": "log:1e-3:1"})
        for other, end in ((narrower, 60), (narrower, 40)):  # another stage; and trials of a run before
            made = History(study, end, rankings).ranked(other, "accuracy")
            assert isinstance(made, Ranked) and made is not known and made.read == end
            known = made
