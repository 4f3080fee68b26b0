"""Measure where the time of the book's trial goes, on one core: 784-100x6-10, batch 100, 400 images, 50 epochs.

    FASTNET_DATA_DIR=... python profiles/trial.py --json profiles/results/trial.json

The stages of training are compiled once more with a clock round every kernel they call, and train whole trials. The sum
over the phases is compared with the trial as it is without clocks, and what no phase explains is shown. Both must give
the same learning curves, to the last bit, and those of fastnet.reference, to rounding. Samples are read where they lie,
so there is no phase of gathering them.

Operations are those of the products with zeros counted and padding not. A trial without dropout takes the first batch
of an epoch over from the evaluation before it (`step.AHEAD`); operations "done" leave out what it saves, and shares of
the peak, which is measured in turn with the trials, are of those.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from _bench import Report, Timing, machine_text, parser, pinned

SIZES = (784, 100, 100, 100, 100, 100, 100, 10)
TRAINING, VALIDATION, BATCH, EPOCHS = 400, 100, 100, 50
CHECKED_EPOCHS = 3

FORWARD, EVALUATION = "forward", "evaluation"
PRODUCTS = ("affine_forward", "weight_update", "weight_update_listed")
PHASES = {
    "affine_forward": FORWARD,
    "_list_outputs": "lists of active outputs",
    "formula": "loss",
    "input_gradient": "input gradient",
    "transpose": "transposes",
    "weight_update": "update",
    "weight_update_listed": "update",
    "bias_update": "update, biases",
    "_order_epoch": "random numbers, order of an epoch",
    "keep_bits": "random numbers, dropout bits",
}
"""Kernels that a stage calls, and what they are counted as."""
INITIAL = "random numbers, initial weights"


class Variant(NamedTuple):
    """Data and settings of a trial."""

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


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    options = parser(__doc__).parse_args(arguments)
    os.environ["NUMBA_NUM_THREADS"] = "1"
    report = Report("trial", threads=1, quick=options.quick)
    print(machine_text(report.machine), file=sys.stderr)
    with pinned([0]):
        with report.warming_up():
            stages = Stages()
        for variant in QUICK if options.quick else VARIANTS:
            profile(report, variant, stages, repeats=5 if options.quick else 25)
    report.finish(options.json)


# The stages with clocks -----------------------------------------------------------------------------------------------


class Stages:
    """The stages of training with a clock round every kernel; `nanoseconds` collects what each phase took."""

    def __init__(self) -> None:
        from fastnet.kernels import objective, step

        self.phases: list[str] = []
        self.nanoseconds = np.zeros(32, np.int64)
        self._compiled = [
            self._compile(step.FORWARD, FORWARD),
            self._compile(step.BACKWARD, FORWARD),
            self._compile(step.TRAIN_EPOCH, FORWARD),
            # Evaluation calls a forward stage of its own, which lies behind the others.
            self._compile(step.EVALUATE, EVALUATION, FORWARD=np.int64(step.N_STAGES)),
            self._compile(step.FORWARD, EVALUATION),
        ]
        self.addresses = np.array([function.address for function in self._compiled], np.int64)
        loss = self._clocked_source(objective.SIGNATURE, objective._apply, FORWARD)
        self._compiled.append(loss)
        self.objective = loss.address

    def _compile(self, which: int, role: str, **constants: Any) -> Any:
        from fastnet.kernels import step

        return self._clocked_source(*step._SOURCES[which], role, **constants)

    def _clocked_source(self, signature: Any, source: Any, role: str, **constants: Any) -> Any:
        import numba

        from fastnet.kernels import _jit

        kernels = {name: source.__globals__[name] for name in source.__code__.co_names if name in PHASES}
        clocked = {name: self._clocked(kernel, name, role) for name, kernel in kernels.items()}
        return numba.cfunc(signature, nogil=True, error_model="numpy")(_jit.with_names(source, clocked | constants))

    def _clocked(self, kernel: Any, name: str, role: str) -> Any:
        """Wrap a kernel; the products of the first layer, whose weights come first, have a phase of their own."""
        import numba

        from fastnet.kernels.layout import W
        from fastnet.kernels.memory import clock, load_i64, store_i64

        @numba.njit(nogil=True, error_model="numpy")
        def add(place: int, seconds: float) -> None:
            store_i64(place, load_i64(place) + np.int64(1e9 * seconds))

        phase = role if name == "affine_forward" else PHASES[name]
        if role == EVALUATION and name != "affine_forward":
            phase = f"{EVALUATION}, {phase}"
        if name not in PRODUCTS:
            place = self._place(phase)

            @numba.njit(nogil=True, error_model="numpy")
            def clocked(*args):  # type: ignore[no-untyped-def]
                began = clock()
                result = kernel(*args)
                add(place, clock() - began)
                return result

            return clocked

        first, others = self._place(f"{phase}, first layer"), self._place(f"{phase}, other layers")

        @numba.njit(nogil=True, error_model="numpy")
        def clocked_product(*args):  # type: ignore[no-untyped-def]
            place = first if args[0].row[W] == 0 else others
            began = clock()
            kernel(*args)
            add(place, clock() - began)

        return clocked_product

    def _place(self, phase: str) -> int:
        """Address of the nanoseconds of a phase."""
        if phase not in self.phases:
            self.phases.append(phase)
        return int(self.nanoseconds.ctypes.data) + 8 * self.phases.index(phase)


class Trial:
    """One trial as a search runs it, again and again; with `stages` the clocked ones."""

    def __init__(self, config: Any, data: Any, skip_zeros: bool, stages: Stages | None = None) -> None:
        from fastnet.network.assembly import assemble
        from fastnet.training.pack import PackRun, alike

        [member] = members = alike(data, config, [0])
        assembly = assemble(config, data, parallel=False)
        net = assembly.net
        net = net._replace(hidden_lists=net.hidden_lists if skip_zeros else 0)
        if stages is not None:
            net = net._replace(stages=stages.addresses, objective=stages.objective)
        self.pack = PackRun(members, jobs=1, assemblies={member.kind: replace(assembly, net=net)})

    def run(self) -> float:
        """Train from first to last; return the seconds, taken inside compiled code."""
        self.pack.epochs_done[:], self.pack.seconds[:] = 0, 0.0
        self.pack.start()
        self.pack.join()
        return float(self.pack.seconds[0])

    def initialise(self, n: int) -> None:
        """Draw the initial weights `n` times."""
        from fastnet.network.assembly import initialise

        for _ in range(n):
            initialise(self.pack._contexts[0, 0])


# One variant ----------------------------------------------------------------------------------------------------------


def profile(report: Report, variant: Variant, stages: Stages, repeats: int) -> None:
    """Verify and time one kind of trial."""
    from _peak import PEAK_FLOPS, peak_work

    from fastnet.config.training import TrainConfig

    with report.warming_up():
        data = samples(variant)
        config = TrainConfig(
            hidden=SIZES[1:-1], batch_size=BATCH, epochs=EPOCHS, learning_rate=0.01, weight_decay=1e-8,
            dropout=variant.dropout,
        )  # fmt: skip
        plain, clocked = (Trial(config, data, variant.skip_zeros, with_clocks) for with_clocks in (None, stages))
        for trial in (plain, clocked):
            trial.run()
        peak_work(1)
        plain.initialise(1)
    verify(report, variant, config, data, plain.pack.curves[0], clocked.pack.curves[0])

    seconds = np.zeros((repeats, 4))
    phases = np.zeros((repeats, len(stages.phases)))
    for r in range(repeats):
        stages.nanoseconds.fill(0)
        seconds[r, 0], seconds[r, 1] = plain.run(), clocked.run()
        phases[r] = stages.nanoseconds[: len(stages.phases)] / 1e9
        seconds[r, 2] = elapsed(lambda: peak_work(1000)) / (1000 * PEAK_FLOPS)
        seconds[r, 3] = elapsed(lambda: plain.initialise(3)) / 3
    tell(report, variant, dict(zip(stages.phases, phases.T, strict=True)), seconds.T)


def elapsed(call: Any) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


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


def verify(report: Report, variant: Variant, config: Any, data: Any, curves: np.ndarray, clocked: np.ndarray) -> None:
    """End the profile unless the curves are the reference's, and the same with clocks."""
    from fastnet import reference
    from fastnet.kernels.host import TILE_ROWS

    if not np.array_equal(curves, clocked):
        sys.exit(f"{variant.name}: the trial with clocks has other learning curves")
    names = ("learning_rate", "weight_decay", "dropout", "batch_size")
    expected = reference.training.train(
        data.x[:, : SIZES[0]], data.targets, data.train_rows[:-TILE_ROWS], data.validation_rows[:-TILE_ROWS], SIZES,
        epochs=CHECKED_EPOCHS, **{name: getattr(config, name) for name in names},
    )  # fmt: skip
    for row, (curve, found) in enumerate(zip(expected[2:], curves, strict=True)):
        allowed = 1e-4 if row in (0, 2) else 1.5 / (TRAINING, VALIDATION)[row // 2]  # losses; one sample of an accuracy
        error = float(np.abs(found[:CHECKED_EPOCHS] - curve).max())
        if not error <= allowed:
            sys.exit(f"{variant.name}: curve {row} is {error:.3g} away from fastnet.reference")
    report.verified(
        f"{variant.name}: curves of {CHECKED_EPOCHS} epochs against fastnet.reference; the same with clocks"
    )


def tell(report: Report, variant: Variant, phases: dict[str, np.ndarray], seconds: np.ndarray) -> None:
    """Add the figures of one kind of trial."""
    whole, clocked, peak, initial = seconds
    phases = phases | {INITIAL: initial}
    done = operations(ahead=variant.dropout == 0)
    asked = sum(operations(ahead=False).values())
    counted = sum(done.values())
    report.section(f"{variant.name}: one trial")
    spent = Timing(tuple(whole))
    dense = not (variant.images or variant.skip_zeros)
    shared = {"of_peak": median(counted * peak / whole)} if dense else {}
    report.add(
        "whole trial", unit="ms", better="lower", **spent.scaled(1e3), gflops_done=counted / spent.median / 1e9,
        gflops_asked=asked / spent.median / 1e9, **shared, peak_gflops=1 / median(peak) / 1e9,
    )  # fmt: skip
    report.section(f"{variant.name}: by phase")
    for name in sorted(phases, key=lambda name: -median(phases[name])):
        took = phases[name]
        if not took.any():
            continue
        extra: dict[str, Any] = {"of_trial": median(took / clocked)}
        if name in done:
            extra["gflops"] = done[name] / median(took) / 1e9
            extra |= {"of_peak": median(done[name] * peak / took)} if dense else {}
        report.add(name, unit="ms", better="lower", **Timing(tuple(took)).scaled(1e3), **extra)
    explained = sum(phases.values())
    rest = np.asarray(clocked - explained)
    report.add("not in any phase", unit="ms", better="", **scaled(rest), of_trial=median(rest / clocked))
    cost = clocked - whole
    report.add("cost of the clocks", unit="ms", better="", **scaled(cost), of_trial=median(cost / whole))


def operations(*, ahead: bool) -> dict[str, float]:
    """Count the operations of each product in a trial; with `ahead`, first batches are taken over from evaluation."""
    first, *others = (2.0 * n_in * n_out for n_in, n_out in pairwise(SIZES))
    trained, evaluated = EPOCHS * TRAINING, EPOCHS * (TRAINING + VALIDATION)
    forward = trained - (EPOCHS - 1) * BATCH * ahead
    return {
        f"{FORWARD}, first layer": forward * first,
        f"{FORWARD}, other layers": forward * sum(others),
        f"{EVALUATION}, first layer": evaluated * first,
        f"{EVALUATION}, other layers": evaluated * sum(others),
        "input gradient": trained * sum(others),
        "update, first layer": trained * first,
        "update, other layers": trained * sum(others),
    }


def median(values: np.ndarray) -> float:
    """Median as a plain number."""
    return float(np.median(values))


def scaled(values: np.ndarray) -> dict[str, float]:
    """Value, low and high of seconds, which may be negative, in milliseconds."""
    low, value, high = np.percentile(1e3 * values, (10, 50, 90))
    return {"value": float(value), "low": float(low), "high": float(high)}


if __name__ == "__main__":
    main()
