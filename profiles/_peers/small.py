"""The sections of `peers.py` about tables: small networks on one core, and a random search with folds on all cores."""

from __future__ import annotations

from typing import Any

import _bench
import numpy as np
from _bench import say
from _networks import FOLDED, SMALL, SMALL_EPOCHS, Shape
from numpy.typing import NDArray

from . import task
from .catalog import CHECK_ALIAS, OURS, PEERS
from .process import PeerError, Team

SMALL_TITLE = "Small networks, one core: "
FOLD_SEARCH = f"Random search of a table with {task.FOLDS} folds, all cores"

COUNTS = dict.fromkeys((OURS, "jax", "jax-vmap-8"), 8)
"""Networks of a round, as many as JAX maps; of the others, which take longer, `FEW`."""
FEW = 2

CHECKED, RATE, DECAY = 8, 1e-3, 1e-6
"""Number, learning rate and weight decay of the networks that are compared before anything is timed."""
ERRORS, SLACK = 5.0, 0.02
"""Standard errors by which mean results may differ, and in addition the share of the result. At half the learning rate
either is further off on all shapes but the one of 16 units."""
LOGISTIC_SLACK = 0.1
"""That of scikit-learn with two classes, which get one logistic output where the others have two of a softmax: it
learns a little slower."""

CONFIGURATIONS, PEER_CONFIGURATIONS = 200, 10
TOLERANCE_BEST = 0.02
"""Allowed between the best mean accuracies of as many configurations, which hardly depend on which they are."""


def sections() -> list[str]:
    """Titles of all that is measured here, in order."""
    return [*(SMALL_TITLE + shape.title for shape in SMALL), FOLD_SEARCH]


def plan_of(shape: Shape) -> task.Plan:
    """Return how a shape is trained."""
    return task.Plan(shape.sizes, shape.batch, SMALL_EPOCHS, "adam", shape.regression, images=False)


# Small networks -------------------------------------------------------------------------------------------------------


def small_section(bench: Any) -> None:
    """Time the training of small networks on one core, with scores after every epoch."""
    teams: dict[str, Team] = {}
    checks: dict[str, Team] = {"numpy": bench.start("numpy", 1, 1)}
    for name in bench.chosen("small"):
        with bench.report.warming_up():
            teams[name] = bench.start(name, 1, 1)
            if name in CHECK_ALIAS:
                checks[name] = bench.start(name, 1, 1, CHECK_ALIAS[name])
    try:
        for shape in SMALL:
            time_shape(bench, shape, teams, checks)
    finally:
        for team in (*teams.values(), *checks.values()):
            team.close()


def time_shape(bench: Any, shape: Shape, teams: dict[str, Team], checks: dict[str, Team]) -> None:
    """Verify and time the peers on one shape."""
    path = bench.folder / "table.npz"
    task.table(shape).write(path)
    quick = bench.arguments.quick
    alike = verified(bench, shape, str(path), teams, checks)
    seconds: dict[str, list[float]] = {name: [] for name in alike}
    for turn in range(bench.arguments.rounds or (2 if quick else 5)):
        for name, team in alike.items():
            count = COUNTS.get(name, FEW)
            seconds[name].append(team.share("trials", [drawn(count, turn)])[0] / count)
        say(f"{shape.title}: round {turn + 1}: {', '.join(f'{n} {1e3 * seconds[n][-1]:.1f}' for n in alike)} ms")
    bench.report.section(SMALL_TITLE + shape.title)
    timings = {name: _bench.Timing(tuple(some)) for name, some in seconds.items()}
    ours = 1 / timings[OURS].median if OURS in timings else np.nan
    for name, timing in timings.items():
        bench.add(name, timing, 1, "trials/s", ours, ms=1e3 * timing.median)


def verified(bench: Any, shape: Shape, path: str, teams: dict[str, Team], checks: dict[str, Team]) -> dict[str, Team]:
    """Return the teams that learn as plain NumPy does; the others are noted."""
    plan = vars(plan_of(shape))
    checks["numpy"].call("prepare", "trials", path, plan)
    expected = learnt(checks["numpy"])
    alike = {}
    for name, team in teams.items():
        try:
            with bench.report.warming_up():
                team.call("prepare", "trials", path, plan)
                team.share("trials", [drawn(COUNTS.get(name, FEW), 0)])
                checked = checks.get(name, team)
                if checked is not team:
                    checked.call("prepare", "trials", path, plan)
                found = learnt(checked)
            compare(shape, name, found, expected)
        except PeerError as error:
            bench.note(f"{shape.title}: {PEERS[name].label}: left out: {error}")
            continue
        alike[name] = team
    if alike:
        words = ", ".join(PEERS[name].label for name in alike)
        bench.report.verified(
            f"{shape.title}: validation loss {expected[:, 0].mean():.3f} after {SMALL_EPOCHS} epochs, and within noise "
            f"the same by {words}, {CHECKED} networks each"
        )
    return alike


