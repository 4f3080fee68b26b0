"""Compiling ahead: everything is kept and nothing is missing, or it is refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import programs
import pytest

import fastnet
from fastnet.errors import ConfigError, FastnetError
from fastnet.machine import warmup

PROGRAM = """
import json
import fastnet
from fastnet.machine import cache, warmup

data = fastnet.take_first(fastnet.load("digits"), 200)
config = fastnet.TrainConfig(hidden=(7,), optimizer="momentum", epochs=1)
first = warmup.compile_ahead(data, config, jobs=1)
again = warmup.compile_ahead(data, config, jobs=1)
fastnet.train(data, config, jobs=1).model.predict(data.x[:3])
print(json.dumps([first.compiled, again.compiled, len(first.cache.functions), len(cache.look().functions)]))
"""


def test_compile_ahead_compiles_all_that_a_training_needs(tmp_path: Path) -> None:
    [line], notes = programs.run(PROGRAM, FASTNET_CACHE=str(tmp_path / "cache"))
    first, again, then, now = json.loads(line)
    assert notes == [] and first.keys() == set(warmup.KINDS)
    assert first["update rules"] == 1 and first["activations"] == 0 and first["matrix products"] >= 3
    assert sum(first.values()) == then == now and not any(again.values())


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
        with pytest.raises(FastnetError, match=f"nothing that is compiled would be kept: .*{says}"):
            warmup.compile_ahead(tiny_dataset, fastnet.TrainConfig(hidden=(4,)))
    with pytest.raises(ConfigError, match="jobs"):
        warmup.compile_ahead(tiny_dataset, fastnet.TrainConfig(hidden=(4,)), jobs=0)
