"""Measure where the time of a trial goes, on one core: the book's, and those of small networks on tables.

    FASTNET_DATA_DIR=... python profiles/trial.py --json profiles/results/trial.json
    python profiles/trial.py --shape small
    python profiles/trial.py --shape 64x2,book

The book's trial is 784-100x6-10, batch 100, 400 images, 50 epochs. The shapes of `_networks.SMALL`, 20 epochs each, are
trained with Adam and with SGD, on classes and on numbers, with plain and with encoded columns, and with the training
samples scored after every epoch (`exact`) or on the way (`running`). All kinds of one shape take turns, so that ratios
between them hold in slow moments of the machine too.

The stages of training are compiled once more with a clock round every kernel they call, and train whole trials. The sum
over the phases is compared with the trial as it is without clocks, and what no phase explains is shown. Both must give
the same learning curves, to the last bit, and those of fastnet.reference, to rounding. Samples are read where they lie,
so there is no phase of gathering them.

Operations are those of the products with zeros counted and padding not. A trial without dropout takes the first batch
of an epoch over from the evaluation of the training samples before it (`step.AHEAD`); operations "done" leave out what
it saves, and shares of the peak, which is measured in turn with the trials, are of those.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from _bench import Report, Timing, machine_text, parser, pinned
from _clocks import EVALUATION, FORWARD, Stages, Trial
from _networks import SMALL, SMALL_EPOCHS, Shape, prepared_table

SIZES = (784, 100, 100, 100, 100, 100, 100, 10)
TRAINING, VALIDATION, BATCH, EPOCHS = 400, 100, 100, 50
CHECKED_EPOCHS = 3
BOOK = "book"
SHAPES = tuple(dict.fromkeys(shape.name for shape in SMALL))
INITIAL = "random numbers, initial weights"
OBJECTIVES = ("cross-entropy", "squared-error")
SECONDS, QUICK_SECONDS = 15.0, 2.0
"""Of measuring each small shape, but at least 5 rounds, or 3."""


class Variant(NamedTuple):
    """Data and settings of the book's trial."""

    name: str
    images: bool
    skip_zeros: bool = True
    dropout: float = 0.0


VARIANTS = (
    Variant("dense random data, no zeros skipped", images=False, skip_zeros=False),
    Variant("MNIST", images=True),
    Variant("dense random data", images=False),
    Variant("MNIST, dropout 0.5", images=True, dropout=0.5),
)
QUICK = VARIANTS[:2]


class Case(NamedTuple):
    """A kind of trial.

    Attributes
    ----------
    name : str
    config : TrainConfig
    data : TrainingData
    skip_zeros : bool
        Whether hidden layers list their active inputs.
    by_phase : bool
        Whether it is measured with clocks round its kernels too.
    """

    name: str
    config: Any
    data: Any
    skip_zeros: bool = True
    by_phase: bool = True

    @property
    def sizes(self) -> tuple[int, ...]:
        """Width of every layer."""
        return (self.data.n_inputs, *self.config.hidden, self.data.n_outputs)

    @property
    def ahead(self) -> bool:
        """Whether first batches are taken over from evaluation."""
        return self.config.train_score == "exact" and not self.config.dropout


class Took(NamedTuple):
    """Seconds of a kind of trial, one of each a round; `phases` has (R,) arrays by name."""

    whole: np.ndarray
    steps: np.ndarray
    clocked: np.ndarray
    peak: np.ndarray
    phases: dict[str, np.ndarray]


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    asked = parser(__doc__)
    words = f"{BOOK}, small (all but the book's), {', '.join(SHAPES)}; default: all"
    asked.add_argument("--shape", type=shapes_of, default=(BOOK, *SHAPES), metavar="NAME,...", help=words)
    options = asked.parse_args(arguments)
    os.environ["NUMBA_NUM_THREADS"] = "1"
    report = Report("trial", threads=1, quick=options.quick)
    print(machine_text(report.machine), file=sys.stderr)
    with pinned([0]):
        with report.warming_up():
            stages = Stages(OBJECTIVES)
        for variant in (QUICK if options.quick else VARIANTS) if BOOK in options.shape else ():
            book_trial(report, variant, stages, rounds=5 if options.quick else 25)
        for shape in SMALL:
            if shape.name in options.shape:
                print(shape.title, file=sys.stderr)
                small_trials(report, shape, stages, quick=options.quick)
    report.finish(options.json)


