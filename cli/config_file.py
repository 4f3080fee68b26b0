"""Reads option values from a file; the command line and the environment override it, and it overrides defaults.

Click itself follows this order once it knows the file. This module reads the file, checks its values like options, and
decides in the same order whether a hyperparameter is fixed or searched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from fastnet.config.metric import METRICS, SCORES, score_name
from fastnet.config.searching import SearchConfig
from fastnet.config.training import TrainConfig
from fastnet.errors import ConfigError

from .naming import flag
from .options import default_of
from .parameters import Command, ListType, PathType
from .streams import input_bytes

_META = "fastnet.config_file"
_ONLY_FLAGS = (
    *("config", "print_config", "dry_run", "live", "quiet", "verbose"),
    *("fresh", "finish", "after", "overwrite", "help"),
)
"""Options for a single run, which make no sense or do harm in a file."""

_MEASURED = (
    *("id", "stage", "status", "value", "best_value", "best_epoch", "epochs", "seconds"),
    *(score_name("best_validation", metric) for metric in METRICS),
)
"""Fields of a trial's line in addition to its hyperparameters and curves."""

_FILE, _ENVIRONMENT, _COMMAND_LINE = 1, 2, 3
_PRECEDENCE = {
    ParameterSource.DEFAULT_MAP: _FILE,
    ParameterSource.ENVIRONMENT: _ENVIRONMENT,
    ParameterSource.COMMANDLINE: _COMMAND_LINE,
}


def config_options(command: Command) -> Command:
    """Add `--config` and `--print-config`."""
    command = click.option(
        "--print-config",
        is_flag=True,
        allow_from_autoenv=False,
        help="Print the settings as a file for --config, and exit.",
    )(command)
    return click.option(
        "--config",
        type=PathType(allow_dash=True),
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=_load,
        help="Read settings from this TOML or JSON file, named like the options; - is standard input.",
    )(command)


def _load(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
    if path is None or ctx.resilient_parsing:
        return
    from fastnet.config.settings import MAX_BYTES, parse_settings, read_settings

    if str(path) == "-":
        source, content = "standard input", parse_settings(input_bytes(MAX_BYTES + 1), "standard input")
    else:
        source, content = str(path), read_settings(path)
    if not _takes_space(ctx.command):
        content = _without_results(content)
    known = file_options(ctx.command)
    given: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for name, value in content.items():
        if name in known:
            given[known[name].name or ""] = _checked(ctx, known[name], name, value, source)
        elif name == "space" and _takes_space(ctx.command):
            others[name] = _checked_ranges(value, source)
        elif not _takes_space(ctx.command) and _is_part(name):
            others[name] = _checked_part(name, value, source)
        else:
            raise ConfigError(_unknown(ctx, known, name, value, source))
    ctx.default_map = given
    ctx.meta[_META] = source, others


def file_options(command: click.Command) -> dict[str, click.Option]:
    """Return the options of a command that a file can contain, by their names there, such as `first_epochs`."""
    options = [param for param in command.params if isinstance(param, click.Option)]
    named = {max(option.opts, key=len)[2:].replace("-", "_"): option for option in options if option.name != "space"}
    return {name: option for name, option in named.items() if name not in _ONLY_FLAGS}


def _takes_space(command: click.Command) -> bool:
    return any(param.name == "space" for param in command.params)


def _without_results(content: dict[str, Any]) -> dict[str, Any]:
    """Remove the results from a trial's line, which has a number and a status."""
    from fastnet.tuning.store.export import curve_columns

    if not {"id", "status"} <= content.keys():
        return content
    measured = {*_MEASURED, *(column for score in SCORES for column in curve_columns(score))}
    return {name: value for name, value in content.items() if name not in measured}


def _is_part(name: str) -> bool:
    from fastnet.tuning.space.names import parent_of

    return parent_of(name) is not None


def _unknown(ctx: click.Context, known: Iterable[str], name: str, value: Any, source: str) -> str:
    from fastnet.config.settings import suggestion

    command = f"fastnet {ctx.info_name}"
    if name in _ONLY_FLAGS:
        return f"{source}: {flag(name)} can be given on the command line only"
    if name == "space":
        return f"{source}: [space] is only for fastnet search; {command} takes one value for each name"
    what = f"unknown table [{name}]" if isinstance(value, Mapping) else f"unknown option {name}"
    return f"{source}: {what} of {command}{suggestion(name, list(known))}"


def _checked(ctx: click.Context, option: click.Option, name: str, value: Any, source: str) -> Any:
    """Return the value; raise `ConfigError` if the option rejects it."""
    from fastnet.config.settings import toml_value

    if option.multiple:
        return _checked_list(ctx, option, name, value, source)
    kinds, words = _kinds(option)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ConfigError(f"{source}: {name} = {toml_value(value)}: must be {words}")
    try:
        option.process_value(ctx, value)
    except click.BadParameter as error:
        raise ConfigError(f"{source}: {name} = {toml_value(value)}: {error.message.rstrip('.')}") from None
    return value


def _checked_list(ctx: click.Context, option: click.Option, name: str, value: Any, source: str) -> list[str]:
    """Return the values of an option that can be repeated, which are a list, or one string as on the command line."""
    from fastnet.config.settings import toml_value

    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in items):
        raise ConfigError(f"{source}: {name} = {toml_value(value)}: must be a string or a list of strings")
    lists = isinstance(option.type, ListType) and isinstance(value, list)
    return [ListType.written([item]) for item in items] if lists else items


