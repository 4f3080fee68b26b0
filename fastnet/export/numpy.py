"""A trained model as a program of NumPy: a file of Python, and the weights that it reads."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnet import _version

if TYPE_CHECKING:
    from fastnet.model.classifier import Model
    from fastnet.model.ensemble import Ensemble

PROGRAM, WEIGHTS = "predict.py", "weights.npz"
"""Names of the two files."""

_LEFT_OUT = ("settings", "metrics", "init")
"""What a program needs nothing of."""


def program_files(model: Model | Ensemble) -> dict[str, bytes]:
    """Return the contents of the program and of its weights, by the names of the files.

    The arrays of the weights are those of the model's own file; ``description`` is a text of JSON.
    """
    description, arrays = model.to_parts()
    described = {"fastnet_version": _version.__version__, **_needed(description)}
    stream = io.BytesIO()
    contents: dict[str, Any] = {"description": np.array(json.dumps(described)), **arrays}
    np.savez(stream, **contents)
    return {PROGRAM: Path(__file__).with_name("standalone.py").read_bytes(), WEIGHTS: stream.getvalue()}


def _needed(description: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in description.items() if name not in _LEFT_OUT}
    if "members" in kept:
        kept["members"] = [_needed(member) for member in kept["members"]]
    return kept
