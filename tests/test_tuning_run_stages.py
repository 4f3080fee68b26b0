from __future__ import annotations

from dataclasses import replace

import numpy as np
from runs import FakeEngine
from searches import CONFIG, Ranked, StopAfter, content

from fastnet.tuning import Study


def test_stages_share_the_trials_and_narrow_the_ranges(run, tmp_path):
    config = replace(CONFIG, trials=301, stages=3, space={"learning_rate": "log:1e-6:1e-2"})

    class Peak(Ranked):
        """Better the closer the learning rate is to 1e-3."""

        def finish(self, p):
            number = abs(np.log10(self.params[p]["learning_rate"]) + 3)
            self.curves[p] = 1 - number / 10
            self.status[p], self.seconds[p] = 1, 0.25

    result = run(config, engine=FakeEngine(Peak))
    assert [sum(trial.stage == k for trial in result.trials) for k in (1, 2, 3)] == [101, 100, 100]
    with Study.read(tmp_path / "s") as study:
        stages = study.stages()
    assert [(stage["first"], stage["count"]) for stage in stages] == [(0, 101), (101, 100), (201, 100)]
    assert stages[0]["space"] == {"learning_rate": "log:1e-06:0.01"}
    for stage in stages:
        low, high = (float(end) for end in stage["space"]["learning_rate"].split(":")[1:])
        drawn = [t.params["learning_rate"] for t in result.trials if t.stage == stage["number"]]
        assert low <= min(drawn) and max(drawn) <= high and low <= 1e-3 <= high
        assert stage["report"]["trials"] == stage["count"]
    widths = [np.ptp(np.log10([float(x) for x in s["space"]["learning_rate"].split(":")[1:]])) for s in stages]
    assert widths[0] > 2 * widths[1] > 2 * widths[2]
    for stop in (0, 60, 101, 150, 260):
        folder = f"stopped at {stop}"
        first = run(config, folder=folder, engine=FakeEngine(Peak), **StopAfter(stop).options())
        assert first.interrupted
        assert content(run(config, folder=folder, engine=FakeEngine(Peak))) == content(result)
