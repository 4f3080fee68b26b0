"""The commands and the Python of the page on exports run as they stand there, and its figures are measured ones."""

from __future__ import annotations

import csv
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)[0].splitlines()


def write_customers(name: str, n: int) -> None:
    """Write a table with the columns of the page."""
    random = np.random.default_rng(n)
    with open(name, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["age", "plan", "joined", "churn"])
        for _ in range(n):
            age, day = random.integers(18, 90), f"2024-{random.integers(1, 13):02}-{random.integers(1, 29):02}"
            plan = random.choice(["basic", "full", ""])
            writer.writerow([age if random.random() < 0.9 else "", plan, day, "yes" if age > 50 else "no"])


def test_the_commands_and_the_python_run_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    write_customers("customers.csv", 300)
    write_customers("new.csv", 20)
    for command in COMMANDS:
        program, *arguments = shlex.split(command)
        if program == "python":
            done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
            assert done.stdout.startswith("sample,churn,p(no),p(yes)\n") and len(done.stdout.splitlines()) == 21
            continue
        result = CliRunner().invoke(cli, [*arguments, *(["--epochs", "3"] if arguments[0] == "train" else [])])
        assert result.exit_code == 0, (command, result.output)
    known: dict[str, Any] = {}
    codes = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(codes) == 4
    for code in codes:
        exec(compile(code, "export.md", "exec"), known)
    sys.modules.pop("predict")
    assert np.abs(known["probabilities"] - known["chances"]).max() <= 1e-5
    assert np.abs(known["model"].predict_proba(known["cells"]) - known["chances"]).max() <= 1e-5
    assert known["first_layer"].shape[0] == known["description"]["n_inputs"]
    assert Path("again/weights.npz").is_file() and Path("again.onnx").is_file()


def test_the_figures_are_those_of_the_profile() -> None:
    found = json.loads((ROOT / "profiles" / "results" / "export.json").read_text(encoding="utf-8"))["figures"]
    measured = {(each["section"], each["name"]): each["value"] for each in found}
    lines = re.findall(r"^\| (\S.*?) \| (1|10,000) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert 3 * len(lines) == len(measured) == 18
    for model, rows, *values in lines:
        section = f"{model}, {rows} row{'s' * (rows != '1')}"
        for name, value in zip(("fastnet", "ONNX Runtime", "NumPy program"), values, strict=True):
            digits = len(value.partition(".")[2])
            assert float(value) == pytest.approx(measured[section, name], abs=0.5001 * 10**-digits)


def test_every_tensor_and_every_key_of_a_file_is_described() -> None:
    from models import make_model
    from tables import table_of

    from fastnet.data.pipeline.pipeline import fit_pipeline
    from fastnet.data.pipeline.sparse import SparseScaler
    from fastnet.data.pipeline.targets import TargetScaler
    from fastnet.model.ensemble import Ensemble

    table = fit_pipeline(table_of(200), np.arange(200))
    scaler = TargetScaler(*(np.ones(1) for _ in range(4)))
    models = [
        make_model(n_outputs=2, temperature=2.0, threshold=0.5),
        make_model(n_inputs=table.n_inputs, pipeline=table),
        make_model(pipeline=SparseScaler(12, np.ones(12, np.float32))),
        make_model(n_outputs=1, objective="pinball", quantiles=(0.5,), target_scaler=scaler, shifts=(0.1,)),
        Ensemble(members=(make_model(),)),
    ]
    for model in models:
        description, tensors = model.to_parts()
        assert [name for name in description if f"`{name}`" not in PAGE] == []
        for name in tensors:
            bare = re.sub(r"^members\.\d+\.", "", name).removesuffix(".sizes")
            last = f"`.{bare.rpartition('.')[2]}`"
            assert f"`{re.sub(r'[0-9]+', '0', bare)}`" in PAGE or last in PAGE, name
