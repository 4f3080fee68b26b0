"""The one function that writes a trained model in another form."""

from __future__ import annotations

import os
from pathlib import Path

from fastnet.config.checks import check_choice
from fastnet.errors import ConfigError, ModelError
from fastnet.files import as_path, write_result
from fastnet.model.classifier import Model
from fastnet.model.ensemble import Ensemble

FORMATS = ("onnx", "numpy")
"""Forms that a model can be written in: a file of ONNX, or a folder with a program of NumPy."""

SUFFIXES = {".onnx": "onnx", "": "numpy"}
"""The form of each suffix."""


def export_model(model: Model | Ensemble, path: str | os.PathLike[str], format: str | None = None) -> None:
    """Write a trained model with all that belongs to it, for programs without fastnet.

    Parameters
    ----------
    model : Model or Ensemble
        As `fastnet.load_model`, `fastnet.train` and `fastnet.search` return it.
    path : path-like
        The file of ONNX, or the folder of the NumPy program, ``~`` being the home folder. Missing folders
        are created, and files of the same names are replaced.
    format : {"onnx", "numpy"}, optional
        By default that of the suffix: ``.onnx``, or none for a folder.

    Raises
    ------
    ConfigError
        If the format is unknown, does not follow from the path, or needs a package that is not installed.
    ModelError
        If `model` is no trained model, or too large for the format.
    FastnetError
        If the result cannot be written.

    Notes
    -----
    Everything from the cells of a row to the answer is inside: what stands in for missing values, categories, dates,
    scaling, all networks of an ensemble, and corrections. Answers agree with those of `model` but for rounding.

    Examples
    --------
    >>> import fastnet, tempfile
    >>> data = ([[0.0], [0.1], [0.9], [1.0]] * 5, ["low", "low", "high", "high"] * 5)
    >>> model = fastnet.train(data, fastnet.TrainConfig(hidden=(), learning_rate=1.0)).model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_model(model, Path(folder) / "low")
    ...     sorted(path.name for path in (Path(folder) / "low").iterdir())
    ['predict.py', 'weights.npz']
    """
    if not isinstance(model, (Model, Ensemble)):
        raise ModelError(f"model is {type(model).__name__}: give a trained model, as fastnet.load_model returns it")
    target = as_path(path, "path")
    if format_of(target, format) == "onnx":
        from fastnet.export.onnx import onnx_model

        write_result(target, onnx_model(model).SerializeToString(), "the ONNX file cannot be written")
        return
    from fastnet.export.numpy import program_files

    for name, content in program_files(model).items():
        write_result(target / name, content, "the program cannot be written")


def format_of(path: Path, format: str | None = None) -> str:
    """Return the format that is asked for, or that of a path's suffix.

    Examples
    --------
    >>> format_of(Path("model.onnx")), format_of(Path("model"))
    ('onnx', 'numpy')
    """
    if format is not None:
        check_choice("format", format, FORMATS)
        return format
    found = SUFFIXES.get(path.suffix)
    if found is None:
        raise ConfigError(f"path={str(path)!r}: end it in .onnx, give a folder without a suffix, or choose the format")
    return found


def files_of(path: Path, format: str) -> list[Path]:
    """Return the files that an export to a path writes.

    Examples
    --------
    >>> [file.as_posix() for file in files_of(Path("model"), "numpy")]
    ['model/predict.py', 'model/weights.npz']
    """
    if format == "onnx":
        return [path]
    from fastnet.export.numpy import PROGRAM, WEIGHTS

    return [path / PROGRAM, path / WEIGHTS]
