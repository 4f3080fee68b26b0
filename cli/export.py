"""`fastnet export`: a saved model in a form that other programs read."""

from __future__ import annotations

from pathlib import Path

import click

from .notes import note, verbosity_options
from .options import model_argument
from .outputs import check_writable
from .parameters import PathType

FORMATS = ("onnx", "numpy")


@click.command(name="export")
@model_argument
@click.argument("output", metavar="OUT", type=PathType())
@click.option(
    "--format",
    "output_format",
    type=click.Choice(FORMATS),
    show_default="onnx if OUT ends in .onnx, numpy if it has no suffix",
    help="A file of ONNX, or a folder with a program of NumPy.",
)
@click.option("--overwrite", is_flag=True, allow_from_autoenv=False, help="Replace what OUT names.")
@verbosity_options()
def command(model: Path, output: Path, output_format: str | None, overwrite: bool) -> None:
    """Export a saved model, so that it answers without fastnet.

    MODEL is a file written by fastnet train or fastnet search, one network or an ensemble. OUT is a file of ONNX, which
    needs the extra onnx, or a folder for a program of NumPy and its weights. Everything from the cells of a row to the
    answer is inside: missing values, categories, dates, scaling, all networks, calibration.

    \b
    Example:
      fastnet export models/customers-1.safetensors customers.onnx
      fastnet export models/customers-1.safetensors customers
      python customers/predict.py new.csv --probabilities
    """
    from fastnet.export.export import export_model, files_of, format_of
    from fastnet.model.ensemble import load_model

    chosen = format_of(output, output_format)
    for path in files_of(output, chosen):
        check_writable(path, overwrite=overwrite)
    export_model(load_model(model), output, chosen)
    note(f"model: {click.format_filename(output)}")
