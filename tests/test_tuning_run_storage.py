from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from runs import FakeEngine
from searches import CONFIG, FakeRun, content

from fastnet.data import as_dataset
from fastnet.errors import StudyError
from fastnet.tuning import Study, run_study
from fastnet.tuning.run import session


def test_a_full_disk_ends_the_search_with_the_pack_stopped(run, monkeypatch):
    monkeypatch.setattr(session, "STORE_SECONDS", 0.0)
    runs, calls = [], []
    append = Study.append

    def full(self, trials, **times):
        calls.append(len(trials))
        if len(calls) == 3:
            self._connection.execute("PRAGMA max_page_count = 1")
        append(self, trials, **times)

    def factory(ids, params):
        runs.append(FakeRun(ids, params))
        return runs[-1]

    big = replace(CONFIG, trials=400)
    with pytest.raises(StudyError, match=r"study.sqlite: the disk is full; make room and run the same command again"):
        monkeypatch.setattr(Study, "append", full)
        run(big, engine=FakeEngine(factory))
    assert runs[0].calls == ["start", "stop"]
    monkeypatch.setattr(Study, "append", append)
    resumed = run(big)
    assert resumed.new_trials < 400
    assert content(resumed) == content(run(big, folder="whole"))


KILLED = """
import sys, time
import numpy as np
from pathlib import Path
from fastnet.data import as_dataset
from fastnet.tuning import run_study
from fastnet.tuning.run import session
sys.path.insert(0, sys.argv[2])
from runs import FakeEngine
from searches import CONFIG, FakeRun
session.STORE_SECONDS = 0.0
x = (np.arange(90 * 4).reshape(90, 4) % 7).astype(np.float32)
data = as_dataset(x, np.arange(90) % 3)
def report(progress):
    print(progress.done, flush=True)
    time.sleep(0.01)
run_study(data, CONFIG, folder=Path(sys.argv[1]), engine=FakeEngine(FakeRun), on_progress=report)
"""


def test_a_search_killed_at_any_moment_resumes_to_the_same_study(tmp_path):
    x = (np.arange(90 * 4).reshape(90, 4) % 7).astype(np.float32)
    data = as_dataset(x, np.arange(90) % 3)
    expected = content(run_study(data, CONFIG, folder=tmp_path / "whole", engine=FakeEngine(FakeRun)))
    for at_least in (4, 12):
        command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "s"), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if int(line) >= at_least:
                    child.kill()
        assert child.returncode not in (0, 1)  # 1 of a program that is wrong
    part = run_study(data, CONFIG, folder=tmp_path / "s", engine=FakeEngine(FakeRun))
    assert content(part) == expected
