"""A full disk costs a sentence and no old file; `python tests/faulty.py` lets every write of every command fail."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("faulty.py")

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler"
)


@pytest.mark.slow
def test_every_write_of_a_prediction_meets_a_full_disk(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--commands", "predict", "--json", str(tmp_path / "found.json")],
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())["predict"]
    assert found["writes"] == found["refused"] >= 2
    assert list(found["sentences"]) == ["Error: out.csv: No space left on device; make room and try again"]
