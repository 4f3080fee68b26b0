"""The same bits on every kind of processor: other vector widths and instruction sets, each in a process of its own."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from cases import NETWORKS, blobs
from runs import curves_of, prepared

from fastnet.config import TrainConfig
from fastnet.kernels import host, layout
from fastnet.trainer import Training

FEATURES = "avx avx2 fma bmi bmi2 sse sse2 sse3 ssse3 sse4.1 sse4.2 popcnt lzcnt movbe f16c cmov cx16 fsgsbase"
HASWELL = {
    "FASTNET_LANES": "",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": ",".join(f"+{feature}" for feature in FEATURES.split()),
}
MACHINES = {f"{lanes} lanes": {"FASTNET_LANES": str(lanes)} for lanes in (4, 8, 16) if lanes != host.LANES}
if platform.machine().lower() in ("x86_64", "amd64"):
    MACHINES["haswell"] = HASWELL


def answer() -> str:
    """Train with lists of zeros and without, by two rules; return the lanes and a digest of curves and parameters."""
    digest = hashlib.sha256()
    for filled, optimizer, dropout in ((0.3, "sgd", 0.25), (1.0, "adam", 0.0)):
        data = prepared(blobs(NETWORKS["three hidden layers"], 64, filled=filled))
        config = TrainConfig(
            hidden=(40, 40), optimizer=optimizer, learning_rate=0.02, weight_decay=1e-3, dropout=dropout, batch_size=7,
            epochs=4,
        )  # fmt: skip
        training = Training(config, data, 1)
        training.run()
        digest.update(curves_of(training.curves()).tobytes())
        for arrays in layout.unpack_parameters(training.assembly.layout.table, training.work.params[0]):
            digest.update(b"".join(array.tobytes() for array in arrays))
    return f"{host.LANES} {digest.hexdigest()}"


SCRIPT = "import sys; sys.path.append(sys.argv[1]); import test_kernels_lanes as t; sys.stdout.write(t.answer())"


@pytest.fixture(scope="module")
def answers() -> dict[str, str]:
    """What each machine answers; all at once, for they spend their time compiling."""
    here, cache = str(Path(__file__).resolve().parent), os.environ["FASTNET_CACHE"]
    running = {}
    for name, settings in MACHINES.items():
        # Numba names a compiled file by the number of those already there: processes that compile the same source for
        # different processors at the same time must not share a folder.
        own = settings | {"FASTNET_CACHE": cache if cache == "0" else str(Path(cache, name.replace(" ", "-")))}
        running[name] = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", SCRIPT, here], env=os.environ | own, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    found = {}
    for name, process in running.items():
        out, errors = process.communicate(timeout=280)
        assert process.returncode == 0, errors
        found[name] = out
    return found


@pytest.mark.parametrize("machine", MACHINES)
def test_results_do_not_depend_on_the_processor(answers, machine):
    lanes, digest = answers[machine].split()
    assert int(lanes) == (8 if machine == "haswell" else int(machine.split()[0]))
    assert digest == answer().split()[1]
