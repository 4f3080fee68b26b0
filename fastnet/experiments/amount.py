"""Section 6.4.3: more data as a remedy."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnet.experiments.lab import CHAPTER_IMAGES, Group, Lab, settings_of
from fastnet.experiments.outcome import Claim, Outcome, Table
from fastnet.experiments.overfitting import EPOCHS
from fastnet.experiments.panels import ACCURACY_RANGE, spread_series
from fastnet.experiments.rules import FITTED, LEAST_GAIN, subtitle
from fastnet.experiments.summary import clearly_above, interval_text, spread
from fastnet.report.chart import Chart, Panel

SIZES = (50, 100, 200, 300, 500, 1000, 2000, 4000)
LEAST_EPOCHS = 80
"""Fewest epochs. Beyond 300 images the epochs shrink so that the number of steps stays the same, but never below this,
with which 4,000 images are learnt as well as 300."""


def epochs_for(images: int, usual: int = EPOCHS) -> int:
    """Return the epochs for a number of images.

    >>> epochs_for(50), epochs_for(300), epochs_for(1000), epochs_for(4000)
    (201, 201, 80, 80)
    """
    return usual if images <= CHAPTER_IMAGES else max(LEAST_EPOCHS, usual * CHAPTER_IMAGES // images)


def sizes_up_to(most: int) -> list[int]:
    """Return the numbers of images to compare when `most` are available.

    >>> sizes_up_to(250), sizes_up_to(60_000)[-2:]
    ([50, 100, 200, 250], [2000, 4000])
    """
    return sorted({*(size for size in SIZES if size <= most), min(most, SIZES[-1])})


def data(lab: Lab) -> Outcome:
    """Train the chapter's network on more and more images."""
    sizes = sizes_up_to(lab.images(lab.dataset.n_samples))
    configs = {size: lab.config(epochs=epochs_for(size)) for size in sizes}
    groups = {size: lab.train({size: config}, images=size)[size] for size, config in configs.items()}
    few, many = groups[sizes[0]], groups[sizes[-1]]
    shrinks = spread(np.array(few.gap.values) - np.array(many.gap.values))
    holds = clearly_above(shrinks, LEAST_GAIN)
    fitted = [size for size in sizes if groups[size].train.mean >= FITTED]
    small, large = f"{sizes[0]:,}", f"{sizes[-1]:,}"
    seen = (
        f"From {small} to {large} images test accuracy goes from {few.test.mean:.3f} to {many.test.mean:.3f} and the "
        f"gap from {few.gap.mean:.3f} to {many.gap.mean:.3f}; training accuracy is {few.train.mean:.3f} and "
        f"{many.train.mean:.3f}."
    )
    by_heart = f"up to {max(fitted):,} of them" if fitted else "in none of these sets"
    verdict = (
        f"That enough data prevent overfitting {'holds' if holds else 'does not hold'} here: the gap shrinks by "
        f"{interval_text(shrinks)}; the network learns its images by heart {by_heart}."
    )
    return Outcome(
        name="data",
        title="Enough data",
        question="Does the same network overfit less with more training images (section 6.4.3)?",
        seen=seen,
        verdict=verdict,
        claims=(
            Claim(
                text="more data reduce overfitting",
                holds=holds,
                rule=f"gap of the fewest minus gap of the most images at least {LEAST_GAIN:g}, its interval above 0",
            ),
        ),
        tables=(
            Table(
                title=f"Mean ± standard deviation over {lab.seeds} seeds",
                heads=("images", "epochs", "training", "test", "gap"),
                rows=[(f"{size:,}", group.config.epochs, *group.ends) for size, group in groups.items()],
            ),
        ),
        figures=(
            Chart(
                name="data",
                title=f"More data: the gap goes from {few.gap.mean:.2f} to {many.gap.mean:.2f}",
                subtitle=subtitle(lab, many.config, sizes[-1]).replace(large, f"{small} to {large}", 1),
                panels=_panels(groups),
            ),
        ),
        settings={"network": settings_of(many.config), "images": sizes, "epochs": [epochs_for(n) for n in sizes]},
        lab=lab.describe(),
    )


def _panels(groups: dict[int, Group]) -> list[Panel]:
    sizes = list(groups)
    axis: dict[str, Any] = {
        "x_label": "training images", "x_scale": "log", "x_ticks": [(float(size), f"{size:,}") for size in sizes]
    }  # fmt: skip
    both = [
        spread_series(sizes, [group.test for group in groups.values()], "test", "test"),
        spread_series(sizes, [group.train for group in groups.values()], "training", "training"),
    ]
    gap = spread_series(sizes, [group.gap for group in groups.values()], "", 2)
    return [
        Panel(
            title="Accuracy after the last epoch",
            y_label="accuracy",
            series=both,
            y_range=ACCURACY_RANGE,
            legend="lower right",
            **axis,
        ),
        Panel(title="Gap", y_label="training − test accuracy", series=[gap], y_range=(0.0, None), **axis),
    ]
