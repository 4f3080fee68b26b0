"""Section 6.4.3, ensembles: outputs of several networks averaged, and whether dropout is roughly the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastnet.experiments import dropping
from fastnet.experiments.lab import Group, Lab, settings_of
from fastnet.experiments.outcome import Claim, Outcome, Table
from fastnet.experiments.overfitting import plain_config
from fastnet.experiments.panels import spread_series
from fastnet.experiments.rules import subtitle
from fastnet.experiments.summary import Floats, Spread, clearly_above, interval_text, spread
from fastnet.model import Model
from fastnet.report.chart import Chart, Panel, Rule, Series

MEMBERS = 10
LEAST_GAIN = 0.01
"""Ten averaged networks have to beat their mean by so much,"""

CLOSE = 0.01
"""and the outputs of all units have to come so close to the average of thinned networks."""

THINNED = (1, 2, 3, 5, 10, 20, 40)
SHARE = 0.5
"""A dropout network that gains at least this part of what an ensemble gains over single networks counts as roughly as
good."""


def ensemble(lab: Lab) -> Outcome:
    """Average networks trained apart, and the thinned networks inside one that was trained with dropout."""
    config = plain_config(lab)
    group = lab.train({"plain": config}, count=MEMBERS * lab.seeds, models=True)["plain"]
    lab.report()
    outputs = [model.predict_proba(lab.test.x) for model in group.models]
    teams = [outputs[begin : begin + MEMBERS] for begin in range(0, len(outputs), MEMBERS)]
    averaged = [spread([accuracy(np.mean(team[:n], axis=0), lab) for team in teams]) for n in range(1, MEMBERS + 1)]
    single = spread([np.mean([accuracy(output, lab) for output in team]) for team in teams])
    together = averaged[-1]
    gain = spread(np.array(together.values) - np.array(single.values))

    dropped = _dropout_groups(lab)
    plain_faster, dropout_faster = dropped.values()
    by_dropout = spread(dropout_faster.curves[:, 3, -1] - plain_faster.curves[:, 3, -1])
    ratio = dropping.RATIO
    thin = [thinned_accuracies(model, ratio, lab, seed) for seed, model in enumerate(dropout_faster.models)]
    thinned = [spread([accuracies[n] for accuracies in thin]) for n in THINNED]
    all_units = dropout_faster.test
    apart = spread(np.array(thinned[-1].values) - np.array(all_units.values))
    better = spread(np.array(all_units.values) - np.array(thinned[0].values))

    beats = clearly_above(gain, LEAST_GAIN)
    like_thinned = abs(apart.mean) <= CLOSE and better.mean > 0
    like_team = clearly_above(by_dropout, SHARE * gain.mean)
    size = f"{MEMBERS} networks"
    seen = (
        f"{size} averaged reach a test accuracy of {together.mean:.3f}, their mean alone {single.mean:.3f}: a gain of "
        f"{interval_text(gain)}; dropout {ratio:g} changes one network's by {interval_text(by_dropout)} at learning "
        f"rate {dropping.FASTER:g}, where it learns its images."
    )
    inner = (
        f"all units of a dropout network do {'as well as' if abs(apart.mean) <= CLOSE else 'other than'} the average "
        f"of {THINNED[-1]} of its thinned networks ({all_units.mean:.3f} and {thinned[-1].mean:.3f}; one of them alone "
        f"{thinned[0].mean:.3f})"
    )
    verdict = (
        f"Averaging {'helps' if beats else 'does not clearly help'}; that dropout is roughly an ensemble holds "
        f"{'in this sense: ' if like_thinned else 'in neither sense: '}{inner}"
    )
    verdict += (
        f", and it gains at least {SHARE:g} of what {size} gain."
        if like_team
        else f", but {'not in the other: ' if like_thinned else ''}it gains less than {SHARE:g} of what {size} gain."
    )
    rows = [("networks alone", single, None)]
    rows += [
        (f"{n} averaged", averaged[n - 1], spread(np.array(averaged[n - 1].values) - np.array(single.values)))
        for n in (2, 3, 5, MEMBERS)
    ]
    rows += [(label, found.test, None) for label, found in dropped.items()]
    rows += [
        (f"{n} thinned network{'s averaged' if n > 1 else ''}", found, None)
        for n, found in zip(THINNED, thinned, strict=True)
    ]
    return Outcome(
        name="ensemble",
        title="Ensembles",
        question="Do averaged networks do better, and is dropout roughly an ensemble in one network (section 6.4.3)?",
        seen=seen,
        verdict=verdict,
        claims=(
            Claim(
                text=f"{size} averaged beat their mean",
                holds=beats,
                rule=f"mean gain at least {LEAST_GAIN:g}, its interval above 0",
            ),
            Claim(
                text="a dropout network does as well as the average of its thinned networks",
                holds=like_thinned,
                rule=f"mean accuracies at most {CLOSE:g} apart, and better than one thinned network",
            ),
            Claim(
                text="one dropout network gains roughly what an ensemble gains",
                holds=like_team,
                rule=f"mean gain at least {SHARE:g} of the ensemble's, its interval above 0",
            ),
        ),
        tables=(
            Table(
                title=f"Test accuracy: mean ± standard deviation over {lab.seeds} seeds",
                heads=("", "test accuracy", "gained"),
                rows=rows,
            ),
        ),
        figures=(
            Chart(
                name="ensemble",
                title=f"{MEMBERS} networks averaged: {together.mean:.3f}, alone {single.mean:.3f}",
                subtitle=subtitle(lab, config, group.images),
                panels=[
                    _team_panel(averaged, single, teams, lab, dropped),
                    _thinned_panel(thinned, all_units, ratio),
                ],
            ),
        ),
        settings={
            "network": settings_of(config), "images": group.images, "members": MEMBERS,
            "dropout_network": settings_of(dropout_faster.config),
        },
        lab=lab.describe(),
    )  # fmt: skip


def accuracy(output: NDArray[np.float32], lab: Lab) -> float:
    """Return the share of the test samples whose most probable class is the true one."""
    return float(np.mean(np.argmax(output, axis=1) == lab.test.y))


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
    return {1: alone} | {n: accuracy(np.mean(outputs[:n], axis=0), lab) for n in THINNED[1:]}


def thinned(model: Model, ratio: float, generator: np.random.Generator) -> Model:
    """Drop hidden units of a network, and divide what the others hand on by 1 - `ratio`, as the inverted form does."""
    first, *others = model.weights
    kept = [generator.random(len(weights)) >= ratio for weights in others]
    scaled = [
        (weights * (works[:, None] / (1.0 - ratio))).astype(np.float32)
        for weights, works in zip(others, kept, strict=True)
    ]
    return replace(model, weights=(first, *scaled))


def _team_panel(
    averaged: Sequence[Spread], single: Spread, teams: Iterable[Sequence[NDArray[np.float32]]], lab: Lab,
    dropped: dict[str, Group],
) -> Panel:  # fmt: skip
    members: Floats = np.array([accuracy(output, lab) for team in teams for output in team])
    numbers = list(range(1, len(averaged) + 1))
    lowest = min(float(members.min()), *(group.test.mean for group in dropped.values()))
    return Panel(
        title="Networks trained apart",
        x_label="networks averaged",
        y_label="test accuracy",
        series=[
            Series(label="each network", x=np.ones(len(members)), y=members, kind="points", role="test-before"),
            spread_series(numbers, averaged, "averaged", "test"),
        ],
        x_ticks=[(float(n), str(n)) for n in numbers],
        y_range=(max(0.0, np.floor(lowest * 50 - 1) / 50), min(1.0, np.ceil(averaged[-1].mean * 50 + 1) / 50)),
        rules=[
            Rule(y=single.mean, label="mean of the single networks", role="test"),
            *(
                Rule(y=group.test.mean, label=label, role=role)
                for (label, group), role in zip(dropped.items(), ("training", "test-other"), strict=True)
            ),
        ],
        legend="lower right",
    )


def _thinned_panel(thinned: Sequence[Spread], all_units: Spread, ratio: float) -> Panel:
    places = list(range(len(THINNED)))
    return Panel(
        title=f"Inside networks trained with dropout {ratio:g}",
        x_label="thinned networks averaged",
        y_label="test accuracy",
        series=[spread_series(places, thinned, "averaged", "test-other")],
        x_ticks=[(float(place), str(n)) for place, n in zip(places, THINNED, strict=True)],
        rules=[Rule(y=all_units.mean, label="all units at work", role="training")],
        legend="lower right",
    )
