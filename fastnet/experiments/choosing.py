"""Section 6.5.1: the test accuracy of settings chosen by the test set, and of settings chosen by validation data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastnet.config.training import TrainConfig
from fastnet.errors import DataError
from fastnet.experiments.lab import Lab, settings_of
from fastnet.experiments.outcome import Claim, Outcome, Table
from fastnet.experiments.panels import spread_series
from fastnet.experiments.rules import subtitle
from fastnet.experiments.summary import Floats, Spread, clearly_above, interval_text, spread
from fastnet.report.chart import Chart, Panel, Series
from fastnet.tuning.run.sampler import Random
from fastnet.tuning.space.names import Value
from fastnet.tuning.space.space import Space, configured

EPOCHS = 50
CANDIDATES = 30
COUNTS = (1, 2, 3, 5, 10, 20, 30)
SPACE = {"learning_rate": "log:0.01:0.2", "weight_decay": "log:1e-8:1e-2"}
"""Nearly all settings here do well, as in the later rounds of a search, so luck decides among them."""

SPLITS = 1000
PART = 100
"""Images of each small test and validation set; section 6.5.3 validates with 100."""

LEAST_OPTIMISM = 0.005
"""Least mean difference, with its interval above 0, at which a reported accuracy counts as too high."""

_EDGES = np.linspace(-0.17, 0.21, 20)


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """The results for one seed of the networks, each (counts, splits)."""

    by_test: Floats  # reported minus true accuracy of the settings chosen
    by_validation: Floats
    truth_by_test: Floats  # accuracy on unseen images
    truth_by_validation: Floats


def validation(lab: Lab) -> Outcome:
    """Choose among settings by small test sets, and by small validation sets."""
    n_test = lab.test.n_samples
    part = min(PART, n_test // 4)
    if part < 2:
        raise DataError(f"{lab.dataset.name} has {n_test} test samples: choosing needs at least 8 to divide")
    space = Space.parse(SPACE)
    drawn = Random(0).draw(space, np.arange(CANDIDATES))
    base = lab.config(epochs=EPOCHS)
    configs = {number: configured(base, values) for number, values in enumerate(drawn)}
    groups = lab.train(configs, models=True)
    lab.report()
    found = []
    for seed in range(lab.seeds):
        right = np.zeros((CANDIDATES, n_test))
        for number, group in groups.items():
            model = group.networks[seed].model
            if model is not None:
                right[number] = model.predict_index(lab.test.x) == lab.test.y
        found.append(choose(right, part, seed))
    lab.forget()
    return _outcome(lab, base, drawn, found, part)


def choose(right: NDArray[np.float64], part: int, seed: int) -> Choices:
    """Split the test samples many times, and choose among the first candidates each time.

    `right` is (candidates, N), 1 where a candidate classifies a sample correctly; `part` is the size of the test and of
    the validation set, and all other samples count as unseen.

    >>> coins = np.random.Generator(np.random.Philox(1)).integers(0, 2, (30, 1000)).astype(float)
    >>> choices = choose(coins, 100, 0)
    >>> bool(choices.by_test[-1].mean() > 0.08), bool(abs(choices.by_validation[-1].mean()) < 0.02)
    (True, True)
    """
    generator = np.random.Generator(np.random.Philox(key=seed))
    columns: list[list[tuple[float, float, float, float]]] = []
    for _ in range(SPLITS):
        order = generator.permutation(right.shape[1])
        test, checked, unseen = np.split(order, [part, 2 * part])
        on_test, on_checked, on_unseen = (right[:, rows].mean(axis=1) for rows in (test, checked, unseen))
        chosen = [(int(np.argmax(on_test[:count])), int(np.argmax(on_checked[:count]))) for count in COUNTS]
        promised = on_test - on_unseen
        columns.append([(promised[a], promised[b], on_unseen[a], on_unseen[b]) for a, b in chosen])
    return Choices(*np.array(columns).transpose(2, 1, 0))


def _outcome(lab: Lab, base: TrainConfig, drawn: list[dict[str, Value]], found: list[Choices], part: int) -> Outcome:
    by_test, by_validation, truth_test, truth_validation = (
        [spread([getattr(choices, name)[place].mean() for choices in found]) for place in range(len(COUNTS))]
        for name in ("by_test", "by_validation", "truth_by_test", "truth_by_validation")
    )
    optimistic = clearly_above(by_test[-1], LEAST_OPTIMISM)
    error = by_validation[-1]
    honest = abs(error.mean) < LEAST_OPTIMISM or np.isnan(error.low) or error.low <= 0.0 <= error.high
    seen = (
        f"Of {CANDIDATES} settings, the one chosen by {part} test images reports an accuracy that is "
        f"{interval_text(by_test[-1])} higher than on unseen images; with {part} validation images to choose by, the "
        f"difference is {interval_text(by_validation[-1])}."
    )
    verdict = (
        f"That a test set used for choosing no longer shows how the network performs on new data "
        f"{'holds here' if optimistic else 'cannot be seen here'}, and the error "
        f"{'grows' if by_test[-1].mean > by_test[2].mean else 'does not grow'} with the number of settings; with "
        f"validation data the test accuracy is {'right' if honest else 'off as well'}."
    )
    return Outcome(
        name="validation",
        title="Validation data",
        question="Can settings be chosen by the test set (section 6.5.1)?",
        seen=seen,
        verdict=verdict,
        claims=_claims(optimistic, bool(honest)),
        tables=(
            Table(
                title=f"Reported minus true accuracy, {SPLITS} divisions for each of {lab.seeds} seeds",
                heads=("settings tried", "chosen by test", "chosen by validation"),
                rows=list(zip(map(str, COUNTS), by_test, by_validation, strict=True)),
            ),
            Table(
                title="Accuracy of the settings chosen, on unseen images",
                heads=("", "accuracy"),
                rows=[("chosen by test", truth_test[-1]), ("chosen by validation", truth_validation[-1])],
            ),
        ),
        figures=(
            Chart(
                name="validation",
                title=f"Chosen by the test set: {by_test[-1].mean:.3f} too optimistic",
                subtitle=subtitle(lab, base, lab.images(), rate=False)
                + f"; {CANDIDATES} settings, test and validation sets of {part}",
                panels=[_histogram(found), _counts(by_test, by_validation)],
            ),
        ),
        settings={
            "network": settings_of(base), "images": lab.images(), "space": SPACE, "candidates": CANDIDATES,
            "divisions": SPLITS, "part": part,
        },
        results={"candidates": drawn},
        lab=lab.describe(),
    )  # fmt: skip


def _claims(optimistic: bool, honest: bool) -> tuple[Claim, ...]:
    return (
        Claim(
            text="a test set used to choose settings is too optimistic",
            holds=optimistic,
            rule=f"mean difference at least {LEAST_OPTIMISM:g}, its interval above 0",
        ),
        Claim(
            text="a test set used only once, at the end, is not",
            holds=honest,
            rule=f"mean difference below {LEAST_OPTIMISM:g}, or its interval contains 0",
        ),
    )


def _histogram(found: list[Choices]) -> Panel:
    """Draw the differences between reported and true accuracy over all divisions and seeds."""
    middles = (_EDGES[:-1] + _EDGES[1:]) / 2
    series = []
    for name, label, role in (("by_test", "chosen by test", 1), ("by_validation", "chosen by validation", 0)):
        values = np.concatenate([getattr(choices, name)[-1] for choices in found])
        share = np.histogram(values, _EDGES)[0] / len(values)
        series.append(Series(label=label, x=middles, y=share, kind="area", role=role))
    return Panel(
        title=f"The best of {CANDIDATES}",
        x_label="reported test accuracy − accuracy on unseen images",
        y_label="share of the divisions",
        series=series,
        y_range=(0.0, None),
        legend="upper left",
    )


def _counts(by_test: list[Spread], by_validation: list[Spread]) -> Panel:
    places = list(range(len(COUNTS)))
    return Panel(
        title="Error by the number of settings tried",
        x_label="settings to choose from",
        y_label="mean of reported − true accuracy",
        series=[
            spread_series(places, by_test, "chosen by test", 1),
            spread_series(places, by_validation, "chosen by validation", 0),
        ],
        x_ticks=[(float(place), str(count)) for place, count in zip(places, COUNTS, strict=True)],
        legend="upper left",
    )
