"""The description of the machine and the installation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import fastnet
from fastnet.kernels import host
from fastnet.limits import Limits
from fastnet.machine import doctor


def test_the_description_is_json_and_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path / "cache"))
    found = doctor.describe()
    assert json.loads(json.dumps(found)) == found
    assert found["fastnet"] == fastnet.__version__ and found["tile"] == [host.TILE_ROWS, host.TILE_VECTORS]
    assert found["lanes"] == host.LANES and set(found["features"]) <= set(host._VECTOR_FEATURES)
    assert 1 <= found["threads"] <= found["cores"] and found["no_cache"] is None
    assert found["cache"]["functions"] == found["cache"]["damaged"] == 0 and found["cache"]["problem"] is None
    assert Path(found["data"]["mnist5k"]).is_file() and set(found["data"]) == set(fastnet.data.NAMES)


def test_limits_of_a_container_are_shown_and_hold_the_threads_back(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(affinity=8, quota=1.5, physical=2**34, allowed=2**31)
    monkeypatch.setattr(doctor, "limits_of_process", lambda: limits)
    monkeypatch.setattr(doctor, "layer_problem", lambda: "")
    found = doctor.describe()
    assert (found["cpu_quota"], found["memory"], found["layer_problem"]) == (1.5, 2**31, None)
    assert found["threads"] <= 2


def test_without_a_cache_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTNET_CACHE", "0")
    found = doctor.describe()
    assert found["cache"] is None and found["no_cache"].startswith("FASTNET_CACHE=0 switches")


def test_sets_are_looked_for_in_the_folder_of_the_user(tmp_path: Path, idx_folder: Callable[..., Path]) -> None:
    folder = idx_folder("data/mnist")
    found = doctor.describe(tmp_path / "data")["data"]
    assert found["mnist"] == str(folder) and found["fashion-mnist"] is None
    assert doctor.describe(tmp_path / "nowhere")["data"]["mnist"] is None, "that is no reason to fail"
