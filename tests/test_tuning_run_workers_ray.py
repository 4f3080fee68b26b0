from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray")

PROGRAM = """
import os, signal, sys, threading
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
local = searched(data, folder / "local")
assert searched(data, folder / "ray", "ray", jobs=1) == local
print("equal")

more = {"trials": 2000, "hidden": "16", "epochs": 9}
expected = searched(data, folder / "more", **more)
workers = workers_of("ray", 1)

start = workers.start
def begin():
    start()
    global pids
    import ray
    pids = [ray.get(actor.call.remote(os.getpid)) for actor in workers._busy]
    threading.Timer(2.0, lambda: os.kill(pids[0], signal.SIGKILL)).start()
workers.start = begin
assert searched(data, folder / "killed", workers, **more) == expected
try:
    os.kill(pids[0], 0)
    alive = True
except ProcessLookupError:
    alive = False
print("killed" if not alive else "alive")
"""


def test_actors_find_what_the_threads_of_one_process_find_also_if_one_is_killed(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(Path(__file__).parent), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == ["equal", "killed"]