def _kinds(option: click.Option) -> tuple[tuple[type, ...], str]:
    """Return the TOML types that an option accepts, and words for them."""
    if option.is_flag:
        return (bool,), "true or false"
    if option.count or isinstance(option.type, (click.types.IntParamType, click.IntRange)):
        return (int,), "a whole number"
    if isinstance(option.type, (click.types.FloatParamType, click.FloatRange)):
        return (int, float), "a number"
    if isinstance(option.type, (click.Choice, click.Path)):
        return (str,), "a quoted string"
    return (str, int, float), "a string or a number"


def _checked_part(name: str, value: Any, source: str) -> Any:
    from fastnet.config.settings import toml_value
    from fastnet.tuning.space.names import check_value

    try:
        check_value(name, value)
    except ConfigError as error:
        raise ConfigError(f"{source}: {name} = {toml_value(value)}: {str(error).partition(': ')[2]}") from None
    return value


def _checked_ranges(value: Any, source: str) -> dict[str, str]:
    from fastnet.config.settings import toml_value
    from fastnet.tuning.space.space import Space

    if not isinstance(value, Mapping):
        raise ConfigError(f'{source}: space must be a table: [space], then lines such as dropout = "uniform:0:0.5"')
    for name, text in value.items():
        if not isinstance(text, str):
            raise ConfigError(
                f'{source}: [space] {name} = {toml_value(text)}: a range is a string such as "log:1e-6:1e-2"; '
                f"write a fixed value above [space]"
            )
    try:
        return Space.parse(value).to_texts()
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None


def search_space(ctx: click.Context, before: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the ranges to search, without fixed hyperparameters; the place of higher precedence decides.

    The lowest precedence is that of `before`, the ranges of a study to continue, instead of the default ones.
    """
    from fastnet.tuning.space.names import parent_of

    chosen: dict[str, tuple[int, str]] = {}
    for place, texts in (_ranges(ctx) | ({} if before is None else {0: before})).items():
        for name, text in texts.items():
            if place and _place(ctx, name) == place:
                raise ConfigError(_contradiction(ctx, place, name, text))
            chosen[name] = place, text
    return {
        name: text
        for name, (place, text) in chosen.items()
        if max(_place(ctx, name), _place(ctx, parent_of(name))) <= place
    }


def with_parts(ctx: click.Context, config: TrainConfig) -> TrainConfig:
    """Add the parts of an option that a trial's file names, such as `width`, to the configuration."""
    from fastnet.tuning.space.names import parent_of
    from fastnet.tuning.space.space import configured

    _, parts = ctx.meta.get(_META, ("", {}))
    return configured(config, {k: value for k, value in parts.items() if _place(ctx, parent_of(k)) <= _FILE})


def printed(ctx: click.Context, values: Mapping[str, Any], space: Mapping[str, str] | None = None) -> str:
    """Return the text of `--print-config`: `values` by the names of the parameters, or else those of the options."""
    from fastnet.config.settings import to_toml

    settings = {}
    for name, option in file_options(ctx.command).items():
        value = values.get(option.name or "", ctx.params.get(option.name or ""))
        if isinstance(value, (tuple, list)):  # of an option that can be repeated
            value = value[0] if len(value) == 1 and not isinstance(option.type, ListType) else list(value) or None
        if name not in (space or {}):
            settings[name] = str(value) if isinstance(value, Path) else value
    return to_toml(settings if space is None else {**settings, "space": space})


def _ranges(ctx: click.Context) -> dict[int, Mapping[str, str]]:
    """Return the ranges by their place of precedence, the defaults at 0."""
    (option,) = (param for param in ctx.command.params if param.name == "space")
    on_command_line = ctx.get_parameter_source("space") is ParameterSource.COMMANDLINE
    return {
        0: default_of(SearchConfig, "space"),
        _FILE: ctx.meta.get(_META, ("", {}))[1].get("space", {}),
        _ENVIRONMENT: _parse_ranges(option.value_from_envvar(ctx) or ()),
        _COMMAND_LINE: _parse_ranges(ctx.params["space"] if on_command_line else ()),
    }


def _parse_ranges(options: Iterable[str]) -> dict[str, str]:
    from fastnet.tuning import parse_space_option

    given: dict[str, str] = {}
    for option in options:
        name, text = parse_space_option(option)
        if name in given:
            raise ConfigError(f"--space {option}: {name} already has the range {given[name]}")
        given[name] = text
    return given


def _place(ctx: click.Context, name: str | None) -> int:
    """Return the place that fixes a hyperparameter; 0 if none does."""
    source = ctx.get_parameter_source(name) if name else None
    return _PRECEDENCE.get(source, 0) if source else 0


def _contradiction(ctx: click.Context, place: int, name: str, text: str) -> str:
    if place == _FILE:
        return f"{ctx.meta[_META][0]}: {name} has a fixed value and a range under [space]; remove one of them"
    fixing = flag(name) if place == _COMMAND_LINE else f"the environment variable for {flag(name)}"
    return f"--space {name}={text}: {fixing} fixes {name}; remove one of them"
