"""Measure how fast one network learns full MNIST, alone on one core and shared by all, over widths and batch sizes.

    FASTNET_DATA_DIR=... python profiles/single_network.py --json profiles/results/single_network.json

The networks are 784-W-W-10 with SGD. What is timed is the epochs, without evaluation. "alone" is the serial stages on
one core; "shared" the parallel stages, in which threads share those products that are large enough
(`affine.PARALLEL_FLOPS`). `chosen` is what `network.worth_sharing` picks for training, by the largest product alone;
where it is not the faster one, `lost` says how much slower it is. Zeros are skipped as in any training, and counted in
GFLOP/s, which may therefore be above the peak.
"""

from __future__ import annotations

import sys
import time
from itertools import pairwise
from typing import Any

import numpy as np
from _bench import Report, Timing, machine_text, parser
from _networks import images, prepared
from search_scaling import thread_counts

WIDTHS, BATCHES = (100, 512, 1024, 2048), (1, 32, 128, 256, 1024)
QUICK_WIDTHS, QUICK_BATCHES = (100, 512), (32, 256)
SECONDS = 0.5
"""Aim for one timed run; longer epochs are cut to fewer samples."""


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    options = parser(__doc__).parse_args(arguments)
    report = Report("single_network", threads=options.threads, quick=options.quick)
    print(machine_text(report.machine), file=sys.stderr)
    dataset = images()
    verify(report)
    for width in QUICK_WIDTHS if options.quick else WIDTHS:
        for batch in QUICK_BATCHES if options.quick else BATCHES:
            report.section(f"784-{width}-{width}-10, batch {batch}")
            profile(report, dataset, width, batch, options.threads, repeats=3 if options.quick else 7)
    report.finish(options.json)


def profile(report: Report, dataset: Any, width: int, batch: int, most: int, repeats: int) -> None:
    """Time one network on one core and on more."""
    from _peak import PEAK_FLOPS, peak_work

    import fastnet
    from fastnet.kernels import affine
    from fastnet.network.assembly import worth_sharing

    sizes = (784, width, width, 10)
    flops = sum((6 if layer else 4) * n_in * n_out for layer, (n_in, n_out) in enumerate(pairwise(sizes)))
    n_samples = samples_for(flops, batch, dataset.n_samples * 4 // 5)
    with report.warming_up():
        data = prepared(fastnet.take_first(dataset, n_samples * 5 // 4))
        config = fastnet.TrainConfig(hidden=(width, width), batch_size=batch, learning_rate=1e-4)
        runs = {1: Epochs(config, data, 1)} | {n: Epochs(config, data, n) for n in thread_counts(most) if n > 1}
        for epochs in runs.values():
            epochs.run()
    seconds: dict[int, list[float]] = {threads: [] for threads in runs}
    peaks = []
    for _ in range(repeats):
        began = time.perf_counter()
        peak_work(2000)
        peaks.append((time.perf_counter() - began) / 2000 / PEAK_FLOPS)
        for threads, epochs in runs.items():
            seconds[threads].append(epochs.run())
    chosen = max(runs) if worth_sharing(config, data) else 1
    fastest = min(runs, key=lambda threads: float(np.median(seconds[threads])))
    largest = max(2 * batch * n_in * n_out for n_in, n_out in pairwise(sizes))
    for threads, some in seconds.items():
        timing = Timing(tuple(some))
        rate = flops * data.n_train / np.array(some)
        efficiency = float(np.median(np.array(seconds[1]) / np.array(some))) / threads
        extra: dict[str, Any] = {"efficiency": efficiency}
        if threads == chosen:
            lost = timing.median / float(np.median(seconds[fastest])) - 1
            extra |= {"chosen": "yes"} | ({"lost": lost} if threads != fastest else {})
        report.add(
            f"shared by {threads} threads" if threads > 1 else "alone", unit="samples/s", **timing.rate(data.n_train),
            gflops=float(np.median(rate)) / 1e9, of_peak=float(np.median(rate * np.array(peaks))) / threads,
            largest_mflop=largest / 1e6, limit_mflop=affine.PARALLEL_FLOPS / 1e6, **extra,
        )  # fmt: skip


def samples_for(flops: int, batch: int, most: int) -> int:
    """Samples of an epoch that takes about `SECONDS` on a core of 60 GFLOP/s (6 for single samples): whole batches."""
    rate = 60e9 if batch >= 16 else 6e9
    batches = max(2, round(SECONDS * rate / flops / batch))
    return min(most // batch, batches) * batch


class Epochs:
    """One network, trained an epoch at a time without evaluation; `threads` of 1 takes the serial stages."""

    def __init__(self, config: Any, data: Any, threads: int) -> None:
        from fastnet.kernels.context import fill
        from fastnet.network.assembly import assemble, initialise
        from fastnet.network.hyperparameters import trial_of

        self.threads, self.epoch = threads, -1
        self.stop = np.zeros(1, np.int64)
        self.assembly = assemble(config, data, parallel=threads > 1)
        self.contexts, self.works = self.assembly.contexts(1, threads)
        settings = trial_of(config, 0)
        fill(self.contexts[0], settings.trial)
        self.works[0].hyper[...], self.works[0].dropout[...] = settings.hyper, settings.dropout
        initialise(self.contexts[0])

    def run(self) -> float:
        """Train an epoch; return the seconds."""
        from fastnet.kernels import pack, step
        from fastnet.training import background

        def work() -> float:
            began = time.perf_counter()
            status = pack.run_stage(
                int(self.assembly.net.stages[step.TRAIN_EPOCH]), self.contexts[0], self.epoch, self.stop
            )
            assert status == step.DONE, "the training diverged"
            return time.perf_counter() - began

        self.epoch += 1
        return background.submit(self.threads, work).result()


def verify(report: Report) -> None:
    """End the profile unless a small training, alone and shared, is the reference's."""
    import fastnet
    from fastnet import reference
    from fastnet.kernels.context import LOSS
    from fastnet.kernels.host import TILE_ROWS

    data = prepared(images(640))
    config = fastnet.TrainConfig(hidden=(100, 100), batch_size=128, learning_rate=0.01)
    rows = data.train_rows[:-TILE_ROWS], data.validation_rows[:-TILE_ROWS]
    expected = reference.training.train(
        data.x[:, :784], data.labels, *rows, (784, 100, 100, 10), batch_size=128, learning_rate=0.01, epochs=2
    )
    for threads in dict.fromkeys((1, report.machine["threads"])):
        epochs = Epochs(config, data, threads)
        for epoch in range(2):
            epochs.run()
            error = abs(float(epochs.works[0].state[LOSS]) - float(expected.train_loss[epoch]))
            if not error <= 1e-4:
                sys.exit(f"{threads} threads: the training loss is {error:.3g} away from fastnet.reference")
    report.verified("784-100-100-10, batch 128: two epochs, alone and shared, against fastnet.reference")


if __name__ == "__main__":
    main()
