"""The Python of the README runs as it stands there, with smaller numbers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import fastnet

README = Path(__file__).resolve().parents[1] / "README.md"
SMALLER = {"trials=100": "trials=3, epochs=2, hidden='8', final=1, repeats=1", "epochs=100": "epochs=2"}


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [code] = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    for usual, smaller in SMALLER.items():
        assert usual in code
        code = code.replace(usual, smaller)
    known: dict[str, object] = {}
    exec(compile(code, str(README), "exec"), known)
    labels = known["labels"]
    assert isinstance(labels, np.ndarray) and labels.shape == (1000,) and set(labels.tolist()) <= set(range(10))
    assert fastnet.Model.load("digits.safetensors").settings["epochs"] == 2
