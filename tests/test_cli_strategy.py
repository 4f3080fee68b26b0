"""Options of `fastnet search` for the fields of its configuration."""

from __future__ import annotations

from dataclasses import fields

import click
from fastnet_cli.strategy import search_strategy, strategy_options

from fastnet.config.searching import SearchConfig


@strategy_options
@click.command()
def searching() -> None:
    pass


def test_each_field_has_an_option_with_its_default() -> None:
    elsewhere = {"space", "train", "trials", "validation_fraction", "enqueue"}  # options of other modules
    given = searching.make_context("search", []).params
    assert set(given) == {field.name for field in fields(SearchConfig)} - elsewhere
    assert given == {name: getattr(SearchConfig(), name) for name in given}


def test_the_strategy_is_what_the_configuration_takes() -> None:
    given = {field.name: getattr(SearchConfig(), field.name) for field in fields(SearchConfig)} | {"jobs": 3}
    strategy = search_strategy(given)
    assert set(strategy) == {field.name for field in fields(SearchConfig)} - {"space", "train"}
    assert SearchConfig(**strategy) == SearchConfig()
