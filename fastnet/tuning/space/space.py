"""The space of a search: the hyperparameters that differ between trials, their ranges, and a trial's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from fastnet.config.network import INIT_OF
from fastnet.config.searching import EXAMPLE
from fastnet.config.text import format_hidden, parse_hidden
from fastnet.config.training import LEARNING_RATES, TrainConfig
from fastnet.errors import ConfigError
from fastnet.tuning.space.distributions import Choice, Distribution, LogUniform, Uniform, text_of
from fastnet.tuning.space.names import NEEDS, Value, check_value, kind_of, layer_of
from fastnet.tuning.space.parsing import parse_distribution


@dataclass(frozen=True)
class Space:
    """The searched hyperparameters and their distributions, in the order of their names.

    Parameters
    ----------
    distributions : mapping of str to Distribution
        Any of `SEARCHABLE` and ``dropout_1``, ``dropout_2``, ...; trials of an empty space differ only in their random
        numbers.

    Raises
    ------
    ConfigError
        If a name cannot be searched, its values have the wrong type, or the hyperparameter does not allow an end or a
        choice.

    Notes
    -----
    In a choice, where commas separate the choices, hyphens join hidden layers of different widths:
    ``choice:100x6,512-256``.

    Examples
    --------
    >>> space = Space.parse({"weight_decay": "log:1e-8:1e-4", "hidden": "choice:100x6,64-64-32"})
    >>> space.names
    ('hidden', 'weight_decay')
    >>> space.to_texts()
    {'hidden': 'choice:100x6,64x2-32', 'weight_decay': 'log:1e-08:0.0001'}
    >>> Space.parse({"dropout": "uniform:0:1"})
    Traceback (most recent call last):
    ...
    fastnet.errors.ConfigError: dropout=uniform:0:1: its value 1 must be in [0, 1)
    """

    distributions: Mapping[str, Distribution]

    def __post_init__(self) -> None:
        ordered = dict(sorted(self.distributions.items()))
        for name, distribution in ordered.items():
            _check_kind(name, distribution)
            for value in distribution.extremes():
                _check_value(name, distribution, value)
            if name == "hidden":
                ordered[name] = _spelled_alike(distribution)
        object.__setattr__(self, "distributions", ordered)

    @classmethod
    def parse(cls, texts: Mapping[str, str]) -> Space:
        """Read a space from names and text forms, such as `fastnet.config.searching.SearchConfig.space`."""
        if not isinstance(texts, Mapping):
            raise ConfigError(f"space={str(texts)[:40]!r}: must be names with their ranges, as in {EXAMPLE}")
        parsed: dict[str, Distribution] = {}
        for name, text in texts.items():
            kind = kind_of(name)
            if not isinstance(text, str):
                raise ConfigError(f'{name}={text!r}: a range is a text, such as "log:1e-6:1e-2" or "choice:0,0.5"')
            try:
                parsed[name] = parse_distribution(text, kind.type)
            except ConfigError as error:
                raise ConfigError(f"{name}={text}: {error}") from None
        return cls(parsed)

    @property
    def names(self) -> tuple[str, ...]:
        """Searched hyperparameters, sorted."""
        return tuple(self.distributions)

    def to_texts(self) -> dict[str, str]:
        """Write the space the way `parse` reads it, each range in its canonical spelling."""
        return {name: str(distribution) for name, distribution in self.distributions.items()}

    def check_used(self, train: TrainConfig) -> None:
        """Raise `ConfigError` if a searched hyperparameter has no effect, or does not fit, with `train`."""
        for name in self.names:
            self._check_needs(name, train)
        _check_layers(self, train)
        alone = replace(train, dropout=0.0)  # one ratio for each layer need not fit the layers of a single choice
        for name, distribution in self.distributions.items():
            for value in distribution.extremes():
                try:
                    configured(alone, {name: value})
                except ConfigError as error:
                    raise ConfigError(f"{name}={distribution}: {error}") from None

    def _check_needs(self, name: str, train: TrainConfig) -> None:
        if name not in NEEDS:
            return
        other, needed = NEEDS[name]
        present = self.possible(other, train)
        if not set(present) & set(needed):
            have = f"{other}={present[0]!r} does" if len(present) == 1 else f"{other} {', '.join(present)} do"
            possible = " or ".join(value for value in needed if _is_allowed(other, value))
            raise ConfigError(
                f"{name} is searched but {have} not use it; choose {other} {possible}, or leave {name} out of the space"
            )

    def possible(self, name: str, train: TrainConfig) -> tuple[Any, ...]:
        """Return the values a hyperparameter can have: the extremes of its range, or the value of `train`."""
        return self.distributions[name].extremes() if name in self.distributions else (getattr(train, name),)


def parse_space_option(text: str) -> tuple[str, str]:
    """Read one ``NAME=RANGE``.

    Parameters
    ----------
    text : str
        Such as ``"learning_rate=log:1e-6:1e-2"``; hyphens in the name become underscores.

    Returns
    -------
    name, range : str
        One item of `fastnet.config.searching.SearchConfig.space`, the range in its canonical spelling.

    Raises
    ------
    ConfigError
        If there is no ``=``, the name cannot be searched, or the range is impossible.

    Examples
    --------
    >>> parse_space_option("learning-rate=log:1e-4:1e-2")
    ('learning_rate', 'log:0.0001:0.01')
    """
    name, equals, range_text = text.partition("=")
    name = name.strip().replace("-", "_")
    if not equals or not name:
        raise ConfigError(f"space {text!r}: write NAME=RANGE, such as learning_rate=log:1e-6:1e-2")
    return name, Space.parse({name: range_text}).to_texts()[name]


def configured(train: TrainConfig, params: Mapping[str, Value]) -> TrainConfig:
    """Return a configuration with the searched values of a trial.

    Parameters
    ----------
    train : TrainConfig
        Everything that was not searched.
    params : mapping of str to value
        Searched names and their values, such as `fastnet.tuning.TrialResult.params`.

    Returns
    -------
    TrainConfig
        ``width`` and ``depth`` become ``hidden``; if one of them is missing, `train` supplies it. ``dropout_K`` become
        one ratio for each layer; a ratio for a layer that does not exist has no effect.

    Raises
    ------
    ConfigError
        If a value is outside its range.

    Notes
    -----
    What is not searched is the same in all trials, except for a default that depends on a searched value: if the
    optimizer is searched and no learning rate is given, each optimizer uses its own.

    Examples
    --------
    >>> configured(TrainConfig(), {"width": 64, "depth": 2, "learning_rate": 0.1}).hidden
    (64, 64)
    """
    changes: dict[str, Any] = {}
    ratios: dict[int, Value] = {}
    for name, value in params.items():
        layer = _layer_of(name)
        if layer is not None:
            ratios[layer] = value
        elif name == "hidden":
            changes[name] = _hidden(str(value))
        elif name not in ("width", "depth"):
            changes[name] = value
    if "width" in params or "depth" in params:
        width = params.get("width", train.hidden[0] if train.hidden else 1)
        changes["hidden"] = (width,) * int(params.get("depth", len(train.hidden)))
    if ratios:
        depth = len(changes.get("hidden", train.hidden))
        common = changes.get("dropout", train.dropout)
        before = common if isinstance(common, tuple) else (common,) * depth
        changes["dropout"] = tuple(ratios.get(k, ratio) for k, ratio in enumerate(before, start=1))
    if train.learning_rate is None:
        changes.setdefault("learning_rate", LEARNING_RATES[changes.get("optimizer", train.optimizer)])
    if train.init is None:
        changes.setdefault("init", INIT_OF[changes.get("activation", train.activation)])
    return replace(train, **changes)


_hidden = lru_cache(maxsize=1024)(parse_hidden)
_layer_of = lru_cache(maxsize=1024)(layer_of)


def _check_layers(space: Space, train: TrainConfig) -> None:
    """Raise `ConfigError` if layers are set twice, or a value belongs to a layer that no network has."""
    names = set(space.names)
    for name in ("width", "depth"):
        if name in names and "hidden" in names:
            raise ConfigError(f"{name} is searched but is a part of hidden, which is searched too; leave one out")
    if "width" in names and "depth" not in names and not train.hidden:
        raise ConfigError("width is searched but the network has no hidden layer; add one, or search depth too")
    if "depth" in names and "width" not in names and len(set(train.hidden)) != 1:
        raise ConfigError(
            f"depth is searched but hidden={format_hidden(train.hidden)} does not say how wide a layer is; "
            "give layers of one width, or search width too"
        )
    depths = _depths(space, train)
    if isinstance(train.dropout, tuple) and depths != {len(train.hidden)} and "dropout" not in names:
        raise ConfigError("the number of layers is searched but dropout has one ratio for each; give one for all")
    layers = {layer for layer in map(layer_of, names) if layer is not None}
    if "dropout" in names and max(depths) == 0:
        raise ConfigError("dropout is searched but the network has no hidden layer; add one or leave it out")
    if "dropout" in names and layers >= set(range(1, max(depths) + 1)):
        raise ConfigError("dropout is searched but every layer has a ratio of its own; leave dropout out of the space")
    for layer in sorted(layers):
        if layer > max(depths):
            raise ConfigError(
                f"dropout_{layer} is searched but no network has more than {max(depths)} hidden layers; leave it out"
            )


def _depths(space: Space, train: TrainConfig) -> set[int]:
    """Return the numbers of hidden layers that occur, of a range its two ends."""
    if "hidden" in space.names:
        return {len(parse_hidden(str(text))) for text in space.distributions["hidden"].extremes()}
    if "depth" in space.names:
        return {int(end) for end in space.distributions["depth"].extremes()}
    return {len(train.hidden)}


def _is_allowed(name: str, value: Value) -> bool:
    try:
        check_value(name, value)
    except ConfigError:
        return False
    return True


def _check_kind(name: str, distribution: Distribution) -> None:
    kind = kind_of(name).type
    if kind is str and not isinstance(distribution, Choice):
        raise ConfigError(f"{name}={distribution}: {name} is not a number; write choice:A,B,...")
    if kind is int and isinstance(distribution, (LogUniform, Uniform)):
        raise ConfigError(f"{name}={distribution}: {name} is a whole number; write int:LO:HI or logint:LO:HI")


def _check_value(name: str, distribution: Distribution, value: Value) -> None:
    try:
        check_value(name, value)
    except ConfigError as error:
        rule = str(error).partition(": ")[2]
        sign = "" if rule.startswith("must") else ":"
        raise ConfigError(f"{name}={distribution}: its value {text_of(value)}{sign} {rule}") from None


def _spelled_alike(distribution: Distribution) -> Choice:
    """Write equal networks as equal texts, with the hyphens that a choice needs, and refuse duplicates."""
    texts = (format_hidden(parse_hidden(str(text))).replace(",", "-") for text in distribution.extremes())
    try:
        return Choice(tuple(texts))
    except ConfigError as error:
        raise ConfigError(f"hidden={distribution}: {error}") from None
