"""Whole searches of a table whose columns the first layer encodes: threads, stops and continued studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet
from fastnet.network.coding import is_coded

N = 240
RNG = np.random.default_rng(3)
SIZE, COLOUR = RNG.gamma(2.0, 3.0, N), RNG.integers(0, 5, N)
TABLE: dict[str, Any] = {
    "size": [None if k % 17 == 3 else float(SIZE[k]) for k in range(N)],
    "colour": [("red", "green", "blue", "grey", "pink")[k] for k in COLOUR],
    "grade": [("low", "medium", "high")[k] for k in RNG.integers(0, 3, N)],
    "sold": np.where(SIZE + 2 * COLOUR + RNG.normal(0, 2, N) > 9, "yes", "no").tolist(),
    "price": (SIZE * 2 + COLOUR + RNG.normal(0, 0.5, N)).tolist(),
}
HOW = {"trials": 18, "pack_size": 9, "first_epochs": 2, "epochs": 8, "ensemble_top": 3, "seed": 5}


@pytest.mark.parametrize(("target", "other"), [("sold", "price"), ("price", "sold")])
def test_threads_and_stops_change_nothing(target: str, other: str, tmp_path: Path) -> None:
    data = fastnet.load(TABLE, target=target, drop=[other])
    whole = fastnet.search(None, data, study=tmp_path / "whole", jobs=1, **HOW)
    assert whole.ensemble is not None and all(is_coded(model.pipeline) for model in whole.ensemble.members)
    seen: list[int] = []

    def stop(progress: Any) -> None:
        seen.append(progress.done)
        if progress.done >= 9 and len(seen) > 3:
            raise KeyboardInterrupt

    parts = fastnet.search(None, data, study=tmp_path / "parts", jobs=2, on_progress=stop, interrupt="return", **HOW)
    assert parts.interrupted and parts.ensemble_report is None
    again = fastnet.search(None, data, study=tmp_path / "parts", jobs=2)
    assert [trial.value for trial in again.trials] == [trial.value for trial in whole.trials]
    for one, two in zip(again.trials, whole.trials, strict=True):
        np.testing.assert_array_equal(one.curves, two.curves)
    files = [(tmp_path / folder / "ensemble.safetensors").read_bytes() for folder in ("whole", "parts")]
    assert files[0] == files[1]
