"""`profiles/ideas.py`: every idea trains on a small table of classes and one of numbers, and is compared with none."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PROFILES = Path(__file__).resolve().parents[1] / "profiles"
torch = pytest.importorskip("torch", reason="needs PyTorch, of the extra bench")


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the folder `profiles`, which is not installed."""
    monkeypatch.setattr(sys, "path", [str(PROFILES), *sys.path])
    return import_module


def test_every_idea_is_compared_with_none(profile: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ideas, networks = profile("ideas"), profile("_ideas.networks")
    monkeypatch.setattr(networks, "EPOCHS", 2)
    arguments = [str(tmp_path), "--only", "breast_cancer", "--trials", "2", "--json", str(tmp_path / "found.json")]
    ideas.main(arguments)
    figures = json.loads((tmp_path / "found.json").read_text())["figures"]
    found = {figure["name"]: figure["value"] for figure in figures if figure["section"] == "breast_cancer, split 0"}
    assert set(found) == set(ideas.ideas()) and len(set(found.values())) == len(found), "an idea that changes nothing"
    assert all(0 < error < 0.7 for error in found.values()), found
    summary = {figure["name"]: figure for figure in figures if figure["section"] == "summary"}
    assert set(summary) == set(found) - {ideas.PLAIN}
    assert summary["Mish"]["value"] == pytest.approx(found["Mish"] / found[ideas.PLAIN])
    arguments[2:3] = ["breast_cancer", "diabetes"]
    ideas.main([*arguments, "--ideas", ideas.PLAIN, "Mish", "label smoothing"])
    figures = json.loads((tmp_path / "found.json").read_text())["figures"]
    numbers = [figure["name"] for figure in figures if figure["section"] == "diabetes, split 0"]
    assert numbers == [ideas.PLAIN, "Mish"], "labels alone can be smoothed"


def test_a_step_is_that_of_adamw(profile: Any) -> None:
    networks = profile("_ideas.networks")
    random = np.random.default_rng(0)
    x, y = random.normal(size=(40, 3)).astype(np.float32), random.integers(0, 2, 40)
    rows = torch.arange(40)
    none = torch.zeros((40, 0))
    inputs = networks.Inputs(torch.tensor(x), none, none, torch.tensor(y), rows[:30], rows[30:], rows[30:], 2)
    draws = networks.Draws(*(torch.full((1, 1, 1), value) for value in (0.01, 0.1, 0.0)))
    ours = networks.Networks(inputs, networks.Idea(), draws, 0)
    names = list(ours.parameters)
    theirs = [ours.parameters[name].detach().clone().requires_grad_() for name in names]
    decay = [
        {"params": [w], "weight_decay": 0.1 if "weight" in name else 0.0} for name, w in zip(names, theirs, strict=True)
    ]
    optimizer = torch.optim.AdamW(decay, lr=0.01, eps=1e-8)
    held = dict(zip(names, theirs, strict=True))
    for _ in range(3):
        optimizer.zero_grad()
        ours._loss(ours.outputs(rows[:30], weights=held), inputs.y[:30]).backward()
        optimizer.step()
        ours.step(rows[:30], 0.0)
    for name in names:
        torch.testing.assert_close(ours.parameters[name], held[name], rtol=2e-5, atol=2e-6)
