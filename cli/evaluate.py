"""`fastnet evaluate`: accuracy and loss of a saved model."""

from __future__ import annotations

from pathlib import Path

import click

from fastnet.config.metric import SCORE

from .notes import verbosity_options
from .options import data_options, format_option, load_part, model_argument, part_option
from .progress import scored
from .results import as_json
from .streams import output_is_the_result


@click.command(name="evaluate")
@model_argument
@data_options
@part_option
@verbosity_options()
@format_option("Print a line of text, or one line of JSON.", "table", "json")
def command(model: Path, data: str, data_dir: Path | None, part: str | None, output_format: str) -> None:
    """Measure the accuracy and the loss of a saved model.

    MODEL is a file written by fastnet train or fastnet search, one network or an ensemble. Without --part the test set
    of the data is used if there is one. The data need not have all classes of the model, nor in the same order.

    \b
    Example:
      fastnet evaluate models/mnist5k-1.safetensors
      fastnet evaluate models/mnist-1.safetensors --data mnist --format json
    """
    from fastnet.model.ensemble import load_model

    output_is_the_result()
    trained = load_model(model)
    samples = load_part(data, data_dir, part, labels=True)
    trained.check_fits(samples)
    assert samples.labels is not None
    score = trained.score(samples.x, samples.labels)
    name, n = samples.part, len(samples.labels)
    source = {"model": click.format_filename(model), "data": samples.name, "part": name, "samples": n}
    if output_format == "json":
        click.echo(as_json({**source, SCORE.name: score.value, "loss": score.loss}))
    else:
        click.echo(f"{scored(name, score.value)}, {name} loss:{score.loss:.4f}, samples:{n}")
