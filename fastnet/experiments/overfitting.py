"""Sections 6.4.1 and 6.4.2: a network that learns 300 images by heart, and weight decay as a remedy."""

from __future__ import annotations

import numpy as np

from fastnet.config.text import format_number
from fastnet.config.training import TrainConfig
from fastnet.experiments.lab import Group, Lab, settings_of
from fastnet.experiments.outcome import Claim, Outcome, Table
from fastnet.experiments.panels import curves_panel, spread_series, sweep_panel
from fastnet.experiments.rules import FITTED, LEAST_GAP, gained, over_seeds, remedy_claims, subtitle, tradeoff
from fastnet.experiments.summary import Floats, Spread, clearly_above, interval_text, spread
from fastnet.report.chart import Chart, Panel
from fastnet.report.text import counted

EPOCHS = 201
DECAY = 0.1
DECAYS = (0.0, 0.001, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2)


def plain_config(lab: Lab) -> TrainConfig:
    """Return the network of section 6.4.1."""
    return lab.config(epochs=EPOCHS)


def overfit(lab: Lab) -> Outcome:
    """Train the chapter's network on few images."""
    config = plain_config(lab)
    group = lab.train({"plain": config}, models=True)["plain"]
    train, test, gap = group.train, group.test, group.gap
    by_heart, apart = train.mean >= FITTED, clearly_above(gap, LEAST_GAP)
    lowest, turn, last = lowest_loss(group)
    seen = (
        f"After {config.epochs} epochs training accuracy is {train.mean:.3f} and test accuracy {test.mean:.3f}, "
        f"a gap of {interval_text(gap)}; the test loss is lowest after {turn.mean:.0f} epochs, at {lowest.mean:.2f}, "
        f"and ends at {last.mean:.2f}."
    )
    verdict = "The network learns its images by heart and does worse on others: the chapter's claim holds here."
    if not (by_heart and apart):
        reasons = [] if by_heart else [f"training accuracy stays below {FITTED:g}"]
        reasons += [] if apart else [f"the gap is not clearly {LEAST_GAP:g} or more"]
        verdict = f"The chapter's claim does not hold here: {' and '.join(reasons)}."
    claim = Claim(
        text="training accuracy reaches 1.00 while test accuracy stays behind",
        holds=by_heart and apart,
        rule=f"mean training accuracy at least {FITTED:g}; mean gap at least {LEAST_GAP:g}, the interval above 0",
    )
    panels = [
        curves_panel("Accuracy", "accuracy", {"": (group, "")}),
        curves_panel("Loss", "loss", {"": (group, "")}, legend="center right"),
    ]
    title = f"Overfitting: training accuracy {train.mean:.2f}, test accuracy {test.mean:.2f}"
    return Outcome(
        name="overfit",
        title="Overfitting",
        question="Does a network of seven layers learn few images by heart (section 6.4.1)?",
        seen=seen,
        verdict=verdict,
        claims=(claim,),
        tables=(_overfit_table(group),),
        figures=(Chart(name="overfit", title=title, subtitle=subtitle(lab, config, group.images), panels=panels),),
        settings={"network": settings_of(config), "images": group.images},
        lab=lab.describe(),
    )


def lowest_loss(group: Group) -> tuple[Spread, Spread, Spread]:
    """Return the lowest test loss, its epoch, and the last test loss."""
    losses = np.where(np.isfinite(group.curves[:, 2]), group.curves[:, 2], np.inf)
    return spread(losses.min(axis=1)), spread(losses.argmin(axis=1) + 1.0), spread(group.curves[:, 2, -1])


def _overfit_table(group: Group) -> Table:
    lowest, turn, last = lowest_loss(group)
    fitted = spread([_first(row >= FITTED) for row in group.curves[:, 1]])
    rows = {
        "training accuracy": group.train,
        "test accuracy": group.test,
        "gap": group.gap,
        "training loss": spread(group.curves[:, 0, -1]),
        "test loss": last,
        "lowest test loss": lowest,
        f"epoch of training accuracy {FITTED:g}": fitted,
        "epoch of lowest test loss": turn,
    }
    return Table(
        title=f"After {group.config.epochs} epochs, over {counted(len(group.networks), 'seed')}",
        heads=("", "mean", "sd", "95 % interval", "least", "most"),
        rows=[(name, *_numbers(found)) for name, found in rows.items()],
    )


