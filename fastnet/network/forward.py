"""What a trained network answers: probabilities, numbers or quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastnet.config.network import NetworkSpec
from fastnet.data.pipeline.pipeline import Pipeline
from fastnet.data.sparse import is_sparse
from fastnet.kernels import activation, heads, host, layout, pack, panels, sparsity, step
from fastnet.kernels.answers import KINDS
from fastnet.kernels.context import N_PLACES, SCALE, Data, Net, Trial, fill
from fastnet.network.assembly import BLOCK_ROWS, first_stages
from fastnet.network.coding import Coded, code_samples, is_coded, nothing_coded
from fastnet.network.csr import Csr, csr_of, no_entries
from fastnet.network.memory import share, work_shapes
from fastnet.network.samples import COPY_ROWS, pad_samples, padded_rows

Floats = npt.NDArray[np.float32]


class Inputs(NamedTuple):
    """Up to `COPY_ROWS` samples as the first layer reads them."""

    samples: Floats
    codes: Coded
    sparse: Csr


def inputs_of(x: npt.NDArray[Any], pipeline: Pipeline) -> list[Inputs]:
    """Prepare samples for `forward`."""
    return [_inputs(x[begin : begin + COPY_ROWS], pipeline) for begin in range(0, x.shape[0], COPY_ROWS)]


def _inputs(x: npt.NDArray[Any], pipeline: Pipeline) -> Inputs:
    if is_sparse(x):
        return Inputs(np.zeros((0, 0), np.float32), nothing_coded(), csr_of(pipeline.apply(x)))
    coded = code_samples(x, pipeline)
    if coded is None:
        return Inputs(pad_samples(x, pipeline), nothing_coded(), no_entries())
    return Inputs(coded.dense, coded, no_entries())


def forward(
    spec: NetworkSpec,
    weights: Sequence[Floats],
    biases: Sequence[Floats],
    eval_scales: Sequence[float],
    pipeline: Pipeline,
    x: npt.NDArray[Any],
    objective: str = "cross-entropy",
    n_levels: int = 0,
    prepared: Sequence[Inputs] = (),
) -> Floats:
    """Compute a model's answers, (N, O) float32: class probabilities, or what its objective makes of its outputs.

    Numbers are on the scale of the targets that it learnt, see `fastnet.data.pipeline.targets`.

    Parameters
    ----------
    spec : NetworkSpec
        Its shape, of L layers.
    weights, biases : sequence of L arrays
        (I, O) and (O,) float32.
    eval_scales : sequence of L - 1 floats
        Factors on the outputs of the hidden layers.
    pipeline : Pipeline
    x : (N, F) array or csr_array
        Checked features in the units of the training data.
    objective : str
        What the network learnt, see `fastnet.kernels.answers.KINDS`.
    n_levels : int
        Quantiles of each target, if it learnt those.
    prepared : sequence of Inputs
        What `inputs_of` returned for `x`, so that networks that read the same samples share it.
    """
    at_once = max(BLOCK_ROWS // spec.heads, 1)
    block = host.round_up(min(at_once, max(x.shape[0], 1)), host.TILE_ROWS)
    plan = layout.layout(spec.sizes, spec.heads * block)
    table, sparse = is_coded(pipeline), is_sparse(x)
    wanted = layout.panels_of(
        plan.table, listed_inputs=False, listed_hidden=False, training=False, encoded=table, sparse=sparse
    )
    panels.compile_panels(sorted(wanted))
    stages = np.array([step.stage(step.FORWARD)], np.int64)
    no_targets, none = np.zeros((0, 8), np.uint8), np.zeros(0, np.float32)
    net = Net(
        plan.table, plan.offsets, panels.TABLE, stages, activation.stages(spec.activation), 0, 0, 0, 0, 1, block, 0,
        first_stages(coded=table, sparse=sparse), 0, 0.0, heads.stages(spec.heads), spec.n_outputs,
        heads.signs_of(spec.heads, spec.sizes[1]),
    )  # fmt: skip
    codes = nothing_coded() if sparse else code_samples(x[:0], pipeline) or nothing_coded()
    [work] = share(
        [
            work_shapes(
                plan, n_states=0, n_rows=0, batch_size=0, capacity=0, threads=1, columns=codes.columns,
                n_numbers=codes.fractions.shape[1],
            )
        ]
    )  # fmt: skip
    lists = sparsity.non_zero_lists(np.zeros((0, spec.n_inputs), np.float32), 1)
    layout.pack_parameters(plan.table, list(weights), list(biases), work.params[0])
    work.dropout[:, SCALE] = *eval_scales, 1.0
    trial = Trial(0, 0, 0.0, 0.0, 0.0)
    answers = np.empty((x.shape[0], spec.n_outputs), np.float32)
    context = np.zeros(N_PLACES, np.int64)
    last = plan.table[-1]
    for number, begin in enumerate(range(0, x.shape[0], COPY_ROWS)):
        some_x = x[begin : begin + COPY_ROWS]
        samples, codes, entries = prepared[number] if prepared else _inputs(some_x, pipeline)
        rows = padded_rows(np.arange(some_x.shape[0]))
        identity = np.arange(plan.n_rows, dtype=np.int64)
        data = Data(
            samples, no_targets, 0, *lists, *lists, codes.n_dense, codes.columns, codes.places, codes.fractions,
            *entries[:3], identity, rows, rows, none, none,
        )  # fmt: skip
        fill(context, net, data, work, trial)
        some = answers[begin : begin + COPY_ROWS]
        pack.predict_rows(context, rows, block, last, work.floats, KINDS[objective], np.int64(n_levels), some)
    return answers
