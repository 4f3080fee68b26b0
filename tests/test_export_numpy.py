"""The files of the NumPy program."""

from __future__ import annotations

import ast
import io
import json
import sys

import numpy as np
from models import make_model

from fastnet.export.numpy import program_files
from fastnet.model.ensemble import Ensemble


def weights_of(model: object) -> dict[str, np.ndarray]:
    content = program_files(model)["weights.npz"]  # type: ignore[arg-type]
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def test_weights_are_the_tensors_of_the_models_file() -> None:
    model = make_model()
    found, tensors = weights_of(model), model.to_parts()[1]
    assert found.keys() == {"description", *tensors}
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype and np.array_equal(found[name], tensor)


def test_the_description_says_nothing_of_the_training() -> None:
    ensemble = Ensemble(members=(make_model(), make_model(hidden=())), weights=(2, 1), settings={"data": "secret"})
    described = json.loads(str(weights_of(ensemble)["description"]))
    assert described["weights"] == [2, 1] and described["class_names"] == ["left", "middle", "right"]
    for part in (described, *described["members"]):
        assert not {"settings", "metrics", "init"} & part.keys()


def test_the_program_imports_numpy_and_what_python_has() -> None:
    tree = ast.parse(program_files(make_model())["predict.py"])
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} - sys.stdlib_module_names == {"numpy"}
