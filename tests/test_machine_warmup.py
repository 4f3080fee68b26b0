"""Compiling ahead: everything is kept and nothing is missing, or it is refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fastnet
from fastnet.errors import ConfigError, FastnetError
from fastnet.kernels import _store
from fastnet.machine import warmup
from fastnet.network.samples import TrainingData


def test_what_was_added_to_the_cache_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_dataset: fastnet.Dataset
) -> None:
    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path / "cache"))
    folder = _store.cache_folder()
    assert folder is not None

    def compile_some(*files: str) -> None:
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            _store._write(folder / file, b"code")

    class Trained:
        def __init__(self, config: fastnet.TrainConfig, data: TrainingData, threads: int) -> None:
            compile_some("micro-update/a.nbc", "micro-parallel/b.nbc")

        def model(self) -> Trained:
            return self

        def answers(self, x: np.ndarray) -> None:
            compile_some("entry/c.nbc")

    compile_some("micro-stage/old.nbc")
    monkeypatch.setattr(
        warmup.packs, "warm_up", lambda config, data: compile_some("micro-0-2/d.nbc", "micro-0-3/e.nbc")
    )
    monkeypatch.setattr(warmup, "Training", Trained)
    first = warmup.compile_ahead(tiny_dataset, fastnet.TrainConfig(hidden=(4,)))
    assert first.compiled == {
        "matrix products": 2,
        "activations": 0,
        "update rules": 1,
        "stages of training": 1,
        "other functions": 1,
    }
    assert len(first.cache.functions) == 6 and first.seconds >= 0
    again = warmup.compile_ahead(tiny_dataset, fastnet.TrainConfig(hidden=(4,)))
    assert again.compiled == dict.fromkeys(warmup.KINDS, 0) and again.cache == first.cache


def test_files_are_counted_by_kind() -> None:
    files = [
        "micro-0-2/a.nbc", "micro-6-13/a.nbc", "micro-activation-tanh/b.nbc", "micro-activation/c.nbc",
        "micro-update/d.nbc", "micro-stage/e.nbc", "micro-parallel/f.nbc", "serial/g.nbc", "entry/h.nbc",
        "micro-objective-cross-entropy/i.nbc",
    ]  # fmt: skip
    assert warmup._count(files) == {
        "matrix products": 3,
        "activations": 2,
        "update rules": 1,
        "stages of training": 2,
        "other functions": 2,
    }


def test_nothing_is_compiled_that_could_not_be_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_dataset: fastnet.Dataset
) -> None:
    monkeypatch.setattr(warmup, "Training", None)
    (tmp_path / "file").write_text("")
    for chosen, says in (("0", "FASTNET_CACHE=0 switches"), (str(tmp_path / "file"), "cannot be written")):
        monkeypatch.setenv("FASTNET_CACHE", chosen)
        with pytest.raises(FastnetError, match=f"compiled code would not be kept: .*{says}"):
            warmup.compile_ahead(tiny_dataset, fastnet.TrainConfig(hidden=(4,)))
    with pytest.raises(ConfigError, match="jobs"):
        warmup.compile_ahead(tiny_dataset, fastnet.TrainConfig(hidden=(4,)), jobs=0)
