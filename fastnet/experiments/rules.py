"""When a claim of the chapter holds: the thresholds, and the sentences derived from the numbers."""

from __future__ import annotations

from collections.abc import Mapping

from fastnet.config.text import format_hidden
from fastnet.config.training import TrainConfig
from fastnet.experiments.lab import Group, Lab
from fastnet.experiments.outcome import Claim
from fastnet.experiments.summary import Spread, clearly_above, difference, interval_text
from fastnet.report.text import counted

FITTED = 0.995
"""Least training accuracy that counts as 1.00."""

LEAST_GAP = 0.05
"""Least distance between training and test accuracy that counts as overfitting."""

LEAST_GAIN = 0.05
"""Least reduction of the gap by a remedy."""

LEAST_KEPT = 0.75
"""Least share of the test accuracy that a setting must keep to be reported as one with which a claim holds."""

LEAST_BETTER = 0.005
"""Least difference, with its interval above 0, at which a test accuracy counts as better."""


def narrowed(before: Group, after: Group) -> Spread:
    """Return the reduction of the gap seed by seed: networks of a seed begin with the same weights."""
    return difference(before.gap, after.gap)


def gained(before: Group, after: Group) -> Spread:
    """Return the increase in test accuracy, seed by seed."""
    return difference(after.test, before.test)


def remedy_claims(groups: Mapping[str, Group], before: Group, chosen: str) -> tuple[tuple[Claim, ...], str]:
    """Return the claims on a remedy and a verdict: it shrinks the gap and keeps training accuracy below 1.00.

    `groups` has the remedy in several strengths, `before` is without it, `chosen` is the chapter's strength. If the
    claims do not hold with that, the verdict names a strength with which they do.
    """
    after = groups[chosen]
    smaller, below = narrowed(before, after), after.train.mean < FITTED
    shrinks = clearly_above(smaller, LEAST_GAIN)
    claims = (
        Claim(
            text=f"with {chosen} the gap shrinks",
            holds=shrinks,
            rule=f"mean difference at least {LEAST_GAIN:g}, its interval above 0",
        ),
        Claim(text=f"with {chosen} training accuracy stays below 1.00", holds=below, rule=f"mean below {FITTED:g}"),
    )
    by = f"the gap shrinks by {interval_text(smaller)}"
    stays = f"training accuracy {'stays at' if below else 'reaches'} {after.train.mean:.3f}"
    if shrinks and below:
        return claims, f"The chapter's claim holds here: {by} and {stays}{_price(before, after)}."
    others = [name for name, group in groups.items() if _works(before, group)]
    clearly = "" if smaller.mean <= 0.0 else "clearly "
    verdict = f"The chapter's claim does not {clearly}hold here with {chosen}: {by} and {stays}"
    if not others:
        return claims, f"{verdict}; no other strength satisfies it and still learns."
    best = max(others, key=lambda name: groups[name].test.mean)
    there = narrowed(before, groups[best])
    return claims, (
        f"{verdict}; it holds with {best}, where the gap shrinks by {interval_text(there)} and training accuracy "
        f"stays at {groups[best].train.mean:.3f}{_price(before, groups[best])}."
    )


def _works(before: Group, after: Group) -> bool:
    """Return whether the claims hold and the network still learns."""
    learns = after.test.mean >= LEAST_KEPT * before.test.mean
    return learns and clearly_above(narrowed(before, after), LEAST_GAIN) and after.train.mean < FITTED


def _price(before: Group, after: Group) -> str:
    """Describe the change in test accuracy that comes with the smaller gap."""
    change = gained(before, after)
    if clearly_above(change, LEAST_BETTER):
        return f", and test accuracy is higher by {interval_text(change)}"
    if clearly_above(difference(before.test, after.test), LEAST_BETTER):
        return f", but test accuracy is lower, {after.test.mean:.3f} instead of {before.test.mean:.3f}"
    return f", with a test accuracy of {after.test.mean:.3f} instead of {before.test.mean:.3f}"


def tradeoff(groups: Mapping[str, Group], before: Group, plain: str) -> str:
    """Describe whether any strength of a remedy raises test accuracy; a small gap alone is worth nothing."""
    best = max(groups, key=lambda name: groups[name].test.mean)
    text = f"The highest test accuracy is {groups[best].test.mean:.3f}, with {best}; {plain} it is "
    text += f"{before.test.mean:.3f}, "
    change = gained(before, groups[best])
    if clearly_above(change, LEAST_BETTER):
        return f"{text}lower by {interval_text(change)}."
    worse = difference(before.test, groups[best].test)
    if clearly_above(worse, LEAST_BETTER):
        return f"{text}higher by {interval_text(worse)}."
    return f"{text}which is no clear difference: {interval_text(change)}."


def over_seeds(group: Group) -> str:
    """Return the title of a table of numbers over seeds."""
    number = len(group.networks)
    what = f": mean ± standard deviation over {number} seeds" if number > 1 else ", 1 seed"
    return f"After {counted(group.config.epochs, 'epoch')}{what}"


def subtitle(lab: Lab, config: TrainConfig, images: int, *, rate: bool = True, spread: bool = True) -> str:
    """Describe in one line how a figure was measured, with or without the update rule and the spread."""
    sizes = f"{lab.dataset.n_features}-{format_hidden(config.hidden).replace('x', '×').replace(',', '-')}"
    seeds = f"{lab.seeds} seeds, mean{' ± standard deviation' if spread else ''}" if lab.seeds > 1 else "1 seed"
    rule = f", {config.optimizer.upper()} {config.learning_rate:g}" if rate else ""
    return (
        f"{images:,} images of {lab.dataset.name}, {sizes}-{lab.dataset.n_classes}{rule}, batch {config.batch_size}; "
        f"{seeds}"
    )
