"""Section 6.4.1 and 6.4.2: a network that learns 300 images by heart, and weight decay against it."""

from __future__ import annotations

import numpy as np

from fastnet.config import TrainConfig, format_number
from fastnet.experiments.lab import Group, Lab, settings_of
from fastnet.experiments.outcome import Claim, Outcome, Table
from fastnet.experiments.panels import curves_panel, spread_series, sweep_panel
from fastnet.experiments.rules import FITTED, LEAST_GAP, gained, remedy_claims, subtitle, tradeoff
from fastnet.experiments.summary import Floats, Spread, clearly_above, interval_text, spread
from fastnet.report.chart import Chart, Panel

EPOCHS = 201
DECAY = 0.1
DECAYS = (0.0, 0.001, 0.01, 0.03, 0.06, 0.1, 0.2)


def plain_config(lab: Lab) -> TrainConfig:
    """Return the network of section 6.4.1."""
    return lab.config(epochs=EPOCHS)


def overfit(lab: Lab) -> Outcome:
    """Train the chapter's network on few images."""
    config = plain_config(lab)
    group = lab.train({"plain": config}, models=True)["plain"]
    train, test, gap = group.train, group.test, group.gap
    curves = group.curves
    fitted_at = spread([_first(row >= FITTED) for row in curves[:, 1]])
    turn = spread(np.argmin(np.where(np.isfinite(curves[:, 2]), curves[:, 2], np.inf), axis=1) + 1.0)
    lowest, last = spread(np.nanmin(curves[:, 2], axis=1)), spread(curves[:, 2, -1])
    by_heart, apart = train.mean >= FITTED, clearly_above(gap, LEAST_GAP)
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
    names = ("training accuracy", "test accuracy", "gap", "training loss", "test loss", "lowest test loss")
    spreads = (train, test, gap, spread(curves[:, 0, -1]), last, lowest)
    rows = [(name, *_numbers(item)) for name, item in zip(names, spreads, strict=True)]
    rows += [
        (f"epoch of training accuracy {FITTED:g}", *_numbers(fitted_at)),
        ("epoch of lowest test loss", *_numbers(turn)),
    ]
    return Outcome(
        name="overfit",
        title="Overfitting",
        question="Does a network of seven layers learn few images by heart (section 6.4.1)?",
        seen=seen,
        verdict=verdict,
        claims=(
            Claim(
                text="training accuracy reaches 1.00 while test accuracy stays behind",
                holds=by_heart and apart,
                rule=f"mean training accuracy at least {FITTED:g}; mean gap at least {LEAST_GAP:g}, its interval above 0",
            ),
        ),
        tables=(
            Table(
                title=f"After {config.epochs} epochs, over {lab.seeds} seeds",
                heads=("", "mean", "sd", "95 % interval", "least", "most"),
                rows=rows,
            ),
        ),
        figures=(
            Chart(
                name="overfit",
                title=f"Overfitting: training accuracy {train.mean:.2f}, test accuracy {test.mean:.2f}",
                subtitle=subtitle(lab, config, group.images),
                panels=[
                    curves_panel("Accuracy", "accuracy", {"": (group, "")}),
                    curves_panel("Loss", "loss", {"": (group, "")}, legend="center right"),
                ],
            ),
        ),
        settings={"network": settings_of(config), "images": group.images},
        lab=lab.describe(),
    )


