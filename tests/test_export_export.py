"""The function that exports a model: formats, paths and what it refuses."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from models import make_model

from fastnet.errors import ConfigError, FastnetError, ModelError
from fastnet.export.export import export_model, files_of, format_of


@pytest.mark.parametrize(
    ("path", "given", "expected"),
    [("m.onnx", None, "onnx"), ("m", None, "numpy"), ("m.v1", "numpy", "numpy"), ("m", "onnx", "onnx")],
)
def test_the_format_follows_from_the_path_unless_it_is_given(path: str, given: str | None, expected: str) -> None:
    assert format_of(Path(path), given) == expected


@pytest.mark.parametrize(
    ("path", "given", "said"),
    [
        ("m.pt", None, "path='m.pt': end it in .onnx, give a folder without a suffix, or choose the format"),
        ("m", "torch", "format='torch': must be one of onnx, numpy"),
    ],
)
def test_other_formats_are_refused(path: str, given: str | None, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        format_of(Path(path), given)
    assert str(error.value) == said


def test_folders_are_created_and_files_replaced(tmp_path: Path) -> None:
    target = tmp_path / "deeper" / "program"
    export_model(make_model(), target)
    (target / "predict.py").write_text("old")
    (target / "kept.txt").write_text("mine")
    export_model(make_model(), target)
    assert (target / "predict.py").read_text().startswith('"""Predict with')
    assert sorted(target.iterdir()) == sorted([*files_of(target, "numpy"), target / "kept.txt"])


def test_a_graph_needs_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match=r"fastnet-mlp\[onnx\]"):
        export_model(make_model(), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
    export_model(make_model(), tmp_path / "m")


def test_a_path_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FastnetError, match="the program cannot be written"):
        export_model(make_model(), tmp_path / "file")


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="model is str: give a trained model"):
        export_model("model.safetensors", tmp_path / "m")  # type: ignore[arg-type]
