"""Samples prepared for the kernels: as inputs, padded, and listed if most values are zero."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnet.config.metric import Metric, score_of_objective
from fastnet.config.network import NetworkSpec
from fastnet.config.training import TrainConfig
from fastnet.data.dataset import Dataset
from fastnet.data.pipeline.pipeline import Pipeline, fit_pipeline
from fastnet.data.pipeline.targets import TargetScaler, unit_of
from fastnet.data.sparse import is_sparse
from fastnet.data.splitting import Split
from fastnet.kernels import host, layout, panels, sparsity
from fastnet.network.coding import Coded, code_samples
from fastnet.network.csr import Csr, csr_of, most_values
from fastnet.network.goal import goal_of, n_outputs_of

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

COPY_ROWS = 8192


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """Samples in the form that the kernels read; created by `prepare`, shared by all networks that train on them.

    Attributes
    ----------
    x : (N, ld) float32
        Inputs of the first layer, rows padded with zeros; (0, 0) where they are in `csr`.
    targets : (N,) int64 or (N, K) float32
        Classes or numbers, as the objective requires.
    train_rows, validation_rows : int64
        Sample numbers of the two parts, padded by one tile of repeats.
    n_inputs, n_outputs : int
        Width of the first layer and of the output.
    sparse : bool
        Whether the first layer skips zeros; `inputs` and `pairs` then list the other values, see
        `fastnet.kernels.sparsity.non_zero_lists`.
    dataset : Dataset
        Source of the samples, with the names that a model needs.
    pipeline : Pipeline
    objective : str
        Name in `fastnet.kernels.objective.OBJECTIVES`.
    weights : (N,) float32 or None
        Weight of every sample, 1 on average over the training rows and over the validation rows.
    quantiles : tuple of float
        Levels that are learnt of every target; empty unless the objective is ``pinball``.
    target_scaler : TargetScaler or None
        How numbers were brought to the scale of `targets`; None for classes and labels.
    coded : Coded or None
        The encoded columns of a table; `x` then holds the dense inputs alone.
    csr : Csr or None
        The inputs of sparse data.
    """

    x: Floats
    targets: Integers | Floats
    train_rows: Integers
    validation_rows: Integers
    n_inputs: int
    n_outputs: int
    sparse: bool
    inputs: tuple[npt.NDArray[np.uint8], Floats, Integers]
    pairs: tuple[npt.NDArray[np.uint8], Floats, Integers]
    dataset: Dataset
    pipeline: Pipeline
    objective: str = "cross-entropy"
    weights: Floats | None = None
    quantiles: tuple[float, ...] = ()
    target_scaler: TargetScaler | None = None
    coded: Coded | None = None
    csr: Csr | None = None

    @property
    def n_train(self) -> int:
        """Number of training samples."""
        return len(self.train_rows) - host.TILE_ROWS

    @property
    def score(self) -> Metric:
        """The score of the objective."""
        return score_of_objective(self.objective)

    def on(self, split: Split) -> TrainingData:
        """Return the same samples, of which other rows train and validate.

        Scales, bins and weights stay those that were learnt before, so nothing is copied.
        """
        return replace(self, train_rows=padded_rows(split.train), validation_rows=padded_rows(split.validation))

    def in_units(self, curves: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Convert the scores of (..., 4, epochs) curves as kernels measure them, float, to what is shown and stored.

        Squared errors become their roots, and errors of a single target are in its own units; those of several targets
        are means over their standardised values. Losses stay those of the standardised targets. Curves of classes and
        labels are returned as they are.
        """
        if not self.score.in_units:
            return curves
        measured = curves[..., 1::2, :].astype(np.float32).astype(np.float64)
        if self.score.name == "rmse":
            measured = np.sqrt(measured)
        converted = curves.copy()
        converted[..., 1::2, :] = measured * unit_of(self.target_scaler)
        return converted

    def lists_pay(self, batch_size: int) -> bool:
        """Whether the first layer walks the lists of non-zero values in batches of this size."""
        return self.sparse and batch_size <= sparsity.MAX_BATCH

    def most_values(self, batch_size: int) -> int:
        """Return how many values of sparse data a batch can have, 0 for other data."""
        return 0 if self.csr is None else most_values(self.csr, self.train_rows[: self.n_train], batch_size)


def prepare(
    dataset: Dataset,
    split: Split,
    config: TrainConfig | None = None,
    *,
    pipeline: Pipeline | None = None,
    skip_zeros: bool = True,
    encode: bool = True,
) -> TrainingData:
    """Make inputs of the training samples of a data set, padded, and list the non-zero values if there are few.

    The objective of `config` says what is learnt of the targets, by default the usual one of their task. The
    pipeline is learnt from the training rows unless one is given. Without `skip_zeros` the kernels are dense; the
    results are the same bits. Without `encode` the columns of a table are written out; results differ by rounding.
    """
    goal = goal_of(dataset, split, config or TrainConfig())
    pipeline = pipeline or fit_pipeline(dataset, split.train)
    csr = csr_of(pipeline.apply(dataset.x)) if is_sparse(dataset.x) else None
    coded = code_samples(dataset.x, pipeline) if encode else None
    x = np.zeros((0, 0), np.float32)
    if csr is None:
        x = pad_samples(dataset.x, pipeline) if coded is None else coded.dense
    features = x[:, : pipeline.n_inputs]
    sparse = bool(
        coded is None and csr is None and skip_zeros and _filled(features, split) <= sparsity.MAX_INPUT_DENSITY
    )
    kept = features if sparse else features[:0]
    return TrainingData(
        x=x,
        targets=goal.targets,
        train_rows=padded_rows(split.train),
        validation_rows=padded_rows(split.validation),
        n_inputs=pipeline.n_inputs,
        n_outputs=goal.n_outputs,
        sparse=sparse,
        inputs=sparsity.non_zero_lists(kept, 1),
        pairs=sparsity.non_zero_lists(kept, panels.PAIR),
        dataset=dataset,
        pipeline=pipeline,
        objective=goal.objective,
        weights=goal.weights,
        quantiles=goal.quantiles,
        target_scaler=goal.scaler,
        coded=coded,
        csr=csr,
    )


def _filled(x: Floats, split: Split) -> float:
    """Return the share of the inputs of some training samples that are not zero."""
    some = x[split.train[:COPY_ROWS]]
    return np.count_nonzero(some) / max(some.size, 1)


def network_of(config: TrainConfig, dataset: Dataset, split: Split) -> NetworkSpec:
    """Return the network that trains with these settings, without preparing all samples."""
    n_inputs = dataset.n_features if dataset.fields is None else fit_pipeline(dataset, split.train).n_inputs
    return config.network(n_inputs, n_outputs_of(dataset, config))


def pad_samples(x: npt.NDArray[Any], pipeline: Pipeline) -> Floats:
    """Write the inputs of samples into a zeroed, aligned (N, ld) float32 buffer."""
    padded: Floats = layout.aligned((len(x), layout.leading(pipeline.n_inputs)))
    for begin in range(0, len(x), COPY_ROWS):
        padded[begin : begin + COPY_ROWS, : pipeline.n_inputs] = pipeline.apply(x[begin : begin + COPY_ROWS])
    return padded


def padded_rows(rows: npt.NDArray[np.int64]) -> Integers:
    """Return sample numbers followed by one tile of repeats, which the kernels read but never use."""
    return np.concatenate([rows, np.repeat(rows[:1], host.TILE_ROWS)]).astype(np.int64)
