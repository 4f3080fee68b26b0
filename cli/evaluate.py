"""`fastnet evaluate`: every metric of a saved model."""

from __future__ import annotations

from pathlib import Path

import click

from fastnet.progress.words import scored

from .notes import verbosity_options
from .options import check_no_part, data_options, format_option, load_part, model_argument, part_option, table_of
from .results import as_json
from .streams import output_is_the_result
from .tables import LEFT, RIGHT, print_table


@click.command(name="evaluate")
@model_argument
@data_options
@part_option
@verbosity_options()
@format_option("Print text with tables, or one line of JSON.", "table", "json")
def command(model: Path, data: str, data_dir: Path | None, part: str | None, output_format: str) -> None:
    """Measure a saved model by every metric, and class by class.

    MODEL is a file written by fastnet train or fastnet search, one network or an ensemble. Without --part the test set
    of the data is used if there is one. The data need not have all classes of the model, nor in the same order.
    A model of a table reads tables with the same columns, the target included; rows without a target are left out.

    \b
    Example:
      fastnet evaluate models/mnist5k-1.safetensors
      fastnet evaluate models/mnist-1.safetensors --data mnist --format json
      fastnet evaluate models/customers-1.safetensors --data customers-2026.csv
    """
    from fastnet.model.ensemble import load_model

    output_is_the_result()
    trained = load_model(model)
    if trained.schema is not None:
        check_no_part(part)
        table = table_of(trained, data)
        found, shown, name = trained.evaluate(table), table.name, "all"
    else:
        samples = trained.fitting(load_part(data, data_dir, part, labels=True))
        found, shown, name = trained.evaluate(samples.x, samples.labels), samples.name, samples.part
    score, n = found.score, found.n_samples
    source = {"model": click.format_filename(model), "data": shown, "part": name, "samples": n}
    if output_format == "json":
        classes = [row._asdict() for row in found.classes]
        values = {score.name: score.value, "loss": score.loss, "metrics": found.metrics}
        click.echo(as_json({**source, **values, "classes": classes}))
        return
    click.echo(f"{scored(name, score.value, score.name)}, {name} loss:{score.loss:.4f}, samples:{n}\n")
    print_table(("metric", "value"), (LEFT, RIGHT), [(metric, f"{of:.4f}") for metric, of in found.metrics.items()])
    if found.classes:
        click.echo()
        heads, sides = ("class", "samples", "precision", "recall", "F1"), (LEFT, *[RIGHT] * 4)
        rows = [(row.name, str(row.n_samples), *(f"{of:.4f}" for of in row[2:])) for row in found.classes]
        print_table(heads, sides, rows)
