"""When a claim of the chapter holds: the thresholds, and the sentences that follow from the numbers."""

from __future__ import annotations

from collections.abc import Mapping

from fastnet.config.text import format_hidden
from fastnet.config.training import TrainConfig
from fastnet.experiments.lab import Group, Lab
from fastnet.experiments.outcome import Claim
from fastnet.experiments.summary import Spread, clearly_above, difference, interval_text
from fastnet.report.text import counted

FITTED = 0.995
"""Training accuracy from which it counts as 1.00."""

LEAST_GAP = 0.05
"""A smaller distance between training and test accuracy is not called overfitting."""

LEAST_GAIN = 0.05
"""A remedy has to shrink the gap by at least so much,"""

LEAST_KEPT = 0.75
"""A setting that keeps less than this part of the test accuracy is not reported as one with which a claim holds;"""

LEAST_BETTER = 0.005
"""a test accuracy is called better from so much on; the interval of the difference has to be above 0 too."""


def narrowed(before: Group, after: Group) -> Spread:
    """By how much the gap is smaller, seed by seed: networks of a seed begin with the same weights."""
    return difference(before.gap, after.gap)


def gained(before: Group, after: Group) -> Spread:
    """By how much test accuracy is higher, seed by seed."""
    return difference(after.test, before.test)


def works(before: Group, after: Group) -> bool:
    """Whether a remedy does what the chapter says: a smaller gap, and training accuracy below 1.00."""
    return clearly_above(narrowed(before, after), LEAST_GAIN) and after.train.mean < FITTED


def remedy_claims(groups: Mapping[str, Group], before: Group, chosen: str) -> tuple[tuple[Claim, ...], str]:
    """Say whether a remedy does what the chapter says.

    Parameters
    ----------
    groups : mapping of str to Group
        The remedy in several strengths.
    before : Group
        The same without it.
    chosen : str
        The chapter's strength.

    Returns
    -------
    claims : tuple of Claim
    verdict : str
        One sentence; where the chapter's strength does not do it, with one that does.
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
    by = f"the gap is smaller by {interval_text(smaller)}"
    stays = f"training accuracy {'stays at' if below else 'reaches'} {after.train.mean:.3f}"
    if shrinks and below:
        return claims, f"The chapter's claim holds here: {by} and {stays}{_price(before, after)}."
    others = [name for name, group in groups.items() if works(before, group) and _learns(before, group)]
    clearly = "" if smaller.mean <= 0.0 else "clearly "
    verdict = f"The chapter's claim does not {clearly}hold here with {chosen}: {by} and {stays}"
    if not others:
        return claims, f"{verdict}, and no other strength tried does what it says and still learns."
    best = max(others, key=lambda name: groups[name].test.mean)
    there = narrowed(before, groups[best])
    return claims, (
        f"{verdict}; it holds with {best}, where the gap is smaller by {interval_text(there)} and training accuracy "
        f"stays at {groups[best].train.mean:.3f}{_price(before, groups[best])}."
    )


def _learns(before: Group, after: Group) -> bool:
    return after.test.mean >= LEAST_KEPT * before.test.mean


def _price(before: Group, after: Group) -> str:
    """Say what the smaller gap costs or gains in test accuracy."""
    change = gained(before, after)
    if clearly_above(change, LEAST_BETTER):
        return f", and test accuracy is higher by {interval_text(change)}"
    if clearly_above(difference(before.test, after.test), LEAST_BETTER):
        return f", but test accuracy is lower, {after.test.mean:.3f} instead of {before.test.mean:.3f}"
    return f", with a test accuracy of {after.test.mean:.3f} instead of {before.test.mean:.3f}"


def tradeoff(groups: Mapping[str, Group], before: Group, plain: str) -> str:
    """Say whether any strength of a remedy makes test accuracy higher, for a small gap alone is worth nothing."""
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
    """Say in the title of a table what its numbers are."""
    number = len(group.networks)
    what = f": mean ± standard deviation over {number} seeds" if number > 1 else ", 1 seed"
    return f"After {counted(group.config.epochs, 'epoch')}{what}"


def subtitle(lab: Lab, config: TrainConfig, images: int, *, rate: bool = True, spread: bool = True) -> str:
    """Say in one line how a figure was measured; without the update rule or the spread where there is not one."""
    sizes = f"{lab.dataset.n_features}-{format_hidden(config.hidden).replace('x', '×').replace(',', '-')}"
    seeds = f"{lab.seeds} seeds, mean{' ± standard deviation' if spread else ''}" if lab.seeds > 1 else "1 seed"
    rule = f", {config.optimizer.upper()} {config.learning_rate:g}" if rate else ""
    return (
        f"{images:,} images of {lab.dataset.name}, {sizes}-{lab.dataset.n_classes}{rule}, batch {config.batch_size}; "
        f"{seeds}"
    )