def weight_decay(lab: Lab) -> Outcome:
    """Train the chapter's network with weight decay, the chapter's and others."""
    configs = {decay: lab.config(epochs=EPOCHS, weight_decay=decay) for decay in DECAYS}
    groups = lab.train(configs, models=True)
    before, after = groups[0.0], groups[DECAY]
    squares = {decay: squared_weights(group) for decay, group in groups.items()}
    total, small = total_of(squares[0.0]), total_of(squares[DECAY])
    strengths = {_name(decay): group for decay, group in groups.items() if decay}
    claims, verdict = remedy_claims(strengths, before, _name(DECAY))
    seen = (
        f"With {_name(DECAY)} training accuracy ends at {after.train.mean:.3f} instead of {before.train.mean:.3f} and "
        f"the gap at {after.gap.mean:.3f} instead of {before.gap.mean:.3f}; the sum of all squared weights is "
        f"{small:,.0f} instead of {total:,.0f}."
    )
    smaller = Claim(
        text="weight decay keeps the weights small",
        holds=bool((by_layer(squares[DECAY]) < by_layer(squares[0.0])).all()),
        rule="mean Σ w² of every layer smaller than without",
    )
    return Outcome(
        name="weight-decay",
        title="Weight decay",
        question="Does a penalty on large weights prevent overfitting (section 6.4.2)?",
        seen=seen,
        verdict=verdict,
        remarks=(tradeoff(strengths, before, "with λ = 0"),),
        claims=(*claims, smaller),
        tables=_decay_tables(groups, squares),
        figures=(_decay_figure(lab, groups, squares),),
        settings={"network": settings_of(before.config), "images": before.images, "weight_decay": list(DECAYS)},
        results={"squared_weights_by_layer": {format_number(decay): values for decay, values in squares.items()}},
        lab=lab.describe(),
    )


def _decay_tables(groups: dict[float, Group], squares: dict[float, Floats]) -> tuple[Table, ...]:
    before = groups[0.0]
    rows = [
        (_name(decay), *group.ends, gained(before, group), total_of(squares[decay])) for decay, group in groups.items()
    ]
    pair = (0.0, DECAY)
    sums = [by_layer(squares[decay]) for decay in pair] + [by_layer(np.sqrt(squares[decay])) for decay in pair]
    return (
        Table(title=over_seeds(before), heads=("", "training", "test", "gap", "test, gained", "Σ w²"), rows=rows),
        Table(
            title="Σ w² and L2 norm of each layer, mean over the seeds",
            heads=("layer", *(f"Σ w², {_name(decay)}" for decay in pair), *(f"norm, {_name(decay)}" for decay in pair)),
            rows=[(str(layer + 1), *row) for layer, row in enumerate(np.transpose(sums).tolist())],
        ),
    )


def _decay_figure(lab: Lab, groups: dict[float, Group], squares: dict[float, Floats]) -> Chart:
    before, after = groups[0.0], groups[DECAY]
    both = {"λ = 0": (before, "-before"), _name(DECAY): (after, "")}
    return Chart(
        name="weight-decay",
        title=f"Weight decay: the gap goes from {before.gap.mean:.2f} to {after.gap.mean:.2f}",
        subtitle=subtitle(lab, after.config, before.images),
        panels=[
            curves_panel(f"{_name(DECAY)}, and without", "accuracy", both),
            sweep_panel("Other λ", "λ", [format_number(decay) for decay in DECAYS], list(groups.values())),
            _squares_panel(squares),
        ],
        columns=3,
    )


def squared_weights(group: Group) -> Floats:
    """Return Σ w² of every layer without biases, (S, L); NaN where a seed diverged. Its root is the L2 norm."""
    rows = np.full((len(group.networks), len(group.config.hidden) + 1), np.nan)
    for row, network in zip(rows, group.networks, strict=True):
        if network.model is not None:
            row[:] = [np.square(weights, dtype=np.float64).sum() for weights in network.model.weights]
    return rows


def total_of(squares: Floats) -> float:
    """Return Σ w² of all layers, averaged over the seeds that did not diverge."""
    return spread(squares.sum(axis=1)).mean


def by_layer(squares: Floats) -> Floats:
    """Return Σ w² of each layer, (L,), averaged over the seeds that did not diverge."""
    return np.array([spread(column).mean for column in squares.T])


def _name(decay: float) -> str:
    return f"λ = {format_number(decay)}"


def _squares_panel(squares: dict[float, Floats]) -> Panel:
    layers = list(range(1, squares[0.0].shape[1] + 1))
    series = [
        spread_series(layers, [spread(squares[decay][:, layer - 1]) for layer in layers], _name(decay), role)
        for role, decay in enumerate((0.0, 0.01, 0.03, DECAY))
    ]
    return Panel(
        title="Σ w² of each layer",
        x_label="layer",
        y_label="Σ w²",
        series=series,
        y_range=(0.0, None),
        x_ticks=[(float(layer), str(layer)) for layer in layers],
        legend="lower left",
    )


def _numbers(item: Spread) -> tuple[float, float | None, str, float, float]:
    interval = "-" if np.isnan(item.low) else f"{item.low:.4g} to {item.high:.4g}"
    values = [value for value in item.values if np.isfinite(value)] or [np.nan]
    return item.mean, None if np.isnan(item.sd) else item.sd, interval, min(values), max(values)


def _first(reached: np.ndarray) -> float:
    """Return the first epoch, from 1, at which the mask is set; NaN if it never is."""
    return float(np.argmax(reached)) + 1.0 if reached.any() else float("nan")
