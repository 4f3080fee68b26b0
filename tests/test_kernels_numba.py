"""Numba's own settings: refused in one sentence, or ignored with a note."""

from __future__ import annotations

import warnings

import programs
import pytest

from fastnet.errors import FastnetError
from fastnet.kernels import _numba


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"NUMBA_DISABLE_JIT": "1"}, "NUMBA_DISABLE_JIT=1 switches off the compiler"),
        ({"NUMBA_NUM_THREADS": "0"}, "with NUMBA_NUM_THREADS=0"),
        ({"NUMBA_NUM_THREADS": "-2"}, "with NUMBA_NUM_THREADS=-2"),
        ({"NUMBA_CPU_FEATURES": "avx2"}, "'avx2' must begin with + or -"),
    ],
)
def test_impossible_settings_of_numba_are_refused_in_one_sentence(settings: dict[str, str], says: str) -> None:
    program = (
        "from fastnet import FastnetError\ntry:\n    import fastnet.kernels\nexcept FastnetError as e:\n    print(e)"
    )
    lines, notes = programs.run(program, **settings)
    assert len(lines) == 1 and says in lines[0] and "unset" in lines[0] and notes == []


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"NUMBA_NUM_THREADS": "two"}, "NUMBA_NUM_THREADS=two: Numba cannot read this and ignores it"),
        ({"NUMBA_THREADING_LAYER": "none"}, "NUMBA_THREADING_LAYER=none: this threading layer is not available here"),
        ({"NUMBA_THREADING_LAYER_PRIORITY": "omp"}, "NUMBA_THREADING_LAYER_PRIORITY=omp: this threading layer"),
    ],
)
def test_meaningless_settings_of_numba_are_ignored_with_a_note(settings: dict[str, str], says: str) -> None:
    lines, notes = programs.run("from fastnet.kernels import _jit; print(_jit.threading_layer())", **settings)
    assert lines[0] in ("tbb", "omp", "workqueue") and len(notes) == 1 and says in notes[0]


def test_settings_are_checked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    _numba.check_settings()
    monkeypatch.setattr("numba.config.DISABLE_JIT", 1)
    with pytest.raises(FastnetError, match="NUMBA_DISABLE_JIT=1 switches off the compiler"):
        _numba.check_settings()
    monkeypatch.undo()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _numba.check_settings()
