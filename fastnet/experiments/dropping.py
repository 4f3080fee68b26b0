"""Section 6.4.3: dropout in both forms, and the units that it drops."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastnet.config.text import format_number
from fastnet.config.training import TrainConfig
from fastnet.experiments.lab import Group, Lab, settings_of
from fastnet.experiments.outcome import Outcome, Table
from fastnet.experiments.panels import curves_panel, spread_series
from fastnet.experiments.rules import gained, over_seeds, remedy_claims, subtitle, tradeoff
from fastnet.experiments.summary import Spread
from fastnet.network.hyperparameters import kept_units
from fastnet.report.chart import Chart, Panel, UnitsChart

EPOCHS = 301
RATIO = 0.2
RATIOS = (0.1, 0.2, 0.3, 0.5)
FORMS = {"test-time": "the chapter's form", "inverted": "inverted"}
FASTER = 0.1
"""A learning rate at which a network with dropout still learns its images within the epochs."""

SHOWN_UNITS = 8
BATCHES = 3


def dropout(lab: Lab) -> Outcome:
    """Train the chapter's network with dropout, at the chapter's ratio and at others."""
    groups = lab.train(dropout_configs(lab), models=True)  # the models are for the ensembles
    plain, faster = groups["without"], groups[f"without, rate {FASTER:g}"]
    chapter, inverted = groups[_name("test-time", RATIO)], groups[_name("inverted", RATIO)]
    strengths = {label: group for label, group in groups.items() if group.config.dropout}
    usual = {label: group for label, group in strengths.items() if group.config.learning_rate != FASTER}
    claims, verdict = remedy_claims(usual, plain, _name("test-time", RATIO))
    at_faster = {label: group for label, group in strengths.items() if label not in usual}
    seen = (
        f"With a ratio of {RATIO:g} training and test accuracy end at {chapter.train.mean:.3f} and "
        f"{chapter.test.mean:.3f} in the chapter's form, at {inverted.train.mean:.3f} and {inverted.test.mean:.3f} in "
        f"the inverted one, and at {plain.train.mean:.3f} and {plain.test.mean:.3f} without dropout."
    )
    return Outcome(
        name="dropout",
        title="Dropout",
        question="Does dropping units at random prevent overfitting (section 6.4.3)?",
        seen=seen,
        verdict=verdict,
        remarks=(tradeoff(usual, plain, "without dropout"), tradeoff(at_faster, faster, "without dropout")),
        claims=claims,
        tables=(_table(groups),),
        figures=(_figure(lab, groups), neurons(chapter)),
        settings={
            "network": settings_of(plain.config), "images": plain.images, "dropout": list(RATIOS),
            "dropout_scaling": list(FORMS), "learning_rates": [plain.config.learning_rate, FASTER],
        },
        results={"share_of_units_kept_in_the_first_batches": [_share(chapter, step) for step in range(BATCHES)]},
        lab=lab.describe(),
    )  # fmt: skip


def _table(groups: dict[str, Group]) -> Table:
    plain = groups["without"]
    before = {FASTER: groups[f"without, rate {FASTER:g}"]}  # the networks without dropout at the same learning rate
    rows = [
        (label, *group.ends, gained(before.get(group.config.learning_rate or 0.0, plain), group))
        for label, group in groups.items()
    ]
    return Table(title=over_seeds(plain), heads=("", "training", "test", "gap", "test, gained"), rows=rows)


def _figure(lab: Lab, groups: dict[str, Group]) -> Chart:
    plain, chapter = groups["without"], groups[_name("test-time", RATIO)]
    titles = {"test-time": f"Ratio {RATIO:g} in the chapter's form", "inverted": f"Ratio {RATIO:g}, inverted"}
    curves = [
        curves_panel(title, "accuracy", {"no dropout": (plain, "-before"), "dropout": (groups[_name(form, RATIO)], "")})
        for form, title in titles.items()
    ]
    return Chart(
        name="dropout",
        title=f"Dropout {RATIO:g}: the gap goes from {plain.gap.mean:.2f} to {chapter.gap.mean:.2f}",
        subtitle=subtitle(lab, plain.config, plain.images),
        panels=[
            *curves,
            _sweep(groups, "Test accuracy", "test accuracy", lambda group: group.test),
            _sweep(groups, "Gap", "training − test accuracy", lambda group: group.gap),
        ],
    )


def dropout_configs(lab: Lab) -> dict[str, TrainConfig]:
    """Return the settings of this experiment by name."""
    configs = {"without": lab.config(epochs=EPOCHS)}
    for form in FORMS:
        for ratio in RATIOS:
            configs[_name(form, ratio)] = lab.config(epochs=EPOCHS, dropout=ratio, dropout_scaling=form)
    configs[f"without, rate {FASTER:g}"] = lab.config(epochs=EPOCHS, learning_rate=FASTER)
    for ratio in RATIOS[:3]:
        configs[faster_name(ratio)] = lab.config(epochs=EPOCHS, dropout=ratio, learning_rate=FASTER)
    return configs


def faster_name(ratio: float) -> str:
    """Name the inverted form at the higher learning rate."""
    return f"{_name('inverted', ratio)}, rate {FASTER:g}"


def _name(form: str, ratio: float) -> str:
    return f"ratio {format_number(ratio)}, {FORMS[form]}"


def _sweep(groups: dict[str, Group], title: str, y_label: str, number: Callable[[Group], Spread]) -> Panel:
    lines: dict[str, Sequence[str]] = {
        "the chapter's form": ["without", *(_name("test-time", ratio) for ratio in RATIOS)],
        "inverted": ["without", *(_name("inverted", ratio) for ratio in RATIOS)],
        f"inverted, rate {FASTER:g}": [f"without, rate {FASTER:g}", *map(faster_name, RATIOS[:3])],
    }
    ratios = (0.0, *RATIOS)
    series = [
        spread_series(ratios[: len(labels)], [number(groups[label]) for label in labels], line, role)
        for role, (line, labels) in enumerate(lines.items())
    ]
    return Panel(
        title=title,
        x_label="ratio",
        y_label=y_label,
        series=series,
        x_ticks=[(ratio, format_number(ratio)) for ratio in ratios],
        y_range=(0.0, None),
        legend="lower left",
    )


def neurons(group: Group) -> UnitsChart:
    """Show the units that the first network of a group drops for the first image of each of the first batches."""
    config = group.config
    kept = [kept_units(config, 0, step, 1) for step in range(BATCHES)]
    pictures = [[layer[0, :SHOWN_UNITS].tolist() for layer in layers] for layers in kept]
    shown = min(SHOWN_UNITS, max(config.hidden, default=0))
    return UnitsChart(
        name="dropout-neurons",
        title="Which units are dropped in three successive batches",
        subtitle=f"Ratio {config.dropout}: the first {shown} units of each hidden layer, for the first image of each "
        "batch, as the training of seed 0 drew them",
        heads=[f"batch {step + 1}" for step in range(BATCHES)],
        pictures=pictures,
        widths=config.hidden,
    )


def _share(group: Group, step: int) -> float:
    """Return the share of units kept, over all images of a batch."""
    rows = min(group.config.batch_size, group.images)
    kept = kept_units(group.config, 0, step, rows)
    total = sum(layer.size for layer in kept)
    return sum(int(layer.sum()) for layer in kept) / total if total else 1.0
