"""Section 6.4.3, ensembles: outputs of several networks averaged, and whether dropout is roughly the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastnet.config.training import TrainConfig
from fastnet.errors import FastnetError
from fastnet.experiments import dropping
from fastnet.experiments.lab import Group, Lab, settings_of
from fastnet.experiments.outcome import Claim, Outcome, Table
from fastnet.experiments.overfitting import plain_config
from fastnet.experiments.panels import spread_series
from fastnet.experiments.rules import gained, subtitle
from fastnet.experiments.summary import Floats, Spread, clearly_above, difference, interval_text, spread
from fastnet.model.classifier import Model
from fastnet.model.ensemble import mean_probabilities
from fastnet.model.predictor import score_of
from fastnet.report.chart import Chart, Panel, Rule, Series
from fastnet.report.text import counted

MEMBERS = 10
LEAST_GAIN = 0.01
"""Ten averaged networks have to beat their mean by so much,"""

CLOSE = 0.01
"""and the outputs of all units have to come so close to the average of thinned networks."""

THINNED = (1, 2, 3, 5, 10, 20, 40)
SHARE = 0.5
"""A dropout network that gains at least this part of what an ensemble gains over single networks counts as roughly as
good."""


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """The results of averaging.

    Parameters
    ----------
    members : (S, MEMBERS) float64
        Test accuracy of each network of each team.
    averaged : tuple of Spread
        Of the first 1, 2, 3, ... of a team averaged; of one, the mean over all of the team.
    plain, dropout : Group
        Networks without and with dropout, at the higher learning rate.
    thinned : tuple of Spread
        Of `THINNED` networks averaged.
    """

    members: Floats
    averaged: tuple[Spread, ...]
    plain: Group
    dropout: Group
    thinned: tuple[Spread, ...]

    @property
    def gain(self) -> Spread:
        """By how much a team is better than its networks alone."""
        return difference(self.averaged[-1], self.averaged[0])

    @property
    def by_dropout(self) -> Spread:
        """By how much one network is better with dropout."""
        return gained(self.plain, self.dropout)

    @property
    def beats(self) -> bool:
        return clearly_above(self.gain, LEAST_GAIN)

    @property
    def like_thinned(self) -> bool:
        close = abs(difference(self.thinned[-1], self.dropout.test).mean) <= CLOSE
        return close and self.dropout.test.mean > self.thinned[0].mean

    @property
    def like_team(self) -> bool:
        return clearly_above(self.by_dropout, SHARE * self.gain.mean)


def ensemble(lab: Lab) -> Outcome:
    """Average networks trained apart, and the thinned networks inside one that was trained with dropout."""
    config = plain_config(lab)
    found = _measure(lab, config)
    return Outcome(
        name="ensemble",
        title="Ensembles",
        question="Do averaged networks do better, and is dropout roughly an ensemble in one network (section 6.4.3)?",
        seen=_seen(found),
        verdict=_verdict(found),
        claims=_claims(found),
        tables=(_table(found, lab),),
        figures=(_figure(found, lab, config),),
        settings={
            "network": settings_of(config), "images": lab.images(), "members": MEMBERS,
            "dropout_network": settings_of(found.dropout.config),
        },
        results={"accuracy_of_each_network": found.members},
        lab=lab.describe(),
    )  # fmt: skip


def _measure(lab: Lab, config: TrainConfig) -> _Measured:
    group = lab.train({"plain": config}, count=MEMBERS * lab.seeds, models=True)["plain"]
    configs = dropping.dropout_configs(lab)
    names = {"plain": f"without, rate {dropping.FASTER:g}", "dropout": dropping.faster_name(dropping.RATIO)}
    single = lab.train({part: configs[name] for part, name in names.items()}, models=True)
    lab.report()
    outputs = [model.predict_proba(lab.test.x) for model in _all_models(group)]
    teams = [outputs[begin : begin + MEMBERS] for begin in range(0, len(outputs), MEMBERS)]
    members = np.array([[accuracy(output, lab) for output in team] for team in teams])
    averaged = [spread(members.mean(axis=1))]
    averaged += [spread([accuracy(mean_probabilities(team[:n]), lab) for team in teams]) for n in range(2, MEMBERS + 1)]
    thin = [
        thinned_accuracies(model, dropping.RATIO, lab, seed)
        for seed, model in enumerate(_all_models(single["dropout"]))
    ]
    thinned = tuple(spread([accuracies[n] for accuracies in thin]) for n in THINNED)
    return _Measured(members, tuple(averaged), single["plain"], single["dropout"], thinned)


def _all_models(group: Group) -> list[Model]:
    """Return the models of a group of which no network may be missing."""
    missing = len(group.networks) - len(group.models)
    if missing:
        raise FastnetError(
            f"{missing} of {len(group.networks)} networks diverged at learning rate {group.config.learning_rate:g}: "
            "ensembles need all of them; bring the features to a smaller range"
        )
    return group.models


def _seen(found: _Measured) -> str:
    return (
        f"{MEMBERS} networks averaged reach a test accuracy of {found.averaged[-1].mean:.3f}, their mean alone is "
        f"{found.averaged[0].mean:.3f}: a gain of {interval_text(found.gain)}; dropout {dropping.RATIO:g} changes that "
        f"of one network by {interval_text(found.by_dropout)}, at a learning rate of {dropping.FASTER:g}, with which "
        "it learns its images."
    )


def _verdict(found: _Measured) -> str:
    senses = {0: "in neither of two senses", 1: "in one of two senses", 2: "in two senses"}
    close = abs(difference(found.thinned[-1], found.dropout.test).mean) <= CLOSE
    return (
        f"Averaging {'helps' if found.beats else 'does not clearly help'}; that dropout is roughly an ensemble holds "
        f"here {senses[found.like_thinned + found.like_team]}: all units of a dropout network do "
        f"{'as well as' if close else 'not as well as'} {THINNED[-1]} of its thinned networks averaged "
        f"({found.dropout.test.mean:.3f} and {found.thinned[-1].mean:.3f}; one alone {found.thinned[0].mean:.3f}), and "
        f"dropout gains {'at least' if found.like_team else 'less than'} half of what {MEMBERS} networks gain."
    )


def _claims(found: _Measured) -> tuple[Claim, ...]:
    return (
        Claim(
            text=f"{MEMBERS} networks averaged beat their mean",
            holds=found.beats,
            rule=f"mean gain at least {LEAST_GAIN:g}, its interval above 0",
        ),
        Claim(
            text="a dropout network does as well as the average of its thinned networks",
            holds=found.like_thinned,
            rule=f"mean accuracies at most {CLOSE:g} apart, and better than one thinned network",
        ),
        Claim(
            text="one dropout network gains roughly what an ensemble gains",
            holds=found.like_team,
            rule=f"mean gain at least {SHARE:g} of the ensemble's, its interval above 0",
        ),
    )


def _table(found: _Measured, lab: Lab) -> Table:
    alone = found.averaged[0]
    rows: list[tuple[str, Spread, Spread | None]] = [("networks alone", alone, None)]
    for n in (2, 3, 5, MEMBERS):
        rows.append((f"{n} averaged", found.averaged[n - 1], difference(found.averaged[n - 1], alone)))
    rows.append((_rate("one network"), found.plain.test, None))
    rows.append((_rate(f"one with dropout {dropping.RATIO:g}"), found.dropout.test, found.by_dropout))
    one, *several = zip(THINNED, found.thinned, strict=True)
    rows.append(("thinned networks alone", one[1], None))
    rows += [
        (f"{n} thinned networks averaged", accuracies, difference(accuracies, one[1])) for n, accuracies in several
    ]
    title = f"Test accuracy: mean ± standard deviation over {counted(lab.seeds, 'seed')}"
    return Table(title=title, heads=("", "test accuracy", "gained"), rows=rows)


def _rate(what: str) -> str:
    return f"{what}, rate {dropping.FASTER:g}"


def _figure(found: _Measured, lab: Lab, config: TrainConfig) -> Chart:
    return Chart(
        name="ensemble",
        title=f"{MEMBERS} networks averaged: {found.averaged[-1].mean:.3f}, alone {found.averaged[0].mean:.3f}",
        subtitle=subtitle(lab, config, lab.images()),
        panels=[_team_panel(found), _thinned_panel(found)],
    )


def accuracy(output: NDArray[np.float32], lab: Lab) -> float:
    """Return the share of the test samples whose most probable class is the true one."""
    return score_of(output, lab.test.y).value


def _dropout_groups(lab: Lab) -> dict[str, Group]:
    configs = dropping.dropout_configs(lab)
    wanted = {
        f"one network, rate {dropping.FASTER:g}": configs[f"without, rate {dropping.FASTER:g}"],
        f"one with dropout {dropping.RATIO:g}, rate {dropping.FASTER:g}": configs[dropping.faster_name(dropping.RATIO)],
    }
    return lab.train(wanted, models=True)


def thinned_accuracies(model: Model, ratio: float, lab: Lab, seed: int) -> dict[int, float]:
    """Average networks in which units are dropped for good, as each training step drops them.

    Parameters
    ----------
    model : Model
        Trained with dropout in the inverted form.
    ratio : float
        Probability that a hidden unit is dropped.
    lab : Lab
        Its test samples are predicted.
    seed : int
        The draws follow from it.

    Returns
    -------
    dict of int to float
        Accuracy of the first 1, 2, 3, ... networks averaged; that of one is the mean over all of them.
    """
    generator = np.random.Generator(np.random.Philox(key=seed))
    outputs = [thinned(model, ratio, generator).predict_proba(lab.test.x) for _ in range(max(THINNED))]
    alone = float(np.mean([accuracy(output, lab) for output in outputs]))
    return {1: alone} | {n: accuracy(mean_probabilities(outputs[:n]), lab) for n in THINNED[1:]}


def thinned(model: Model, ratio: float, generator: np.random.Generator) -> Model:
    """Drop hidden units of a network, and divide what the others hand on by 1 - `ratio`, as the inverted form does."""
    first, *others = model.weights
    kept = [generator.random(len(weights)) >= ratio for weights in others]
    scaled = [
        (weights * (works[:, None] / (1.0 - ratio))).astype(np.float32)
        for weights, works in zip(others, kept, strict=True)
    ]
    return replace(model, weights=(first, *scaled))


def _team_panel(found: _Measured) -> Panel:
    members = found.members.ravel()
    numbers = list(range(1, MEMBERS + 1))
    lowest = min(float(members.min()), found.plain.test.mean, found.dropout.test.mean)
    highest = max(found.averaged[-1].mean, found.dropout.test.mean)
    return Panel(
        title="Networks trained apart",
        x_label="networks averaged",
        y_label="test accuracy",
        series=[
            Series(label="each network", x=np.ones(len(members)), y=members, kind="points", role="test-before"),
            spread_series(numbers, found.averaged, "averaged", "test"),
        ],
        x_ticks=[(float(n), str(n)) for n in numbers],
        y_range=(max(0.0, float(np.floor(lowest * 50 - 1)) / 50), min(1.0, float(np.ceil(highest * 50 + 1)) / 50)),
        rules=[
            Rule(y=found.averaged[0].mean, label="mean of the single networks", role="test"),
            Rule(y=found.plain.test.mean, label=_rate("one network"), role="training"),
            Rule(y=found.dropout.test.mean, label=_rate(f"one with dropout {dropping.RATIO:g}"), role="test-other"),
        ],
        legend="lower right",
    )


def _thinned_panel(found: _Measured) -> Panel:
    places = list(range(len(THINNED)))
    return Panel(
        title=f"Inside networks trained with dropout {dropping.RATIO:g}",
        x_label="thinned networks averaged",
        y_label="test accuracy",
        series=[spread_series(places, found.thinned, "averaged", "test-other")],
        x_ticks=[(float(place), str(n)) for place, n in zip(places, THINNED, strict=True)],
        rules=[Rule(y=found.dropout.test.mean, label="all units at work", role="training")],
        legend="lower right",
    )
