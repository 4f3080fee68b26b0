"""The same bits on every kind of processor: other vector widths and instruction sets, each in a process of its own.

The first of these processes has no cache of compiled kernels and shows, too, that each is compiled once.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import ACTIVATIONS, COURSES, NETWORKS, blobs
from layers import signatures
from runs import DONE, course_config, course_samples, prepared, run_pack
from tables import table_of

from fastnet.config.training import TrainConfig
from fastnet.kernels import _store, activation, host, layout, panels, update
from fastnet.network.samples import TrainingData
from fastnet.training.loop import Fit
from fastnet.training.pack import warm_up
from fastnet.training.single import Training

OTHERS = [lanes for lanes in (4, 8, 16) if lanes != host.LANES]
FEATURES = "avx avx2 fma bmi bmi2 sse sse2 sse3 ssse3 sse4.1 sse4.2 popcnt lzcnt movbe f16c cmov cx16 fsgsbase"
HASWELL = {
    "FASTNET_LANES": "",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": ",".join(f"+{feature}" for feature in FEATURES.split()),
}
MACHINES: dict[str, dict[str, str]] = {f"{lanes} lanes": {"FASTNET_LANES": str(lanes)} for lanes in OTHERS}
FIRST = f"{OTHERS[0]} lanes"
if platform.machine().lower() in ("x86_64", "amd64"):
    MACHINES["haswell"] = HASWELL
    MACHINES.pop("8 lanes", None)  # Haswell has eight


def digest() -> str:
    """Train with encoded columns, lists of zeros and neither, by every rule, schedule, activation and objective."""
    found = hashlib.sha256()
    moving = {"schedule": "cosine", "warmup_epochs": 1.5, "label_smoothing": 0.1}
    for filled, optimizer, dropout, more in (
        (None, "adamw", 0.1, moving),
        *((0.3, "sgd", 0.25, {}), (1.0, "adam", 0.0, {}), (0.3, "sgd", 0.0, moving), (1.0, "nesterov", 0.1, moving)),
        *((0.3, "adagrad", 0.0, {"schedule": "step", "step_epochs": 1}), (0.3, "rmsprop", 0.0, moving)),
        *((0.3, "sgd", 0.25, {"activation": name}) for name in ACTIVATIONS),
    ):
        made = table_of(64) if filled is None else blobs(NETWORKS["three hidden layers"], 64, filled=filled)
        data = prepared(made)
        config = TrainConfig(
            hidden=(33, 33), optimizer=optimizer, learning_rate=0.02, weight_decay=1e-3, dropout=dropout, batch_size=7,
            epochs=4, **more,
        )  # fmt: skip
        found.update(trained(data, config))
    for course in COURSES:
        if course.weighted:
            found.update(trained(course_samples(course), course_config(course, epochs=4)))
    return found.hexdigest()


def trained(data: TrainingData, config: TrainConfig) -> bytes:
    """Train a network; return its curves and parameters."""
    training = Training(config, data, 1)
    training.start()
    training.join()
    parts = layout.unpack_parameters(training.assembly.layout.table, training.work.params[0])
    curves = training.curves.astype(np.float32).tobytes()
    return curves + b"".join(array.tobytes() for arrays in parts for array in arrays)


def report() -> str:
    """Answer for a machine; without a cache also how often the kernels were compiled, and which in float64."""
    answer: dict[str, Any] = {"lanes": host.LANES, "digest": digest()}
    if _store.cache_folder() is None:
        sparse, dense = (prepared(blobs(NETWORKS["three hidden layers"], 64, filled=filled)) for filled in (0.3, 1.0))
        warm_up(TrainConfig(hidden=(33, 33), optimizer="adam"), sparse)
        for data in (sparse, dense):  # large enough to be divided over threads
            Training(TrainConfig(hidden=(320, 320), batch_size=64), data, 2)
        answer["warm"] = signatures()
        for data, hidden, batch_size in ((sparse, (350, 300), 64), (dense, (), 9), (dense, (16, 16, 1), 9)):
            config = TrainConfig(
                hidden=hidden, optimizer="momentum", batch_size=batch_size, dropout=0.5, init="xavier", epochs=2
            )  # fmt: skip
            assert (run_pack(data, config, [0, 1], jobs=2).status == DONE).all()
            for threads, stream in ((1, 0), (2, 5)):
                Fit(Training(config, data, threads, stream), config).train()
        answer["end"] = signatures()
        micro = [*panels._COMPILED.values(), *update._COMPILED.values(), *activation._COMPILED.values()]
        answer["micro"] = len(micro)
        answer["in float64"] = [compiled.__name__ for compiled in micro if "double" in compiled.inspect_llvm()]
    return json.dumps(answer)


SCRIPT = "import sys; sys.path.append(sys.argv[1]); import test_kernels_host as t; sys.stdout.write(t.report())"


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict[str, dict[str, Any]]:
    """What each machine reports; all at once, for they spend their time compiling."""
    here, cache = str(Path(__file__).resolve().parent), os.environ["FASTNET_CACHE"]
    home = tmp_path_factory.mktemp("home")
    running = {}
    for name, settings in MACHINES.items():
        own = "0" if name == FIRST or cache == "0" else str(Path(cache, name.replace(" ", "-")))
        environment = os.environ | {"XDG_CACHE_HOME": str(home)} | settings | {"FASTNET_CACHE": own}
        running[name] = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", SCRIPT, here], env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    found = {}
    for name, process in running.items():
        out, errors = process.communicate(timeout=800)
        assert process.returncode == 0, errors
        found[name] = json.loads(out)
    assert not list(home.iterdir()), "something was cached although caching is off"
    return found


@pytest.mark.parametrize("machine", MACHINES)
def test_results_do_not_depend_on_the_processor(answers, machine):
    assert answers[machine]["lanes"] == int(MACHINES[machine]["FASTNET_LANES"] or 8)
    assert answers[machine]["digest"] == digest()


def test_every_kernel_is_compiled_once_whatever_the_network(answers):
    warm, end = answers[FIRST]["warm"], answers[FIRST]["end"]
    assert {name: kinds for name, kinds in end.items() if kinds != warm[name]} == {}, "compiled after the warm-up"
    assert {name: kinds for name, kinds in end.items() if len(kinds) > 1} == {}, "compiled more than once"
    compiled = {name for name, kinds in end.items() if kinds}
    assert {"pack.train_pack", "affine.affine_forward", "affine.affine_forward_parallel", "rng.shuffle"} <= compiled


def test_no_microkernel_computes_in_float64(answers):
    assert answers[FIRST]["micro"] > 6 and answers[FIRST]["in float64"] == []


def test_widths_of_tiles_fit_the_registers():
    assert host.LANES in (4, 8, 16) and host.LANE_BYTES == 4 * host.LANES
    assert (32 if host.LANES == 16 else 16) > host.TILE_ROWS * host.TILE_VECTORS or host.LANES == 4
    assert host.GROUP * host.MASK_BYTES == host.LANES or host.LANES == 4
    assert max(host.LIST_VECTORS, host.PAIR_VECTORS, host.TILE_VECTORS) == host.PANEL_VECTORS


@pytest.mark.parametrize(("value", "multiple"), [(0, 6), (1, 6), (6, 6), (7, 6), (100, 16), (2**40 + 1, 4096)])
def test_round_up_returns_the_smallest_sufficient_multiple(value, multiple):
    found = host.round_up(value, multiple)
    assert found % multiple == 0 and value <= found < value + multiple


def test_features_are_those_that_numba_compiles_for(monkeypatch):
    monkeypatch.setattr(host.config, "CPU_FEATURES", "+avx2,-avx512f,+fma")
    assert host.vector_features() == ["avx2", "fma"] and "avx2,fma" in host.target()
    monkeypatch.setattr(host.config, "CPU_FEATURES", None)
    monkeypatch.setattr(host.config, "CPU_NAME", "generic")
    assert host.vector_features() == [] and host.target().startswith("generic")
