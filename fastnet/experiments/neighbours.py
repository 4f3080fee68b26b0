"""Update rules (section 6.1) and initial values (6.2), on the same images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fastnet.config.training import LEARNING_RATES
from fastnet.experiments.lab import Group, Lab, settings_of
from fastnet.experiments.outcome import Claim, Outcome, Table
from fastnet.experiments.panels import ACCURACY_RANGE, curve_series
from fastnet.experiments.rules import over_seeds, subtitle
from fastnet.experiments.summary import Spread, clearly_above, difference, spread
from fastnet.report.chart import Chart, Panel

INIT_EPOCHS = 201
OPTIMIZER_EPOCHS = 100
RULES = {
    "sgd": "SGD", "momentum": "momentum", "nesterov": "Nesterov", "adagrad": "AdaGrad", "rmsprop": "RMSprop",
    "adam": "Adam",
}  # fmt: skip
"""AdamW without weight decay is Adam."""

ACTIVATIONS = {"relu": "ReLU", "tanh": "tanh", "logistic": "the logistic function"}
SUITED = {"relu": "he", "tanh": "xavier", "logistic": "xavier"}
LEAST_FASTER = 0.02
"""Least advantage in training accuracy, averaged over all epochs, at which initial values count as better suited."""

LEARNT = 0.9
"""Training accuracy whose epoch is reported."""


def initialisation(lab: Lab) -> Outcome:
    """Train each activation with each kind of initial values."""
    configs = {
        f"{activation}, {init}": lab.config(epochs=INIT_EPOCHS, activation=activation, init=init)
        for activation in ACTIVATIONS
        for init in ("he", "xavier")
    }
    groups = lab.train(configs)
    area = {label: mean_accuracy(group) for label, group in groups.items()}
    others = {"he": "xavier", "xavier": "he"}
    right = {
        name: clearly_above(difference(area[f"{name}, {init}"], area[f"{name}, {others[init]}"]), LEAST_FASTER)
        for name, init in SUITED.items()
    }
    ends = {label: f"{group.train.mean:.2f}" for label, group in groups.items()}
    seen = (
        f"The training accuracy of ReLU reaches {LEARNT:g} with He's initial values "
        f"{_when(reached(groups['relu, he']))}, with Xavier's {_when(reached(groups['relu, xavier']))}; the logistic "
        f"function ends at {ends['logistic, he']} and {ends['logistic, xavier']}, tanh at {ends['tanh, he']} and "
        f"{ends['tanh, xavier']}."
    )
    good, bad = ([ACTIVATIONS[name] for name, ok in right.items() if ok == wanted] for wanted in (True, False))
    verdict = (
        f"That He's values suit ReLU and Xavier's the S-shaped functions holds here for {' and '.join(good) or 'none'}"
        f"{', not for ' + ' and '.join(bad) if bad else ''}, judged by the training accuracy averaged over all epochs."
    )
    rule = f"training accuracy, averaged over all epochs, higher by {LEAST_FASTER:g}, the interval above 0"
    return Outcome(
        name="initialisation",
        title="Initial values",
        question="Which initial weights suit which activation (section 6.2)?",
        seen=seen,
        verdict=verdict,
        claims=tuple(
            Claim(text=f"{SUITED[name].capitalize()}'s initial values suit {ACTIVATIONS[name]}", holds=ok, rule=rule)
            for name, ok in right.items()
        ),
        tables=(_table(groups),),
        figures=(
            Chart(
                name="initialisation",
                title="Initial values: training accuracy with He's and Xavier's",
                subtitle=subtitle(lab, configs["relu, he"], lab.images()),
                panels=[_init_panel(groups, activation) for activation in ACTIVATIONS],
                columns=3,
            ),
        ),
        settings={
            "network": settings_of(configs["relu, he"]), "images": lab.images(), "activation": list(ACTIVATIONS),
            "init": ["he", "xavier"],
        },
        results={"mean_training_accuracy_over_epochs": area},
        lab=lab.describe(),
    )  # fmt: skip


def _init_panel(groups: Mapping[str, Group], activation: str) -> Panel:
    series = [
        curve_series(groups[f"{activation}, {init}"], "accuracy", "training", init.capitalize(), role)
        for role, init in enumerate(("he", "xavier"))
    ]
    return Panel(
        title=ACTIVATIONS[activation].removeprefix("the "),
        x_label="epoch",
        y_label="training accuracy",
        series=series,
        y_range=ACCURACY_RANGE,
        legend="upper left" if activation == "logistic" else "lower right",
    )


def optimizers(lab: Lab) -> Outcome:
    """Train the chapter's network with each update rule."""
    configs = {rule: lab.config(epochs=OPTIMIZER_EPOCHS, optimizer=rule) for rule in RULES}
    groups = lab.train(configs)
    images = lab.images()
    epochs = {rule: reached(group) for rule, group in groups.items()}
    ranked = sorted(RULES, key=lambda rule: np.inf if np.isnan(epochs[rule].mean) else epochs[rule].mean)
    speed = {rule: mean_accuracy(group).mean for rule, group in groups.items()}
    slowest = speed["sgd"] < min(speed[rule] for rule in RULES if rule != "sgd")
    best = max(RULES, key=lambda rule: groups[rule].test.mean)
    first = f"No update rule reaches a training accuracy of {LEARNT:g}"
    if epochs[ranked[0]].n:
        first = f"{RULES[ranked[0]]} is the first to reach a training accuracy of {LEARNT:g}, "
        first += f"{_when(epochs[ranked[0]])}; with SGD it is reached {_when(epochs['sgd'])}"
    seen = (
        f"{first}. After {configs['sgd'].epochs} epochs {RULES[best]} has the highest test accuracy, "
        f"{groups[best].test.mean:.3f}; that of SGD is {groups['sgd'].test.mean:.3f}."
    )
    verdict = (
        f"That SGD is the slowest {'holds' if slowest else 'does not hold'} here, judged by the training accuracy "
        "averaged over all epochs, each rule with its default learning rate."
    )
    return Outcome(
        name="optimizers",
        title="Update rules",
        question="Which update rule learns fastest (section 6.1)?",
        seen=seen,
        verdict=verdict,
        claims=(
            Claim(
                text="SGD is slower than every other update rule",
                holds=slowest,
                rule="lower training accuracy than each, averaged over all epochs",
            ),
        ),
        tables=(_table(groups),),
        figures=(
            Chart(
                name="optimizers",
                title=f"Update rules: {RULES[ranked[0]]} is the first to learn",
                subtitle=subtitle(lab, configs["sgd"], images, rate=False, spread=False)
                + ", default learning rates",
                panels=_rule_panels(groups),
            ),
        ),
        settings={
            "network": settings_of(configs["sgd"]), "images": images,
            "learning_rates": {rule: LEARNING_RATES[rule] for rule in RULES},
        },
        results={f"epoch_of_training_accuracy_{LEARNT:g}": epochs},
        lab=lab.describe(),
    )  # fmt: skip


