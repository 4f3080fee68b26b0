"""`fastnet predict`: the class of every sample."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastnet.files import replace_file

from .notes import verbosity_options
from .options import data_options, format_option, load_part, model_argument, output_options, part_option
from .outputs import check_writable
from .results import as_csv
from .streams import output_is_the_result

if TYPE_CHECKING:
    from fastnet.model.file import FloatArray


@click.command(name="predict")
@model_argument
@data_options
@part_option
@click.option("--probabilities", is_flag=True, help="Add the probability of each class.")
@verbosity_options()
@format_option("CSV with a header, or one JSON object per line.", "csv", "json")
@output_options("Write to this file instead of standard output.")
def command(
    model: Path,
    data: str,
    data_dir: Path | None,
    part: str | None,
    probabilities: bool,
    output_format: str,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Print the most probable class of every sample.

    MODEL is a file written by fastnet train or fastnet search, one network or an ensemble. Without --part the test set
    of the data is used if there is one. The data need no labels.

    \b
    Example:
      fastnet predict models/mnist5k-1.safetensors > labels.csv
      fastnet predict models/mnist-1.safetensors --data mnist --probabilities --format json -o digits.jsonl
    """
    from fastnet.model.ensemble import load_model

    if output is None:
        output_is_the_result()
    else:
        check_writable(output, overwrite=overwrite)
    trained = load_model(model)
    samples = load_part(data, data_dir, part, labels=False)
    trained.check_fits(samples)
    rows = list(prediction_rows(trained.predict_proba(samples.x), trained.class_names, probabilities=probabilities))
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    text = as_csv(map(flat, rows)) if output_format == "csv" else "\n".join(lines)
    if output is None:
        click.echo(text)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        replace_file(output, f"{text}\n".encode(errors="backslashreplace"))


def prediction_rows(table: FloatArray, names: tuple[str, ...], *, probabilities: bool) -> Iterator[dict[str, Any]]:
    """Yield a row for each sample: its number from 0, its class and, if wanted, the probability of every class."""
    for number, row in enumerate(table):
        entry: dict[str, Any] = {"sample": number, "label": names[int(row.argmax())]}
        if probabilities:
            entry["probabilities"] = {name: float(str(p)) for name, p in zip(names, row, strict=True)}
        yield entry


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with a column for each probability."""
    rest = {name: value for name, value in row.items() if name != "probabilities"}
    return rest | {f"p({name})": p for name, p in row.get("probabilities", {}).items()}