def shapes_of(text: str) -> tuple[str, ...]:
    """Read the names of shapes.

    >>> shapes_of("small,book")
    ('64x2', '128x2', '16x2', '256x2', 'book')
    """
    names: list[str] = []
    for name in text.split(","):
        if name not in (BOOK, "small", *SHAPES):
            raise argparse.ArgumentTypeError(f"{name or 'nothing'}: give some of {BOOK}, small, {', '.join(SHAPES)}")
        names.extend(SHAPES if name == "small" else [name])
    return tuple(dict.fromkeys(names))


# What is measured -----------------------------------------------------------------------------------------------------


def book_trial(report: Report, variant: Variant, stages: Stages, rounds: int) -> None:
    """Verify and time one kind of the book's trial."""
    from fastnet.config.training import TrainConfig

    with report.warming_up():
        config = TrainConfig(
            hidden=SIZES[1:-1], batch_size=BATCH, epochs=EPOCHS, learning_rate=0.01, weight_decay=1e-8,
            dropout=variant.dropout,
        )  # fmt: skip
        case = Case(variant.name, config, samples(variant), variant.skip_zeros)
    [took] = measured(report, [case], stages, rounds, seconds=0.0)
    done, asked = operations(case), sum(operations(case, ahead=False).values())
    report.section(f"{variant.name}: one trial")
    spent = Timing(tuple(took.whole))
    dense = not (variant.images or variant.skip_zeros)
    shared = {"of_peak": median(sum(done.values()) * took.peak / took.whole)} if dense else {}
    report.add(
        "whole trial", unit="ms", better="lower", **spent.scaled(1e3),
        gflops_done=sum(done.values()) / spent.median / 1e9, gflops_asked=asked / spent.median / 1e9, **shared,
        peak_gflops=1 / median(took.peak) / 1e9,
    )  # fmt: skip
    tell_phases(report, variant.name, took, done, dense=dense)


def small_trials(report: Report, shape: Shape, stages: Stages, *, quick: bool) -> None:
    """Verify and time all kinds of trials of a shape, in turns."""
    with report.warming_up():
        cases = list(small_cases(shape))
    rounds, seconds = (3, QUICK_SECONDS) if quick else (5, SECONDS)
    results = dict(zip((case.name for case in cases), measured(report, cases, stages, rounds, seconds), strict=True))
    report.section(f"{shape.title}: one trial")
    for case in cases:
        tell_small(report, case, results)
    for case in cases:
        if case.by_phase:
            done = {} if case.data.coded is not None else operations(case)
            tell_phases(report, f"{shape.title}, {case.name}", results[case.name], done, dense=True)


def small_cases(shape: Shape) -> Iterator[Case]:
    """List the kinds of trials of a shape."""
    from fastnet.config.training import TrainConfig

    for encoded in (False, True):
        data = prepared_table(shape, encoded=encoded)
        for optimizer in ("adam", "sgd"):
            config = TrainConfig(
                hidden=shape.hidden, batch_size=shape.batch, epochs=SMALL_EPOCHS, optimizer=optimizer,
                weight_decay=1e-6,
            )  # fmt: skip
            name = {"adam": "Adam", "sgd": "SGD"}[optimizer] + ", encoded" * encoded
            yield Case(name, config, data)
            yield Case(f"{name}, running scores", replace(config, train_score="running"), data, by_phase=False)


def samples(variant: Variant) -> Any:
    """Prepare the data of a variant: images of MNIST (the full set where it is at hand) or normal numbers."""
    import fastnet
    from fastnet.network.samples import prepare

    if variant.images:
        name = "mnist" if os.environ.get("FASTNET_DATA_DIR") else "mnist5k"
        dataset = fastnet.take_first(fastnet.load(name), TRAINING + VALIDATION)
    else:
        random = np.random.default_rng(0)
        x = random.standard_normal((TRAINING + VALIDATION, SIZES[0]), np.float32)
        dataset = fastnet.as_dataset(x, np.arange(len(x)) % SIZES[-1], name="random")
    parts = fastnet.split(dataset.y)
    return prepare(dataset, parts)