def _rule_panels(groups: Mapping[str, Group]) -> list[Panel]:
    loss, test = (
        [
            curve_series(group, what, part, RULES[rule], role, band=False)
            for role, (rule, group) in enumerate(groups.items())
        ]
        for what, part in (("loss", "training"), ("accuracy", "test"))
    )
    return [
        Panel(title="Training loss", x_label="epoch", y_label="loss (mean cross-entropy)", series=loss, y_scale="log",
              legend=""),
        Panel(title="Test accuracy", x_label="epoch", y_label="accuracy", series=test, y_range=ACCURACY_RANGE,
              legend="lower right"),
    ]  # fmt: skip


def reached(group: Group) -> Spread:
    """Return the first epoch with a training accuracy of `LEARNT`, NaN for seeds that never reach it."""
    above = group.curves[:, 1] >= LEARNT
    return spread(np.where(above.any(axis=1), above.argmax(axis=1) + 1.0, np.nan))


def _when(epoch: Spread) -> str:
    if epoch.n == 0:
        return "never"
    some = "" if epoch.n == len(epoch.values) else f" on {epoch.n} of {len(epoch.values)} seeds"
    return f"after {epoch.mean:.0f} epochs{some}"


def mean_accuracy(group: Group) -> Spread:
    """Return the training accuracy averaged over all epochs; the faster a network learns, the higher."""
    curves = group.curves[:, 1]
    return spread(np.where(np.isfinite(curves), curves, 0.0).mean(axis=1))


def _table(groups: Mapping[str, Group]) -> Table:
    return Table(
        title=over_seeds(next(iter(groups.values()))),
        heads=("", "training", "test", "gap", f"epochs to {LEARNT:g}"),
        rows=[
            (label, *group.ends, "never" if reached(group).n == 0 else round(reached(group).mean))
            for label, group in groups.items()
        ],
    )
