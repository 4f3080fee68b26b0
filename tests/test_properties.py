"""The suite draws the same examples each time; a campaign draws others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import EXAMPLES

TESTS = Path(__file__).resolve().parent


def drawn() -> list[str]:
    """Return the examples of a property."""
    found = []

    @given(st.integers(), st.floats(), st.text())
    def collect(whole, number, text):
        found.append(repr((whole, number, text)))

    collect()
    return found


@pytest.mark.skipif(EXAMPLES in os.environ, reason="a campaign draws other examples each time")
def test_a_property_has_the_same_examples_whatever_ran_before(tmp_path, monkeypatch):
    before = drawn()
    (tmp_path / "with_constants.py").write_text("X = 123456789123\nY = 'some text'\nZ = 12345.678\n")
    monkeypatch.syspath_prepend(tmp_path)
    __import__("with_constants")
    assert drawn() == before and len(before) >= 100
    assert hypothesis.settings().database is None


def test_a_campaign_draws_as_many_examples_as_it_is_asked_for_and_others_each_time(tmp_path):
    test = tmp_path / "test_p.py"
    test.write_text(
        "import json, sys\n"
        f"sys.path.append({str(TESTS)!r})\n"
        "from hypothesis import given, settings, strategies as st\n"
        "from properties import examples, load_profile\n"
        "load_profile()\n"
        "@settings(max_examples=examples(3))\n"
        "@given(st.integers())\n"
        "def test_p(n):\n"
        f"    with open({str(tmp_path / 'seen')!r}, 'a') as file:\n"
        "        print(n, file=file)\n"
        "def test_no_property():\n"
        "    raise AssertionError\n"
    )
    seen = []
    for seed in ("1", "1", "2"):
        (tmp_path / "seen").unlink(missing_ok=True)
        command = [sys.executable, str(TESTS / "campaign.py"), "--examples", "40", "--seed", seed, "-n", "0", str(test)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"40 examples of each property, --seed {seed}" in done.stdout
        seen.append((tmp_path / "seen").read_text().split())
    assert len(seen[0]) == 40 and seen[0] == seen[1] != seen[2]
