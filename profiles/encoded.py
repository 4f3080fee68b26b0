"""Measure the first layer of a table: encoded columns against the dense product over written-out ones.

    python profiles/encoded.py --json profiles/results/encoded.json

The table is 10 numbers, each in bins and as it is; 16 bins are those of a table below 8,000 rows, 32 of a larger one.
What is timed first is the first layer alone, a batch of 128: the product of a step, its update, and the product of an
evaluation, each the least of many runs of the same batch. Then an epoch of steps in batches of 128, and an evaluation
of its samples, on one core, in turns. `beyond` is the time in addition to that of standardised numbers, relative to the
same with the inputs written out.
"""

from __future__ import annotations

import sys
import time
from functools import cache
from typing import Any

import numba
import numpy as np
from _bench import Report, Timing, machine_text, parser

N_NUMBERS, BATCH = 10, 128
ROWS = {"16 bins": 7_000, "32 bins": 15_000}


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    options = parser(__doc__).parse_args(arguments)
    report = Report("encoded", threads=1, quick=options.quick)
    print(machine_text(report.machine), file=sys.stderr)
    verify(report)
    for bins, n_rows in ROWS.items():
        for optimizer in ("sgd", "adamw"):
            report.section(f"{bins}, 128-128, {optimizer}")
            profile(report, n_rows, optimizer, turns=5 if options.quick else 40)
            first_layer(report, n_rows, optimizer, turns=20 if options.quick else 300)
    report.finish(options.json)


def table(n_rows: int, numbers: str = "piecewise") -> Any:
    """Draw a table of numbers with two classes."""
    from fastnet.data import Dataset
    from fastnet.data.fields import Field

    x = np.random.default_rng(0).normal(size=(n_rows, N_NUMBERS)).astype(np.float32)
    y = (np.sin(3 * x[:, 0]) + x[:, -1] > 0).astype(np.int64)
    fields = tuple(Field(f"n{k}", "number", f"n{k}") for k in range(N_NUMBERS))
    return Dataset(
        x=x, y=y, classes=np.array(["a", "b"]), class_names=("a", "b"), name="numbers", x_test=None, y_test=None,
        fields=fields, numbers=numbers,
    )  # fmt: skip


def samples(dataset: Any, **how: bool) -> Any:
    """Split and prepare a table as a training does."""
    import fastnet
    from fastnet.network.samples import prepare

    return prepare(dataset, fastnet.split(dataset.y), **how)


def profile(report: Report, n_rows: int, optimizer: str, turns: int) -> None:
    """Time the same network on the same numbers, read in three ways."""
    import fastnet
    from fastnet.training.single import Training

    config = fastnet.TrainConfig(
        hidden=(128, 128), batch_size=BATCH, epochs=100, optimizer=optimizer, learning_rate=1e-4
    )  # fmt: skip
    with report.warming_up():
        cases = {
            "encoded": samples(table(n_rows)),
            "written out": samples(table(n_rows), encode=False, skip_zeros=False),
            "standardised": samples(table(n_rows, "standard")),
        }
        trainings = {name: Training(config, data, 1) for name, data in cases.items()}
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(turns):
        for name, training in trainings.items():
            seconds[name].append(epoch(training, turn))
    least = {name: min(some) for name, some in seconds.items()}
    for name, some in seconds.items():
        beyond = (least[name] - least["standardised"]) / (least["written out"] - least["standardised"])
        report.add(
            name, 1e3 * least[name], "ms", better="lower", median=1e3 * Timing(tuple(some)).median,
            inputs=cases[name].n_inputs, of_standardised=least[name] / least["standardised"],
            beyond=beyond,
        )  # fmt: skip