def learnt(team: Team) -> NDArray[np.float64]:
    """Validation loss and training score of some networks after the last epoch, (CHECKED, 2)."""
    last = np.array(team.share("trials", [([RATE] * CHECKED, [DECAY] * CHECKED, 1000)])[1][0])
    return last[:, [2, 1]]


def compare(shape: Shape, name: str, found: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    """Raise `PeerError` unless a peer has learnt what the reference has, within noise."""
    means, other = found.mean(axis=0), expected.mean(axis=0)
    errors = np.sqrt(found.var(axis=0, ddof=1) / len(found) + expected.var(axis=0, ddof=1) / len(expected))
    logistic = name == "sklearn-fit" and shape.n_outputs == 2
    slack = LOGISTIC_SLACK if logistic else SLACK
    words = "validation loss {:.4f}, training score {:.4f}".format(*means)
    say(f"{shape.title}: {name}: {words}")
    if not (np.abs(means - other) <= ERRORS * errors + slack * np.abs(other)).all():
        raise PeerError("it learns otherwise ({}) than the reference ({:.4f}, {:.4f})".format(words, *other))


def drawn(count: int, seed: int) -> tuple[list[float], list[float], int]:
    """Draw the trials of a round."""
    rng = np.random.default_rng(seed)
    return (10 ** rng.uniform(-4, -2, count)).tolist(), (10 ** rng.uniform(-8, -4, count)).tolist(), seed


# Folds ----------------------------------------------------------------------------------------------------------------


def folds_section(bench: Any) -> None:
    """Time a random search with folds as a user would call it; peers get fewer configurations, and rates count."""
    quick = bench.arguments.quick
    few = 4 if quick else PEER_CONFIGURATIONS
    counts = dict.fromkeys(PEERS, few) | {OURS: 40 if quick else CONFIGURATIONS}
    teams = alike_with_folds(bench, few)
    seconds: dict[str, list[float]] = {name: [] for name in teams}
    for turn in range(1 if quick else bench.arguments.rounds or 3):
        for name, team in teams.items():
            seconds[name].append(team.share("folds", [(counts[name], turn)])[0] / counts[name])
        say(f"folds: round {turn + 1}: {', '.join(f'{n} {1 / seconds[n][-1]:.2f}' for n in teams)} configurations/s")
    for team in teams.values():
        team.close()
    bench.report.section(FOLD_SEARCH)
    ours = 1 / float(np.median(seconds[OURS])) if OURS in teams else np.nan
    for name in teams:
        timing = _bench.Timing(tuple(seconds[name]))
        bench.add(name, timing, 1, "configurations/s", ours, configurations=counts[name])


def alike_with_folds(bench: Any, few: int) -> dict[str, Team]:
    """Start the peers, and return those whose best of a few configurations is as good as this project's."""
    path = bench.folder / "folded.npz"
    task.table(FOLDED).write(path)
    teams: dict[str, Team] = {}
    best: dict[str, float] = {}
    for name in bench.chosen("folds"):
        with bench.report.warming_up():
            team = bench.start(name, 1, bench.threads)
            try:
                team.call("prepare", "folds", str(path), vars(plan_of(FOLDED)))
                best[name] = team.call("folds", few, 1)[0]
                if abs(best[name] - best[OURS]) > TOLERANCE_BEST:
                    raise PeerError(f"the best accuracy is {best[name]:.3f}, and this project's {best[OURS]:.3f}")
            except PeerError as error:
                bench.note(f"{FOLD_SEARCH}: {PEERS[name].label}: left out: {error}")
                team.close()
                continue
        teams[name] = team
    if len(teams) > 1:
        words = ", ".join(f"{PEERS[name].label} {best[name]:.3f}" for name in teams)
        bench.report.verified(f"{FOLD_SEARCH}: best accuracies of {few} configurations: {words}")
    return teams
