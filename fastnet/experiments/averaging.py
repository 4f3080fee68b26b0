"""Section 6.4.3, ensembles: the averaged outputs of several networks, and whether dropout amounts to the same."""

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
from fastnet.model.ensemble import mean_answers
from fastnet.model.scores import score_of
from fastnet.report.chart import Chart, Panel, Rule, Series
from fastnet.report.text import counted

MEMBERS = 10
LEAST_GAIN = 0.01
"""Least gain of ten averaged networks over their mean alone."""

CLOSE = 0.01
"""Largest distance between a dropout network and the average of its thinned networks."""

THINNED = (1, 2, 3, 5, 10, 20, 40)
SHARE = 0.5
"""Least share of an ensemble's gain with which a dropout network counts as roughly as good."""


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """Test accuracies of single, averaged, dropout and thinned networks."""

    members: Floats  # (S, MEMBERS), each network of each team
    averaged: tuple[Spread, ...]  # the first 1, 2, 3, ... of a team; for one, the mean over the team
    plain: Group  # without dropout, at the higher learning rate
    dropout: Group
    thinned: tuple[Spread, ...]  # averages of `THINNED` networks

    @property
    def gain(self) -> Spread:
        """Accuracy of a team minus the mean of its networks alone."""
        return difference(self.averaged[-1], self.averaged[0])

    @property
    def by_dropout(self) -> Spread:
        """Accuracy of one network with dropout minus that of one without."""
        return gained(self.plain, self.dropout)

    @property
    def beats(self) -> bool:
        return clearly_above(self.gain, LEAST_GAIN)

    @property
    def close(self) -> bool:
        return abs(difference(self.thinned[-1], self.dropout.test).mean) <= CLOSE

    @property
    def like_thinned(self) -> bool:
        return self.close and self.dropout.test.mean > self.thinned[0].mean

    @property
    def like_team(self) -> bool:
        return clearly_above(self.by_dropout, SHARE * self.gain.mean)


def ensemble(lab: Lab) -> Outcome:
    """Average networks trained separately, and the thinned networks inside one trained with dropout."""
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
    averaged += [spread([accuracy(mean_answers(team[:n]), lab) for team in teams]) for n in range(2, MEMBERS + 1)]
    thin = [
        thinned_accuracies(model, dropping.RATIO, lab, seed)
        for seed, model in enumerate(_all_models(single["dropout"]))
    ]
    thinned = tuple(spread([accuracies[n] for accuracies in thin]) for n in THINNED)
    return _Measured(members, tuple(averaged), single["plain"], single["dropout"], thinned)


def _all_models(group: Group) -> list[Model]:
    """Return the models of a group; raise `FastnetError` if a network diverged."""
    missing = len(group.networks) - len(group.models)
    if missing:
        raise FastnetError(
            f"{missing} of {len(group.networks)} networks diverged at learning rate {group.config.learning_rate:g}: "
            "ensembles need all of them; scale the features to a smaller range"
        )
    return group.models


def _seen(found: _Measured) -> str:
    return (
        f"The average of {MEMBERS} networks has a test accuracy of {found.averaged[-1].mean:.3f}, a single one "
        f"{found.averaged[0].mean:.3f} on average: a gain of {interval_text(found.gain)}; dropout {dropping.RATIO:g} "
        f"changes the accuracy of one network by {interval_text(found.by_dropout)}, at a learning rate of "
        f"{dropping.FASTER:g}, which is high enough to learn its images."
    )


def _verdict(found: _Measured) -> str:
    senses = ("in neither of two senses", "in one of two senses", "in two senses")
    return (
        f"Averaging {'helps' if found.beats else 'does not clearly help'}; that dropout is roughly an ensemble holds "
        f"here {senses[found.like_thinned + found.like_team]}: all units of a dropout network together are "
        f"{'as good as' if found.close else 'not as good as'} the average of {THINNED[-1]} of its thinned networks "
        f"({found.dropout.test.mean:.3f} and {found.thinned[-1].mean:.3f}; one alone {found.thinned[0].mean:.3f}), and "
        f"dropout gains {'at least' if found.like_team else 'less than'} half of what {MEMBERS} networks gain."
    )


def _claims(found: _Measured) -> tuple[Claim, ...]:
    return (
        Claim(
            text=f"the average of {MEMBERS} networks beats a single one",
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


def thinned_accuracies(model: Model, ratio: float, lab: Lab, seed: int) -> dict[int, float]:
    """Average copies of a dropout network from each of which other units are removed for good.

    Returns the test accuracy of the average of the first n, for each n of `THINNED`; for one, the mean over all.
    """
    generator = np.random.Generator(np.random.Philox(key=seed))
    outputs = [thinned(model, ratio, generator).predict_proba(lab.test.x) for _ in range(max(THINNED))]
    alone = float(np.mean([accuracy(output, lab) for output in outputs]))
    return {1: alone} | {n: accuracy(mean_answers(outputs[:n]), lab) for n in THINNED[1:]}


def thinned(model: Model, ratio: float, generator: np.random.Generator) -> Model:
    """Remove hidden units and divide the outputs of the others by 1 - `ratio`, as inverted dropout does."""
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
        title="Networks trained independently",
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
