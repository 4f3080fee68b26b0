"""`fastnet warmup`: compiles in advance what a search, a training and a prediction need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fastnet.config.settings import format_memory
from fastnet.config.training import train_config_from

from .data_options import dataset_options, load_described
from .notes import note, verbosity_options
from .options import format_option, jobs_option, training_options
from .results import as_json

if TYPE_CHECKING:
    from fastnet.machine.warmup import Warmth


WARMED = ("hidden", "activation", "heads", "optimizer", "batch_size")


@click.command(name="warmup")
@dataset_options
@training_options(only=WARMED)
@jobs_option
@verbosity_options()
@format_option("Print lines of text, or one line of JSON.", "table", "json")
def command(jobs: int | None, output_format: str, **settings: Any) -> None:
    """Compile in advance what search, train and predict need.

    Machine code is made for the processor and kept in the cache; missing code is compiled when it is first needed. This
    command compiles it now, for the given data, layers, activation, heads and optimizer: as part of an installation, or
    before a measurement. All other settings, such as dropout and learning rates, share the same code.

    \b
    Example:
      fastnet warmup
      fastnet warmup --data mnist --hidden 512x2 --optimizer adam
    """
    from fastnet.data.validation import split_of
    from fastnet.machine.warmup import compile_ahead
    from fastnet.network.samples import network_of

    config = train_config_from({name: value for name, value in settings.items() if name in WARMED})
    dataset = load_described(settings)
    network = network_of(config, dataset, split_of(dataset, seed=config.seed))
    note(f"{dataset.name}: {network.text}, {config.activation}, {config.optimizer}")
    warmth = compile_ahead(dataset, config, jobs=jobs)
    if output_format == "json":
        click.echo(as_json(document(warmth)))
    else:
        click.echo("\n".join(lines(warmth)))


def document(warmth: Warmth) -> dict[str, Any]:
    """Return all results for JSON."""
    cache = warmth.cache
    held = {"folder": str(cache.folder), "functions": len(cache.functions), "bytes": cache.n_bytes}
    return {"compiled": warmth.compiled, "seconds": round(warmth.seconds, 6), "cache": held}


def lines(warmth: Warmth) -> list[str]:
    """Describe what was compiled, and the cache."""
    n_compiled = sum(warmth.compiled.values())
    kinds = ", ".join(f"{count} {kind}" for kind, count in warmth.compiled.items() if count)
    first = (
        f"compiled {n_compiled} functions in {warmth.seconds:.1f} s: {kinds}"
        if n_compiled
        else f"nothing to compile: everything was in the cache and loaded in {warmth.seconds:.1f} s"
    )
    cache = warmth.cache
    return [first, f"cache: {cache.folder} | {len(cache.functions)} functions, {format_memory(cache.n_bytes)}"]