# Measuring ------------------------------------------------------------------------------------------------------------


def measured(report: Report, cases: Sequence[Case], stages: Stages, rounds: int, seconds: float) -> list[Took]:
    """Verify all cases, then time them in turns, at least the given number of rounds and about the given seconds."""
    from _peak import PEAK_FLOPS, peak_work

    with report.warming_up():
        plain = [Trial(c.config, c.data, stages, skip_zeros=c.skip_zeros, clocked=False) for c in cases]
        clocked = [Trial(c.config, c.data, stages, skip_zeros=c.skip_zeros, clocked=True) for c in cases]
        for trial in (*plain, *clocked):
            trial.run()
        peak_work(1)
        for case, trial, other in zip(cases, plain, clocked, strict=True):
            verify(report, case, trial.curves, other.curves)
            trial.initialise(1)
    rows: list[list[tuple[float, ...]]] = [[] for _ in cases]
    phases: list[list[np.ndarray]] = [[] for _ in cases]
    began = time.perf_counter()
    while len(rows[0]) < rounds or (seconds and time.perf_counter() - began < seconds and len(rows[0]) < 10 * rounds):
        for k, case in enumerate(cases):
            stages.nanoseconds.fill(0)
            whole, steps = plain[k].run(), stages.steps()
            stages.nanoseconds.fill(0)
            spent = clocked[k].run() if case.by_phase else np.nan
            phases[k].append(stages.took())
            peak = elapsed(lambda: peak_work(1000)) / (1000 * PEAK_FLOPS)
            rows[k].append((whole, steps, spent, peak, elapsed(lambda k=k: plain[k].initialise(3)) / 3))
    return [took_of(stages, np.array(rows[k]).T, np.array(phases[k]).T) for k in range(len(cases))]


def took_of(stages: Stages, columns: np.ndarray, phases: np.ndarray) -> Took:
    """Name what the rounds of one case took."""
    whole, steps, clocked, peak, initial = columns
    named = dict(zip(stages.phases[: stages.n_phases], phases, strict=True))
    return Took(whole, steps, clocked, peak, named | {INITIAL: initial})


