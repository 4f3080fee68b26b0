"""Measure one core's peak, and each kernel on each shape as a share of it, in useful operations.

    python profiles/roofline.py --json profiles/results/roofline.json

The peak is that of fused multiply-adds from registers, measured in turn with the kernels, so that a slow moment of the
machine meets both. Operations on padding are never counted; those that lists of non-zeros leave out are not counted
either, so the listed kernels, which wait for loads, have a lower share and still take less time. `undisturbed` compares
the shortest times of both: what is left of the share where neighbours on the machine do not take caches and ports.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

import numpy as np
from _bench import Report, Timing, interleaved, machine_text, parser, pinned
from _kernels import Bench, Case, Shape
from _peak import PEAK_FLOPS, peak_work, read_work

BOOK = (Shape(100, 784, 100), Shape(100, 100, 100), Shape(100, 100, 10))
SQUARES = tuple(Shape(batch, width, width) for width in (512, 1024) for batch in (128, 256))
OTHERS = (Shape(128, 784, 512), Shape(128, 4096, 4096), Shape(1, 784, 100), Shape(1, 512, 512), Shape(32, 100, 100))
QUICK = (*BOOK, Shape(128, 512, 512))

AIM_BOOK, AIM_WIDE = 0.78, 0.85
"""Shares that the dense products of the book's first and hidden layers, and of 512 and 1024 wide ones, should reach."""
AIMED = ("forward", "input gradient", "weight gradient + sgd")


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    options = parser(__doc__).parse_args(arguments)
    report = Report("roofline", threads=1, quick=options.quick)
    print(machine_text(report.machine), file=sys.stderr)
    repeats = 5 if options.quick else 25
    with pinned([0]):
        limits(report, repeats)
        for shape in QUICK if options.quick else (*BOOK, *SQUARES, *OTHERS):
            with report.warming_up():
                cases = list(dense_cases(shape))
            add(report, f"{shape.n_in} x {shape.n_out}, batch {shape.batch}", cases, repeats, aim_of(shape))
        with report.warming_up():
            groups = {"lists of non-zeros, MNIST": listed_cases(), "beside the products": small_cases()}
        for title, cases in groups.items():
            add(report, title, cases, repeats)
    count = sum(not figure["section"].startswith("limits") for figure in report.figures)
    report.verified(f"{count} kernels on their shapes against fastnet.reference, to one rounding a term")
    report.finish(options.json)


def limits(report: Report, repeats: int) -> None:
    """Measure what the core can do at most."""
    report.section("limits of one core")
    with report.warming_up():
        peak_work(1)
    (peak,) = interleaved([peak_work], repeats=max(repeats, 15))
    report.add("fused multiply-adds", unit="GFLOP/s", **peak.rate(PEAK_FLOPS / 1e9))
    sizes = report.machine["caches"]
    last = max(sizes.values(), default=32 << 20)
    buffers = {f"read {level}": size // (2 if level != "L3" else 4) for level, size in sizes.items()}
    for name, size in (buffers | {"read memory": min(4 * last, 256 << 20)}).items():
        work, n_bytes = read_work(size)
        (timing,) = interleaved([work], repeats=repeats)
        report.add(name, unit="GB/s", **timing.rate(n_bytes / 1e9), kB=n_bytes >> 10)


def dense_cases(shape: Shape) -> Iterable[Case]:
    """Make the dense kernels of a layer."""
    bench = Bench(shape)
    yield bench.forward(linear=shape.n_out == 10)
    yield bench.input_gradient()
    for optimizer in ("sgd", "momentum", "adam"):
        yield bench.weight_update(optimizer)
    yield bench.transpose()
    yield bench.bias_update()


def listed_cases() -> list[Case]:
    """Make the kernels that skip zeros, on images and on half active outputs."""
    images = book_images()
    first, active = Bench(Shape(100, 784, 100), images), np.random.default_rng(2)
    hidden = np.abs(active.standard_normal((100, 100), np.float32)) * (active.random((100, 100)) < 0.5)
    below = Bench(Shape(100, 100, 100), hidden, shuffled=False)
    cases = [first.forward_packed(), first.weight_update(listed=True), below.forward_active()]
    return [*cases, below.input_gradient_active(), first.forward("forward, dense on the same"), below.list_active()]


def small_cases() -> list[Case]:
    """Make what is no product."""
    logits, hidden, first = Bench(Shape(100, 100, 10)), Bench(Shape(100, 100, 100)), Bench(Shape(100, 784, 100))
    losses = [logits.loss(backward=True), logits.loss(backward=False)]
    return [*losses, hidden.keep_bits(), first.initial_weights()]


def book_images() -> np.ndarray:
    """Return the scaled images of the book's search: 500 of MNIST."""
    import fastnet
    from fastnet.data.pipeline.scaling import fit_scaler

    data = fastnet.take_first(fastnet.load("mnist5k"), 500)
    return fit_scaler(data.x, np.arange(len(data.x))).apply(data.x).astype(np.float32)


def aim_of(shape: Shape) -> float | None:
    """Share of the peak that the dense products of a shape should reach, where there is one."""
    if shape in BOOK[:2]:
        return AIM_BOOK
    return AIM_WIDE if shape in SQUARES else None


def add(report: Report, title: str, cases: list[Case], repeats: int, aim: float | None = None) -> None:
    """Time cases and the peak in turn and add them."""
    report.section(title)
    peak, *timings = interleaved([peak_work, *(case.work for case in cases)], repeats=repeats)
    for case, timing in zip(cases, timings, strict=True):
        if not case.flops:
            rate = case.n_bytes / timing.median / 1e9
            report.add(case.name, unit="us", better="lower", **timing.scaled(1e6), gb_per_s=rate)
            continue
        figure = share(case, timing, peak)
        undisturbed = case.flops / timing.best / (PEAK_FLOPS / peak.best)
        extra = {"undisturbed": undisturbed, "gflops": case.flops / timing.median / 1e9, "us": 1e6 * timing.median}
        if aim is not None and case.name in AIMED:
            extra |= {"aim": aim, "reached": "yes" if figure["value"] >= aim else "no"}
        report.add(case.name, unit="of peak", **figure, **extra)


def share(case: Case, timing: Timing, peak: Timing) -> dict[str, float]:
    """Value, low and high of a kernel's share of the peak that was measured beside it."""
    shares = [case.flops / own * (best / PEAK_FLOPS) for own, best in zip(timing.seconds, peak.seconds, strict=True)]
    low, value, high = np.percentile(shares, (10, 50, 90))
    return {"value": float(value), "low": float(low), "high": float(high)}


if __name__ == "__main__":
    main()