def first_layer(report: Report, n_rows: int, optimizer: str, turns: int) -> None:
    """Time the first layer alone, on encoded and on written-out inputs."""
    import fastnet
    from fastnet.training.single import Training

    config = fastnet.TrainConfig(
        hidden=(128,), batch_size=BATCH, epochs=1, optimizer=optimizer, learning_rate=1e-4
    )  # fmt: skip
    with report.warming_up():
        timed = _first_layer_loop()
        cases = {
            "encoded": Training(config, samples(table(n_rows)), 1),
            "written out": Training(config, samples(table(n_rows), encode=False, skip_zeros=False), 1),
        }
    seconds = {}
    for training in cases.values():
        epoch(training, 0)  # weights, states and gradients as a training has them
    for _ in range(turns):
        for name, training in cases.items():
            rows = training.work.order
            least = seconds.setdefault(name, np.full((3, training.data.n_train // BATCH), np.inf))
            timed(training.context.ctypes.data, rows, BATCH, least)
    parts = {name: 1e6 * least.mean(axis=1) for name, least in seconds.items()}
    for name, (product, update, whole) in parts.items():
        of = [found / full for found, full in zip(parts[name], parts["written out"], strict=True)]
        report.add(
            f"first layer, {name}", whole, "us", better="lower", product=product, update=update, of_written_out=of[2],
            product_of_written_out=of[0], update_of_written_out=of[1],
        )  # fmt: skip


@cache
def _first_layer_loop() -> Any:
    """Compile what times each batch of the first layer: a product, an update, and an update with two products."""
    from fastnet.kernels import affine
    from fastnet.kernels.context import FIRST_FORWARD, FIRST_UPDATE, SUMMED, open_data, open_net, open_work
    from fastnet.kernels.layout import ACTIVE, GRADIENT, LD_ACTIVE, LDW, Y
    from fastnet.kernels.memory import address_of, clock, invoke
    from fastnet.kernels.operands import Curve, End, Matrix, Rows, Rule
    from fastnet.kernels.tile import RELU

    @numba.njit(nogil=True, error_model="numpy")
    def timed(c, order, n_rows, least):  # type: ignore[no-untyped-def]
        net, data, work = open_net(c), open_data(c), open_work(c)
        layer = affine.layer_of(net, data, work, 0)
        row, none = layer.row, np.int64(0)
        floats, bits = address_of(work.floats), address_of(work.bits)
        y = Matrix(floats + 4 * row[Y], 4 * row[LDW])
        dy = Matrix(floats + 4 * net.offsets[GRADIENT], y.ld)
        end, curve = End(RELU, bits + row[ACTIVE], none, row[LD_ACTIVE], np.float32(1.0)), Curve(none, none, none)
        rule = Rule(net.update, 4 * work.params.shape[1], address_of(work.hyper))
        for b in range(least.shape[1]):
            rows = address_of(order) + 8 * n_rows * b
            x = Rows(rows, address_of(data.x), 4 * data.x.shape[1])
            work.state[SUMMED] = 1.0
            for part in range(3):
                began = clock()
                if part > 0 and net.first[FIRST_UPDATE] != 0:
                    invoke(net.first[FIRST_UPDATE], c, rows, n_rows, dy, rule)
                elif part > 0:
                    affine.weight_update(layer, n_rows, x, dy, rule)
                for _ in range(2 if part == 2 else 1 - part):
                    if net.first[FIRST_FORWARD] != 0:
                        invoke(net.first[FIRST_FORWARD], c, rows, n_rows, end, curve)
                    else:
                        affine.affine_forward(layer, n_rows, x, affine.no_lists(), y, end, curve)
                least[part, b] = min(least[part, b], clock() - began)

    return timed


def epoch(training: Any, number: int) -> float:
    """Train an epoch and evaluate its samples; return the seconds."""
    from fastnet.kernels import step

    stop = np.zeros(1, np.int64)
    began = time.perf_counter()
    training.call(step.TRAIN_EPOCH, number, stop)
    training.call(step.EVALUATE, int(step.TRAINING), stop)
    return time.perf_counter() - began


def verify(report: Report) -> None:
    """End the profile unless a small training on encoded columns is the reference's on the written-out ones."""
    import fastnet
    from fastnet import reference
    from fastnet.kernels import step
    from fastnet.kernels.context import LOSS
    from fastnet.kernels.host import TILE_ROWS
    from fastnet.training.single import Training

    dataset = table(600)
    data = samples(dataset)
    more: dict[str, Any] = {"optimizer": "adamw", "learning_rate": 0.003, "weight_decay": 0.01}
    config = fastnet.TrainConfig(hidden=(40,), batch_size=BATCH, epochs=3, **more)
    training = Training(config, data, 1)
    expected = reference.training.train(
        data.pipeline.apply(dataset.x).astype(np.float64), dataset.y, data.train_rows[:-TILE_ROWS],
        data.validation_rows[:-TILE_ROWS], (data.n_inputs, 40, 2), batch_size=BATCH, epochs=3, **more,
    )  # fmt: skip
    for number in range(3):
        training.call(step.TRAIN_EPOCH, number, np.zeros(1, np.int64))
        error = abs(float(training.work.state[LOSS]) - float(expected.train_loss[number]))
        if not error <= 1e-4:
            sys.exit(f"the training loss is {error:.3g} away from fastnet.reference")
    report.verified("three epochs on encoded columns, against fastnet.reference on written-out ones")


if __name__ == "__main__":
    main()
