"""The Python of the page on scikit-learn runs as it stands there, and its figures are measured ones."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "scikit-learn.md").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {}
    codes = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for code in codes:
        exec(compile(code, "scikit-learn.md", "exec"), known)
    assert len(codes) == 3 and known["search"].best_score_ > 0.95 and len(known["search"].cv_results_["params"]) == 20
    x, network, again = known["x"], known["network"], known["again"]
    assert again.predict_proba(x).tobytes() == network.predict_proba(x).tobytes()


def test_the_figures_are_those_of_the_profile() -> None:
    result = json.loads((ROOT / "profiles" / "results" / "estimators.json").read_text(encoding="utf-8"))
    found = {figure["name"]: figure for figure in result["figures"]}
    shown = re.search(r"([\d.]+) configurations a second, ([\d.]+) times as many as", PAGE)
    assert shown is not None
    assert float(shown[1]) == pytest.approx(found["FastNetSearchCV"]["value"], abs=0.05)
    assert float(shown[2]) == found["FastNetSearchCV"]["ratio"]
