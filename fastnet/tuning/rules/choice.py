"""The final choice: the best trials of a search are trained again on fresh seeds, and one of them is kept.

The best of many trials was also lucky, so its value is optimistic, and the order of the first few means little. Repeats
with other random numbers do not have this bias.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnet.config.metric import DEFAULT_METRIC, METRICS, four_digits, sign
from fastnet.tuning.space.names import Value
from fastnet.tuning.trial import TrialResult, known, rank

CONFIDENCE = 0.95
"""Share of all choices in which the interval of a candidate contains its mean over all seeds."""

LEAST_OPTIMISM = 5e-4
"""Smaller differences between search and repeats are reported as none; of errors in units, relative to the mean."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A candidate and its results on fresh seeds.

    Parameters
    ----------
    trial : TrialResult
        The candidate, as the search found it.
    values : tuple of float
        The metric after the last epoch of each repeat; NaN if it diverged.
    mean, sd : float
        Mean and sample standard deviation over the repeats that did not diverge; NaN if too few are left.
    low, high : float
        Ends of the interval of the mean, see `choose`; NaN if the standard deviation is NaN or 0.
    parameters : int or None
        Number of weights and biases of the network, if known.
    """

    trial: TrialResult
    values: tuple[float, ...]
    mean: float
    sd: float
    low: float
    high: float
    parameters: int | None = None

    @property
    def diverged(self) -> int:
        """Number of repeats that diverged."""
        return sum(not math.isfinite(value) for value in self.values)

    def to_dict(self) -> dict[str, Any]:
        """Return the candidate in plain values ready for JSON, None for NaN."""
        return {
            "trial": self.trial.id,
            "params": dict(self.trial.params),
            "search_value": known(self.trial.value),
            "values": [known(value) for value in self.values],
            "mean": known(self.mean),
            "sd": known(self.sd),
            "low": known(self.low),
            "high": known(self.high),
            "diverged": self.diverged,
            "parameters": self.parameters,
        }


@dataclass(frozen=True, slots=True, eq=False)
class FinalChoice:
    """The candidates, at least one, in the order of their means, the winner first.

    `optimism` says by how much the values of the search are better than the means, averaged over the candidates; NaN if
    unknown. `words` is the outcome in words.
    """

    metric: str
    scores: tuple[Candidate, ...]
    optimism: float
    words: str

    @property
    def winner(self) -> Candidate:
        """The chosen candidate."""
        return self.scores[0]

    def to_dict(self) -> dict[str, Any]:
        """Return everything in dicts and lists of plain values, ready for JSON."""
        return {
            "metric": self.metric,
            "winner": self.winner.trial.id,
            "optimism": known(self.optimism),
            "confidence": CONFIDENCE,
            "candidates": [score.to_dict() for score in self.scores],
            "words": self.words,
        }


def candidates(trials: Iterable[TrialResult], n: int, metric: str = DEFAULT_METRIC) -> tuple[TrialResult, ...]:
    """Return the `n` best trials with different hyperparameters, the best first; fewer if there are no more.

    Examples
    --------
    >>> curve = np.zeros((4, 1), np.float32)
    >>> tried = [("adam", 0.9), ("sgd", 0.8), ("adam", 0.7), ("momentum", 0.6)]
    >>> trials = [TrialResult(i, "done", {"optimizer": o}, v, v, 1, curve, 0.1) for i, (o, v) in enumerate(tried)]
    >>> [trial.id for trial in candidates(trials, 3)]
    [0, 1, 3]
    """
    different: dict[tuple[tuple[str, Value], ...], TrialResult] = {}
    for trial in rank(trials, metric):
        if math.isfinite(trial.value):
            different.setdefault(tuple(sorted(trial.params.items())), trial)
    return tuple(different.values())[:n]


def choose(
    candidates: Sequence[TrialResult],
    repeats: Sequence[Sequence[TrialResult]],
    metric: str = DEFAULT_METRIC,
    parameters: Sequence[int] | None = None,
) -> FinalChoice:
    """Choose the candidate with the best mean over its repeats.

    Candidates with fewer diverged repeats come first. Equal means go to the smaller network, then to the earlier trial.

    Parameters
    ----------
    candidates : sequence of TrialResult
        At least one, as `candidates` returns them.
    repeats : sequence of sequence of TrialResult
        At least one repeat of each candidate.
    metric : str
        The metric of the values.
    parameters : sequence of int, optional
        Number of weights and biases of each candidate's network.

    Notes
    -----
    The interval is Student's: ``mean ± t sd / sqrt(n)`` with the 97.5 % quantile t for ``n - 1`` degrees of freedom.
    It describes one candidate over all seeds on these data, not the best of several, and not other data. It is clipped
    to the range of the metric. Equal values give no interval: so few do not show how they spread.

    Examples
    --------
    >>> curve = np.zeros((4, 1), np.float32)
    >>> def trial(i, value):
    ...     return TrialResult(i, "done", {"dropout": i / 10}, value, value, 1, curve, 0.1)
    >>> found = [trial(1, 0.90), trial(2, 0.88)]
    >>> again = [[trial(1, value) for value in (0.82, 0.80, 0.84)], [trial(2, value) for value in (0.86, 0.87, 0.85)]]
    >>> choice = choose(found, again)
    >>> choice.winner.trial.id, round(choice.winner.mean, 3), round(choice.optimism, 3)
    (2, 0.86, 0.05)
    """
    sizes: Sequence[int | None] = [None] * len(candidates) if parameters is None else parameters
    scores = [
        _score(trial, tuple(again.value for again in runs), metric, size)
        for trial, runs, size in zip(candidates, repeats, sizes, strict=True)
    ]
    scores.sort(key=lambda score: _order(score, metric))
    gaps = [sign(metric) * (score.trial.value - score.mean) for score in scores if math.isfinite(score.mean)]
    optimism = math.fsum(gaps) / len(gaps) if gaps else math.nan
    return FinalChoice(metric, tuple(scores), optimism, _words(scores, metric, optimism))


def _score(trial: TrialResult, values: tuple[float, ...], metric: str, parameters: int | None) -> Candidate:
    good = np.array([value for value in values if math.isfinite(value)], dtype=np.float64)
    mean = float(good.mean()) if len(good) else math.nan
    if len(good) < 2:
        return Candidate(trial, values, mean, math.nan, math.nan, math.nan, parameters)
    from scipy.special import stdtrit

    sd = float(good.std(ddof=1)) if np.ptp(good) > 0 else 0.0
    if sd == 0.0:
        return Candidate(trial, values, mean, sd, math.nan, math.nan, parameters)
    half = float(stdtrit(len(good) - 1, 0.5 + CONFIDENCE / 2)) * sd / math.sqrt(len(good))
    return Candidate(trial, values, mean, sd, max(0.0, mean - half), min(METRICS[metric].most, mean + half), parameters)


def _order(score: Candidate, metric: str) -> tuple[int, float, float, int]:
    # Rounded, so that the order of a sum does not break ties.
    mean = float(f"{score.mean:.12g}") if METRICS[metric].in_units else round(score.mean, 12)
    mean = sign(metric) * mean if math.isfinite(score.mean) else -math.inf
    size = math.inf if score.parameters is None else score.parameters
    return (score.diverged, -mean, size, score.trial.id)


def _words(scores: Sequence[Candidate], metric: str, optimism: float) -> str:
    winner = scores[0]
    if not math.isfinite(winner.mean):
        return "every repeat of every candidate diverged; search with lower learning rates"
    seeds = len(winner.values) - winner.diverged
    wins = "wins" if len(scores) > 1 else "is the only candidate,"
    words = f"trial {winner.trial.id} {wins} with a mean validation {metric} of {four_digits(winner.mean)}"
    words += f" over {seeds} fresh seed{'s' if seeds > 1 else ''}"
    if winner.diverged:
        words += f", {winner.diverged} more diverged"
    if math.isfinite(winner.low):
        words += f" ({100 * CONFIDENCE:g} % interval {four_digits(winner.low)} to {four_digits(winner.high)})"
    rivals = sum(_overlap(winner, score) for score in scores[1:])
    if rivals:
        words += f"; the interval{'s' if rivals > 1 else ''} of {rivals} other{'s' if rivals > 1 else ''} "
        words += f"overlap{'' if rivals > 1 else 's'} with its own"
    many = len(scores) > 1
    looked = f"; in the search {'the candidates' if many else 'it'} looked"
    if abs(optimism) < LEAST_OPTIMISM * (abs(winner.mean) if METRICS[metric].in_units else 1.0):
        return f"{words}{looked} the same{' on average' if many else ''}"
    side = "better" if optimism > 0 else "worse"
    difference = four_digits(float(f"{abs(optimism):.2g}"))
    return f"{words}{looked} {difference} {side}{' on average' if many else ''}"


def _overlap(winner: Candidate, other: Candidate) -> bool:
    return winner.low <= other.high and other.low <= winner.high  # False without an interval