def weight_decay(lab: Lab) -> Outcome:
    """Train it with weight decay, the chapter's and others."""
    configs = {decay: lab.config(epochs=EPOCHS, weight_decay=decay) for decay in DECAYS}
    groups = lab.train(configs, models=True)
    before, after = groups[0.0], groups[DECAY]
    squares = {decay: squared_weights(group) for decay, group in groups.items()}
    claims, verdict = remedy_claims(
        {f"λ = {format_number(decay)}": group for decay, group in groups.items() if decay}, before,
        f"λ = {format_number(DECAY)}",
    )  # fmt: skip
    fewer = squares[0.0].sum(axis=1).mean() / max(squares[DECAY].sum(axis=1).mean(), 1e-30)
    sizes = f"all squared weights together come to {squares[0.0].sum(axis=1).mean():.0f} and {_short(squares[DECAY])}"
    seen = (
        f"With λ = {DECAY:g} training accuracy ends at {after.train.mean:.3f} in place of {before.train.mean:.3f} and "
        f"the gap at {after.gap.mean:.3f} in place of {before.gap.mean:.3f}; {sizes}, {fewer:.3g} times less."
    )
    claims += (
        Claim(
            text="weight decay keeps the weights small",
            holds=bool((squares[DECAY].mean(axis=0) < squares[0.0].mean(axis=0)).all()),
            rule="mean Σ w² of every layer smaller than without",
        ),
    )
    rows = [
        (
            f"λ = {format_number(decay)}",
            group.train,
            group.test,
            group.gap,
            gained(before, group),
            squares[decay].sum(axis=1).mean(),
        )
        for decay, group in groups.items()
    ]
    return Outcome(
        name="weight-decay",
        title="Weight decay",
        question="Does a penalty on large weights hold overfitting back (section 6.4.2)?",
        seen=seen,
        verdict=verdict,
        remarks=(tradeoff({f"λ = {format_number(d)}": group for d, group in groups.items() if d}, before),),
        claims=claims,
        tables=(
            Table(
                title=f"After {before.config.epochs} epochs: mean ± standard deviation over {lab.seeds} seeds",
                heads=("", "training", "test", "gap", "test, gained", "Σ w²"),
                rows=rows,
            ),
            Table(
                title="Σ w² of each layer, mean over the seeds",
                heads=("layer", "λ = 0", f"λ = {DECAY:g}", "L2 norm, λ = 0", f"L2 norm, λ = {DECAY:g}"),
                rows=[
                    (str(layer + 1), *(float(squares[d][:, layer].mean()) for d in (0.0, DECAY)),
                     *(float(np.sqrt(squares[d][:, layer]).mean()) for d in (0.0, DECAY)))
                    for layer in range(squares[0.0].shape[1])
                ],  # fmt: skip
            ),
        ),
        figures=(
            Chart(
                name="weight-decay",
                title=f"Weight decay: the gap goes from {before.gap.mean:.2f} to {after.gap.mean:.2f}",
                subtitle=subtitle(lab, after.config, before.images),
                panels=[
                    curves_panel(
                        f"λ = {DECAY:g}, and without", "accuracy",
                        {"λ = 0": (before, "-before"), f"λ = {DECAY:g}": (after, "")},
                    ),
                    sweep_panel("Other λ", "λ", [format_number(decay) for decay in DECAYS], list(groups.values())),
                    _squares_panel(squares),
                ],
                columns=3,
            ),
        ),
        settings={"network": settings_of(before.config), "images": before.images, "weight_decay": list(DECAYS)},
        results={"squared_weights_by_layer": {format_number(decay): values for decay, values in squares.items()}},
        lab=lab.describe(),
    )  # fmt: skip


def squared_weights(group: Group) -> Floats:
    """Return Σ w² of every layer, biases left out, (S, L); its root is the L2 norm that the chapter explains.

    Examples
    --------
    >>> squared_weights(Group(TrainConfig(), 300, ())).shape
    (0, 7)
    """
    sums = [[float(np.square(weights, dtype=np.float64).sum()) for weights in model.weights] for model in group.models]
    return np.array(sums, np.float64).reshape(len(sums), len(group.config.hidden) + 1)


def _squares_panel(squares: dict[float, Floats]) -> Panel:
    layers = list(range(1, squares[0.0].shape[1] + 1))
    series = [
        spread_series(
            layers, [spread(squares[decay][:, layer - 1]) for layer in layers], f"λ = {format_number(decay)}", role
        )
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
    """Return the first epoch, from 1, at which something is reached; NaN for never."""
    return float(np.argmax(reached)) + 1.0 if reached.any() else float("nan")


def _short(squares: Floats) -> str:
    return f"{squares.sum(axis=1).mean():.3g}"
