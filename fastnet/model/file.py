"""The file of a trained model: safetensors, with a description of it as JSON in their metadata."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnet._version import __version__
from fastnet.config.settings import is_tame
from fastnet.errors import FastnetError, ModelError
from fastnet.files import replace_file

FORMAT_VERSION = 1
METADATA_KEY = "fastnet"

FloatArray = npt.NDArray[np.float32]


def write_file(path: Path, header: Mapping[str, Any], tensors: Mapping[str, FloatArray]) -> None:
    """Write a model's description and tensors as safetensors, replacing an existing file whole or not at all."""
    from safetensors.numpy import save

    described = {"format": FORMAT_VERSION, "fastnet_version": __version__, **header}
    packed = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    replace_file(path, save(packed, metadata={METADATA_KEY: json.dumps(described, sort_keys=True)}))


def read_file(path: Path) -> tuple[dict[str, Any], dict[str, FloatArray]]:
    """Read what `write_file` wrote; raise `ModelError` if the file is missing, damaged or of another origin."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ModelError(f"{path}: no such model file")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, TypeError, AttributeError) as error:  # NumPy's, of a shape or type it lacks
        reason = " ".join(str(error).split())[:200]  # it repeats the text it could not read
        raise ModelError(f"{path}: not a safetensors file, or a damaged one ({reason})") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror or error})") from error
    try:
        header = json.loads(metadata[METADATA_KEY])
    except (KeyError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: a safetensors file, but not one that fastnet wrote") from error
    if not is_tame(header, finite=False):
        raise ModelError(f"{path}: its description is damaged; get the file again")
    if not isinstance(header, dict) or header.get("format") != FORMAT_VERSION:
        raise ModelError(f"{path}: {_origin(header)}; fastnet {__version__} reads format {FORMAT_VERSION}")
    return header, tensors


def _origin(header: object) -> str:
    """Say which fastnet can read a file of another format."""
    found = header if isinstance(header, dict) else {}
    number, version = found.get("format"), str(found.get("fastnet_version", ""))
    if type(number) is not int or not re.fullmatch(r"[\w.+-]{1,40}", version):
        return "not a model of this fastnet, nor of any other that it knows: get the file again"
    return f"written by fastnet {version} in format {number}: use that version or a later one, or train the model again"


@contextmanager
def model_errors(path: Path) -> Iterator[None]:
    """Turn errors in the content of a model's file into a `ModelError` that names the file."""
    try:
        yield
    except FastnetError as error:
        raise ModelError(f"{path}: not a usable model: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, IndexError) as error:
        raise ModelError(f"{path}: not a usable model: its description is incomplete ({error})") from error
