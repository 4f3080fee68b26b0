from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray")

PROGRAM = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np
import fastnet
from fastnet.tuning.run.workers import workers_of
from unsteady import searched

words = np.random.Philox(key=12).random_raw(120 * 12).reshape(120, 12)
y = np.arange(120) % 3
x = (words % 96).astype(np.uint8)
for label in range(3):
    x[y == label, 4 * label : 4 * label + 4] += 150
data = fastnet.as_dataset(x, y)
folder = Path(sys.argv[2])
more = {"trials": 1000, "hidden": "16", "epochs": 9}
expected = searched(data, folder / "local", **more)
workers = workers_of("ray", 1)

killed = []

def kill(progress):
    if progress.done > 300 and not killed:
        import ray
        killed.append(ray.get(next(iter(workers._busy)).call.remote(os.getpid)))
        os.kill(killed[0], signal.SIGKILL)

assert searched(data, folder / "killed", workers, on_progress=kill, **more) == expected
print("killed" if killed else "alive")
"""


def test_actors_of_which_one_is_killed_find_what_the_threads_of_one_process_find(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(Path(__file__).parent), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "killed" in done.stdout.split()
