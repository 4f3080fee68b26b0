"""Completion in shells: what the script makes a real bash offer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli

from fastnet.config.training import OPTIMIZERS

BASH = shutil.which("bash")


def script(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli, ["completion", *arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.skipif(BASH is None or os.name == "nt", reason="there is no bash on this machine")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("fastnet se", ["search"]),
        ("fastnet search --opt", ["--optimizer"]),
        ("fastnet search --optimizer ad", [name for name in OPTIMIZERS if name.startswith("ad")]),
        ("fastnet search --data m", ["mnist5k", "mnist"]),
        ("fastnet train --data fash", ["fashion-mnist"]),
        ("fastnet train --data pic", ["FILES"]),
        ("fastnet search --time", ["--time", "--timeout"]),
        ("fastnet search --pruning h", ["halving"]),
        ("fastnet evaluate mod", ["FILES"]),
        ("fastnet completion z", ["zsh"]),
    ],
)
def test_bash_offers(typed: str, offered: list[str], tmp_path: Path) -> None:
    program = tmp_path / "fastnet"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from fastnet_cli.main import main; main()" "$@"\n')
    program.chmod(0o755)
    (tmp_path / "completion.bash").write_text(script("bash"))
    words = " ".join(f"'{word}'" for word in typed.split())
    ask = f"""
        compopt() {{ COMPREPLY+=(FILES); }}
        source completion.bash
        complete -p fastnet >/dev/null || exit 3
        COMP_WORDS=({words}); COMP_CWORD=$(({len(typed.split())} - 1))
        _fastnet_completion fastnet
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [str(BASH), "--norc", "--noprofile", "-c", ask],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert done.stdout.split() == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_a_script(shell: str) -> None:
    assert "_FASTNET_COMPLETE" in script(shell)


def test_shell_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert script() == script("fish")
    monkeypatch.setenv("SHELL", "/bin/sh")
    assert "Unknown shell: name one of bash, zsh, fish." in script(code=2)
    monkeypatch.delenv("SHELL")
    assert "Unknown shell" in script(code=2)


def test_unknown_shell() -> None:
    assert "'tcsh' is not one of" in script("tcsh", code=2)
