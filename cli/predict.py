"""`fastnet predict`: the answers of a saved model to samples without labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fastnet.files import replacing_file

from .notes import verbosity_options
from .options import check_no_part, data_options, load_part, model_argument, output_options, part_option, table_of
from .outputs import check_writable
from .predictions import FORMATS, Predictions, as_text, predictions, write_parquet
from .streams import output_is_the_result

if TYPE_CHECKING:
    from fastnet.model.predictor import Predictor

PARQUET = ".parquet"


@click.command(name="predict")
@model_argument
@data_options
@part_option
@click.option("--probabilities", is_flag=True, help="Add the probability of each class or label.")
@click.option(
    "--id",
    "ids",
    multiple=True,
    metavar="COL",
    show_default="columns in which every value is another, else a number",
    help="Column of a table to copy, to identify the rows; may be repeated.",
)
@verbosity_options()
@click.option(
    "--format",
    "output_format",
    type=click.Choice(FORMATS),
    show_default=f"parquet if --output ends in {PARQUET}, else csv",
    help="CSV with a header, one JSON object per line, or Parquet.",
)
@output_options("Write to this file instead of standard output.")
def command(
    model: Path,
    data: str,
    data_dir: Path | None,
    part: str | None,
    probabilities: bool,
    ids: tuple[str, ...],
    output_format: str | None,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Predict the class, numbers, quantiles or labels of samples.

    MODEL is a file written by fastnet train or fastnet search, one network or an ensemble. A model of a table reads any
    table with the same columns, a batch of rows at a time, so that it may be larger than the memory. For other models
    the test set of the data is used if there is one, unless --part is given. The data need no labels.

    \b
    Example:
      fastnet predict models/mnist5k-1.safetensors > labels.csv
      fastnet predict models/mnist-1.safetensors --data mnist --probabilities --format json -o digits.jsonl
      fastnet predict models/customers-1.safetensors --data new.csv --probabilities -o new.parquet
    """
    from fastnet.model.ensemble import load_model

    chosen = output_format or ("parquet" if output is not None and output.suffix == PARQUET else "csv")
    if output is None:
        if chosen == "parquet":
            raise click.UsageError(f"Parquet is not printed: add -o predictions{PARQUET}.")
        output_is_the_result()
    else:
        check_writable(output, overwrite=overwrite)
    trained = load_model(model)
    if probabilities and trained.task == "regression":
        raise click.UsageError("this model predicts numbers, which have no probabilities: remove --probabilities.")
    if trained.schema is None:
        if ids:
            raise click.UsageError("--id names a column of a table, and this model reads no table: remove --id.")
        samples = trained.fitting(load_part(data, data_dir, part, labels=False))
        batches = iter([predictions(trained, trained.answers(samples.x), 0, {}, probabilities=probabilities)])
    else:
        check_no_part(part)
        batches = of_table(trained, data, ids, probabilities=probabilities)
    if output is None:
        for text in as_text(chosen, batches):
            click.echo(text, nl=False)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing_file(output) as stream:
        if chosen == "parquet":
            write_parquet(stream, batches)
        else:
            for text in as_text(chosen, batches):
                stream.write(text.encode(errors="backslashreplace"))


def of_table(model: Predictor, data: str, ids: Sequence[str], *, probabilities: bool) -> Iterator[Predictions]:
    """Yield the predictions for each batch of rows of a table, with the columns `ids`, or those of identifiers."""
    assert model.schema is not None
    table = table_of(model, data)
    columns = model.schema.columns
    chosen = ids or [each.name for each in columns if each.kind == "identifier" and each.name in table.names]
    done = 0
    for answers, cells in model.answers_in_batches(table, chosen):
        yield predictions(model, answers, done, cells, probabilities=probabilities)
        done += len(answers)
