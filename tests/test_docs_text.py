"""The commands and the Python of the page on sparse data run as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli
from scipy import sparse
from sklearn.datasets import dump_svmlight_file

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "text.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^fastnet .*", "\n".join(re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)), re.MULTILINE)
SMALLER = {"--timeout 60s": "--trials 2 --pruning none --epochs 1 --hidden 4 --ensemble-top 1 --space dropout=choice:0"}


def test_the_python_and_the_commands_run_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {}
    codes = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(codes) == 2
    for code in codes:
        exec(compile(code, "text.md", "exec"), known)
    assert np.array_equal(sparse.load_npz("text.npz").toarray(), known["x"].toarray())
    assert known["model"].predict(known["vectorizer"].transform(["cheap watches"])).tolist() == ["spam"]
    Path("new.npz").write_bytes(Path("text.npz").read_bytes())
    for name, rows in (("mail", slice(0, 60)), ("mail-test", slice(60, 80))):
        dump_svmlight_file(known["x"][rows], np.arange(80)[rows] % 2, f"{name}.svm", zero_based=False)
    assert len(COMMANDS) == len(re.findall(r"^fastnet ", PAGE, re.MULTILINE)) == 5
    for command in COMMANDS:
        for usual, smaller in SMALLER.items():
            command = command.replace(usual, smaller)
        result = CliRunner().invoke(cli, shlex.split(command)[1:])
        assert result.exit_code == 0, (command, result.output)
    assert Path("answers.csv").read_text().startswith("sample,label,p(ham),p(spam)\n")
