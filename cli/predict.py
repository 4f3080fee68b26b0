"""`fastnet predict`: the class, the numbers or the labels of every sample."""

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
    import numpy.typing as npt

    from fastnet.model.file import FloatArray
    from fastnet.model.predictor import Predictor


@click.command(name="predict")
@model_argument
@data_options
@part_option
@click.option("--probabilities", is_flag=True, help="Add the probability of each class or label.")
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
    """Print the most probable class of every sample, or its numbers, quantiles or labels.

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
    if trained.task == "classification":
        table = trained.predict_proba(samples.x)
        rows = list(prediction_rows(table, trained.class_names, probabilities=probabilities))
    else:
        rows = list(answer_rows(trained, samples.x, probabilities=probabilities))
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


def answer_rows(model: Predictor, x: npt.NDArray[Any], *, probabilities: bool) -> Iterator[dict[str, Any]]:
    """Yield a row for each sample: its number from 0, and a column for each target, quantile or label.

    Of labels, `probabilities` adds those of each. Raises `click.UsageError` if numbers are to have some.
    """
    if probabilities and model.task == "regression":
        raise click.UsageError("this model predicts numbers, which have no probabilities: remove --probabilities.")
    names: list[str] = list(model.class_names)
    if model.quantiles:
        names = [f"{name} q{level:g}" for name in names for level in model.quantiles]
    number_name = "sample number" if "sample" in names else "sample"
    answers = model.predict(x).reshape(-1, len(names))
    of_labels = model.predict_proba(x) if probabilities else None
    for number, row in enumerate(answers.tolist()):
        entry: dict[str, Any] = {number_name: number, **dict(zip(names, row, strict=True))}
        if of_labels is not None:
            entry["probabilities"] = {name: float(str(p)) for name, p in zip(names, of_labels[number], strict=True)}
        yield entry


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with a column for each probability."""
    rest = {name: value for name, value in row.items() if name != "probabilities"}
    return rest | {f"p({name})": p for name, p in row.get("probabilities", {}).items()}
