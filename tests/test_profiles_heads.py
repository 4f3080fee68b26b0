"""`profiles/heads.py`: every setting trains on a small table of numbers, and is compared with one head."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

PROFILES = Path(__file__).resolve().parents[1] / "profiles"


def test_every_setting_is_compared_with_one_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(PROFILES), *sys.path])
    heads: Any = import_module("heads")
    short = {name: settings | {"epochs": 1 + settings["epochs"] // 36} for name, settings in heads.SETTINGS.items()}
    monkeypatch.setattr(heads, "SETTINGS", short)
    heads.main([str(tmp_path), "--only", "diabetes", "--seeds", "2", "--json", str(tmp_path / "found.json")])
    figures = json.loads((tmp_path / "found.json").read_text())["figures"]
    measured = {figure["name"]: figure for figure in figures if figure["section"] == "diabetes"}
    summary = {figure["name"]: figure for figure in figures if figure["section"] == "summary"}
    assert set(measured) == set(summary) == set(short)
    assert len({figure["value"] for figure in measured.values()}) == len(short), "a setting that changes nothing"
    assert all(20 < figure["averaged"] <= figure["value"] < 300 for figure in measured.values())
    first = measured[heads.FEWEST]
    for name, figure in measured.items():
        assert summary[name]["aside"] == pytest.approx(figure["value"] / first["value"], rel=1e-5)