def elapsed(call: Any) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def verify(report: Report, case: Case, curves: np.ndarray, clocked: np.ndarray) -> None:
    """End the profile unless the curves are the reference's, and the same with clocks."""
    from fastnet import reference
    from fastnet.kernels.host import TILE_ROWS

    if not np.array_equal(curves, clocked):
        sys.exit(f"{case.name}: the trial with clocks has other learning curves")
    config, data = case.config.resolved(), case.data
    parts = data.train_rows[:-TILE_ROWS], data.validation_rows[:-TILE_ROWS]
    names = ("learning_rate", "weight_decay", "dropout", "batch_size", "optimizer", "train_score")
    loose = 4 if config.optimizer == "adam" else 1  # which divides by gradients that may be rounding alone
    # Of an encoded network's many sums, one may be so near zero that float32 and float64 take different sides of ReLU,
    # and go different ways from there.
    epochs = 1 if data.coded is not None else CHECKED_EPOCHS
    expected = reference.training.train(
        data.pipeline.apply(data.dataset.x).astype(np.float64), data.targets, *parts, case.sizes,
        epochs=epochs, objective=data.objective, **{name: getattr(config, name) for name in names},
    )  # fmt: skip
    for row, (curve, found) in enumerate(zip(expected[2:], curves, strict=True)):
        # losses, squared errors; one sample of an accuracy
        counted = row % 2 and data.objective == "cross-entropy"
        allowed = (0.5 + loose) / len(parts[row // 2]) if counted else loose * 1e-4
        error = float(np.abs(found[:epochs] - curve).max())
        if not error <= allowed:
            sys.exit(f"{case.name}: curve {row} is {error:.3g} away from fastnet.reference")
    shape = "-".join(map(str, case.sizes))
    checked = f"curves of {epochs} epoch{'s' * (epochs > 1)} against fastnet.reference"
    report.verified(f"{shape}, {case.name}: {checked}; the same with clocks")


# Figures --------------------------------------------------------------------------------------------------------------


def tell_small(report: Report, case: Case, results: dict[str, Took]) -> None:
    """Add the figures of one kind of trial of a shape, next to those of the other kinds.

    `of_peak` counts the products of the network with plain columns, also where columns are encoded; `us_a_step` leaves
    out evaluations.
    """
    took, plain = results[case.name], case.name.replace(", encoded", "")
    n_steps = case.config.epochs * -(-case.data.n_train // case.config.batch_size)
    extra: dict[str, Any] = {}
    if case.data.coded is None:
        done = sum(operations(case).values())
        extra |= {"of_peak": median(done * took.peak / took.whole), "gflops": done / median(took.whole) / 1e9}
    extra["us_a_step"] = 1e6 * median(took.steps) / n_steps
    if case.name.startswith("Adam"):
        extra["step_of_sgd"] = median(took.steps / results[case.name.replace("Adam", "SGD")].steps)
    if plain != case.name:
        extra["of_plain"] = median(took.whole / results[plain].whole)
    exact = case.name.removesuffix(", running scores")
    if exact != case.name:
        extra["exact_of_running"] = median(results[exact].whole / took.whole)
    report.add(case.name, unit="ms", better="lower", **Timing(tuple(took.whole)).scaled(1e3), **extra)


def tell_phases(report: Report, name: str, took: Took, done: dict[str, float], *, dense: bool) -> None:
    """Add the time of each phase, the longest first, and for `dense` products their share of the peak."""
    report.section(f"{name}: by phase")
    for phase in sorted(took.phases, key=lambda phase: -median(took.phases[phase])):
        spent = took.phases[phase]
        if not spent.any():
            continue
        extra: dict[str, Any] = {"of_trial": median(spent / took.clocked)}
        if phase in done:
            extra["gflops"] = done[phase] / median(spent) / 1e9
            extra |= {"of_peak": median(done[phase] * took.peak / spent)} if dense else {}
        report.add(phase, unit="ms", better="lower", **Timing(tuple(spent)).scaled(1e3), **extra)
    rest = np.asarray(took.clocked - sum(took.phases.values()))
    report.add("not in any phase", unit="ms", better="", **scaled(rest), of_trial=median(rest / took.clocked))
    cost = took.clocked - took.whole
    report.add("cost of the clocks", unit="ms", better="", **scaled(cost), of_trial=median(cost / took.whole))


def operations(case: Case, *, ahead: bool = True) -> dict[str, float]:
    """Count the operations of each product in a trial; without `ahead`, with those of batches that are taken over."""
    data, config = case.data, case.config
    first, *others = (2.0 * n_in * n_out for n_in, n_out in pairwise(case.sizes))
    trained = config.epochs * data.n_train
    scored = data.n_train if config.train_score == "exact" else 0
    evaluated = config.epochs * (scored + n_validation(data))
    forward = trained - (config.epochs - 1) * min(config.batch_size, data.n_train) * (ahead and case.ahead)
    return {
        f"{FORWARD}, first layer": forward * first,
        f"{FORWARD}, other layers": forward * sum(others),
        f"{EVALUATION}, first layer": evaluated * first,
        f"{EVALUATION}, other layers": evaluated * sum(others),
        "input gradient": trained * sum(others),
        "update, first layer": trained * first,
        "update, other layers": trained * sum(others),
    }


def n_validation(data: Any) -> int:
    """Return the number of validation samples."""
    from fastnet.kernels.host import TILE_ROWS

    return len(data.validation_rows) - int(TILE_ROWS)


def median(values: np.ndarray) -> float:
    """Median as a plain number."""
    return float(np.median(values))


def scaled(values: np.ndarray) -> dict[str, float]:
    """Value, low and high of seconds, which may be negative, in milliseconds."""
    low, value, high = np.percentile(1e3 * values, (10, 50, 90))
    return {"value": float(value), "low": float(low), "high": float(high)}


if __name__ == "__main__":
    main()
