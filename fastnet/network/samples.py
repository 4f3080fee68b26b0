"""Samples made ready for the kernels: scaled, padded, and listed where most of them are zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnet.data.dataset import Dataset, Split
from fastnet.data.pipeline.scaling import Scaler, fit_scaler
from fastnet.kernels import host, layout, panels, sparsity
from fastnet.kernels.objective import OBJECTIVES

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

COPY_ROWS = 8192


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """Samples as the kernels want them; built by `prepare`, shared by every network that learns from them.

    Attributes
    ----------
    x : (N, ld) float32
        Scaled features, rows padded with zeros.
    targets : (N,) int64 or (N, K) float32
        Classes, or numbers; what the objective takes.
    train_rows, validation_rows : int64
        Sample numbers of the two parts, padded by one tile of repeats.
    n_features, n_outputs : int
        Width of the samples and of the output.
    sparse : bool
        Whether the first layer skips zeros; then `inputs` and `pairs` list the others, see
        `fastnet.kernels.sparsity.non_zero_lists`.
    dataset : Dataset
        What they were prepared from, with the names that a model needs.
    scaler : Scaler
        How they were scaled.
    objective : str
        What is learnt from them, see `fastnet.kernels.objective.OBJECTIVES`.
    """

    x: Floats
    targets: Integers | Floats
    train_rows: Integers
    validation_rows: Integers
    n_features: int
    n_outputs: int
    sparse: bool
    inputs: tuple[npt.NDArray[np.uint8], Floats, Integers]
    pairs: tuple[npt.NDArray[np.uint8], Floats, Integers]
    dataset: Dataset
    scaler: Scaler
    objective: str = "cross-entropy"

    @property
    def n_train(self) -> int:
        """Training samples."""
        return len(self.train_rows) - host.TILE_ROWS

    @property
    def score_sign(self) -> float:
        """1 where more of the objective's score is better, -1 where less is."""
        return 1.0 if OBJECTIVES[self.objective].higher_is_better else -1.0

    def lists_pay(self, batch_size: int) -> bool:
        """Whether the first layer walks the lists of what is not zero in batches of this size."""
        return self.sparse and batch_size <= sparsity.MAX_BATCH


def prepare(dataset: Dataset, split: Split, *, scaler: Scaler | None = None, skip_zeros: bool = True) -> TrainingData:
    """Scale and pad the samples of a data set, and list what is not zero where that is little.

    Parameters
    ----------
    dataset : Dataset
        Its training part is used.
    split : Split
        Which of those samples are learnt from and which are for validation.
    scaler : Scaler, optional
        How they are scaled; learnt on the training rows if left out.
    skip_zeros : bool
        False forces the dense kernels; the results are the same bits.

    Returns
    -------
    TrainingData
    """
    scaler = scaler or fit_scaler(dataset.x, split.train)
    x = pad_samples(dataset.x, scaler)
    features = x[:, : dataset.n_features]
    filled = np.count_nonzero(features[split.train[:COPY_ROWS]]) / max(features[split.train[:COPY_ROWS]].size, 1)
    sparse = bool(skip_zeros and filled <= sparsity.MAX_INPUT_DENSITY)
    kept = features if sparse else features[:0]
    return TrainingData(
        x=x,
        targets=np.array(dataset.y, np.int64),
        train_rows=padded_rows(split.train),
        validation_rows=padded_rows(split.validation),
        n_features=dataset.n_features,
        n_outputs=dataset.n_classes,
        sparse=sparse,
        inputs=sparsity.non_zero_lists(kept, 1),
        pairs=sparsity.non_zero_lists(kept, panels.PAIR),
        dataset=dataset,
        scaler=scaler,
    )


def pad_samples(x: npt.NDArray[Any], scaler: Scaler) -> Floats:
    """Scale samples into a zeroed, aligned (N, ld) float32 buffer."""
    padded: Floats = layout.aligned((len(x), layout.leading(x.shape[1])))
    for begin in range(0, len(x), COPY_ROWS):
        padded[begin : begin + COPY_ROWS, : x.shape[1]] = scaler.apply(x[begin : begin + COPY_ROWS])
    return padded


def padded_rows(rows: npt.NDArray[np.int64]) -> Integers:
    """Return sample numbers with one tile of repeats behind them, which the kernels read and never use."""
    return np.concatenate([rows, np.repeat(rows[:1], host.TILE_ROWS)]).astype(np.int64)
