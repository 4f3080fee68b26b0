"""What every trained model can do: predict classes, probabilities or numbers, measure itself, save itself."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastnet.config.objective import TASK_OF
from fastnet.data.extent import Extent
from fastnet.data.labels import positions_of
from fastnet.data.pipeline.sparse import SparseScaler
from fastnet.data.pipeline.table import TablePipeline
from fastnet.data.pipeline.targets import as_targets
from fastnet.data.samples import Samples, like_training
from fastnet.data.sparse import is_sparse_given
from fastnet.data.task import checked_weights
from fastnet.errors import DataError, ModelError
from fastnet.files import as_path
from fastnet.model.file import FloatArray, write_file
from fastnet.model.given import dense_parts, features_given, is_table_given, truth_of_table, warn_of_differences
from fastnet.model.plotted import ModelFigures
from fastnet.model.scores import Score, decided

if TYPE_CHECKING:
    import pyarrow as pa

    from fastnet.data.dataset import Dataset
    from fastnet.data.pipeline.pipeline import Pipeline
    from fastnet.data.schema import Schema
    from fastnet.model.metrics import Evaluation


class Predictor(ModelFigures):
    """A trained model: one network (`fastnet.Model`) or several (`fastnet.Ensemble`).

    Attributes
    ----------
    classes : ndarray
        (O,) int64, float64, bool or str: the labels of the classes, as in the training data; empty for numbers and
        labels of 0 and 1.
    class_names : tuple of str
        Their names, in the same order; or those of the targets.
    pipeline : Pipeline
        What the first layer reads of the features.
    extent : Extent or None
        Range of the training samples' features; None if unknown.
    settings : dict
        Settings of the training, ready for JSON.
    metrics : dict
        Measurements at the end of the training, ready for JSON.
    objective : str
        What it learnt.
    quantiles : tuple of float
        Levels of the answers to each target; empty unless the objective is ``pinball``.
    schema : Schema or None
        The columns of the table that it was trained on, so that it reads other tables like it; None for arrays.
    temperature, threshold, shifts
        See `Corrected`.
    """

    __slots__ = ()

    classes: npt.NDArray[Any]
    class_names: tuple[str, ...]
    pipeline: Pipeline
    extent: Extent | None
    settings: dict[str, Any]
    metrics: dict[str, Any]
    objective: str
    schema: Schema | None

    @property
    def task(self) -> str:
        """What it predicts: ``classification``, ``regression`` or ``multilabel``."""
        return TASK_OF[self.objective]

    @property
    def n_inputs(self) -> int:
        """Features of a sample."""
        return self.pipeline.n_fields

    def _repr_html_(self) -> str:
        """Show what it predicts and how well, in a notebook."""
        from fastnet import html

        what = f"{self.task}: {', '.join(self.class_names[:20])}"
        measured = ((name.replace("_", " "), value) for name, value in self.metrics.items() if value is not None)
        return html.block(self._shape_text(), html.paragraph(what), html.table(("measured", ""), measured))

    @abstractmethod
    def _shape_text(self) -> str:
        """Return its kind and size in a few words."""

    @abstractmethod
    def to_parts(self) -> tuple[dict[str, Any], dict[str, FloatArray]]:
        """Return the contents of its file: the description, ready for JSON, and the tensors by name."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one safetensors file, which `fastnet.load_model` reads, replacing an existing one whole or not at all.

        Parameters
        ----------
        path : path-like
            The file, ``~`` being the home folder; its folder must exist.

        Raises
        ------
        ConfigError
            If the path is empty.
        OSError
            If the folder is missing, read-only or full.
        """
        write_file(as_path(path, "path"), *self.to_parts())

    @abstractmethod
    def _answers(self, features: npt.NDArray[Any]) -> npt.NDArray[np.floating[Any]]:
        """Answer to checked features: (N, O) float32 probabilities, or (N, K * Q) float64 numbers in their units."""

    def predict_proba(self, x: Any) -> FloatArray:
        """Compute the probability of each class, or of each label.

        Parameters
        ----------
        x : array_like or table
            (N, I) features in the units of the training data: any numeric type, finite; further axes are flattened. A
            single sample can have the shape (I,), or be a square image of I pixels. Or a sparse array or matrix of
            SciPy, whatever the model was trained on. For a model of a table, another
            one with its columns, in any order, as `fastnet.load` takes it: a file, a folder, ``"-"``, a pandas,
            polars or Arrow table, or a dict of columns; or `Dataset.x` of such a table. For any other
            model, also a file of samples or the name of a data set, of which the test set is taken if there is one.

        Returns
        -------
        ndarray
            (N, O) float32, rows sum to 1, in the order of `classes`; of labels (N, K), each on its own.

        Raises
        ------
        DataError
            If `x` is not a table of finite numbers; or, as a table, lacks a column or has one of another type.
        ModelError
            If `x` has another number of features, or the model predicts numbers.

        Warns
        -----
        FastnetWarning
            If `x` appears to have other units than the training samples, such as images divided by 255; or, as a table,
            differs from the training table, such as by levels that did not occur there.
        """
        if self.task == "regression":
            raise ModelError("this model predicts numbers, which have no probabilities; use predict")
        answers: FloatArray = self.answers(x)
        return answers

    def predict_index(self, x: Any) -> npt.NDArray[np.int64]:
        """Choose the most probable class of each sample, by its position.

        Parameters
        ----------
        x : array_like
            (N, I) features, as `predict_proba` takes them.

        Returns
        -------
        ndarray
            (N,) int64, positions in `classes` and `class_names`; on a tie the first, with a `threshold` the class
            that it decides for.

        Raises
        ------
        DataError, ModelError
            As `predict_proba` does.
        """
        if self.task != "classification":
            raise ModelError(f"this model has no classes to choose from ({self.task}); use predict")
        return decided(self.predict_proba(x), self.threshold)

    def predict(self, x: Any) -> npt.NDArray[Any]:
        """Predict each sample: its most probable class, its numbers, or its labels.

        Parameters
        ----------
        x : array_like
            (N, I) features, as `predict_proba` takes them.

        Returns
        -------
        ndarray
            Classes: (N,) labels out of `classes`, of their type: int64, float64, bool or str; on a tie the first.
            Numbers: (N,) float64, or (N, K) of several targets; with Q quantiles (N, Q) or (N, K, Q), ascending.
            Labels: (N, K) int64 of 0 and 1.

        Raises
        ------
        DataError, ModelError
            If `x` is not a table of finite numbers, or has another number of features.

        Examples
        --------
        >>> import fastnet
        >>> data = ([[0.0], [0.1], [0.9], [1.0]] * 5, ["low", "low", "high", "high"] * 5)
        >>> model = fastnet.train(data, fastnet.TrainConfig(hidden=(), learning_rate=1.0)).model
        >>> model.predict([[0.05], [0.95]]).tolist(), model.predict_index([[0.05]]).tolist()
        (['low', 'high'], [1])
        >>> model.score([[0.05], [0.95]], ["low", "low"]).value
        0.5
        """
        if self.task == "classification":
            labels: npt.NDArray[Any] = self.classes[self.predict_index(x)]
            return labels
        return self._shaped(self.answers(x))

    def _shaped(self, answers: npt.NDArray[np.floating[Any]]) -> npt.NDArray[Any]:
        """Return numbers and labels as `predict` does."""
        if self.task == "multilabel":
            return (answers > 0.5).astype(np.int64)
        shape = [len(self.class_names)] if len(self.class_names) > 1 else []
        return answers.reshape(len(answers), *shape, *([len(self.quantiles)] if self.quantiles else []))

    def score(self, x: Any, y: npt.ArrayLike | None = None) -> Score:
        """Measure how well the true classes, numbers or labels are predicted; `evaluate` gives every metric.

        Parameters
        ----------
        x : array_like
            (N, I) features, as `predict_proba` takes them.
        y : array_like
            (N,) or (N, 1) labels: the true classes out of `classes`. Labels of another type match if they print alike,
            such as 1, 1.0, "1" and True, or if they name the class. Not every class must occur. For numbers and labels
            (N, K) of them, or (N,) for one target. Not needed if `x` is a file or table that has the targets; rows of a
            table without a target are left out, and the others count by its column of weights, if the training table
            had one.

        Returns
        -------
        Score
            Accuracy and mean cross-entropy; for numbers, the score and the loss of the objective that was learnt.

        Raises
        ------
        DataError
            If `x` is not a table of finite numbers, or `y` does not have one label of a known class per sample.
        ModelError
            If `x` has another number of features.
        """
        answers, truth, weights = self._compared(x, y)
        return self._scored(answers, truth, weights)

    def evaluate(self, x: Any, y: npt.ArrayLike | None = None, weights: npt.ArrayLike | None = None) -> Evaluation:
        """Measure how well the truth is predicted, by every metric of the task.

        Parameters
        ----------
        x, y : array_like
            As `score` takes them.
        weights : array_like, optional
            (N,) weights of the samples; all count alike by default. A table whose targets are read has those of its
            column of weights, if the training table had one.

        Returns
        -------
        Evaluation

        Raises
        ------
        DataError, ModelError
            As `score` does, or if the weights are not one for each sample, from 0.
        """
        from fastnet.model.metrics import Evaluation, all_metrics, class_table

        answers, truth, own = self._compared(x, y)
        counts = own if weights is None else checked_weights(weights, len(truth))
        found = all_metrics(self.task, truth, answers, counts, self.quantiles, self.threshold)
        classes = []
        if self.task == "classification":
            classes = class_table(truth, answers, self.class_names, counts, self.threshold)
        return Evaluation(self._scored(answers, truth, counts), found, classes, len(truth))

    def _compared(
        self, x: Any, y: npt.ArrayLike | None
    ) -> tuple[npt.NDArray[np.floating[Any]], npt.NDArray[Any], npt.NDArray[np.float64] | None]:
        """Return answers, checked targets and weights of samples; without `y` the last two are those of `x`."""
        if y is None and self.schema is None and isinstance(x, (str, os.PathLike)):
            samples = self._read(x, labels=True)
            x, y = samples.x, samples.labels
        if y is not None:
            answers = self.answers(x)
            return answers, self._targets(y, len(answers)), None
        if self.schema is None or not is_table_given(x):
            raise DataError(
                "y is missing: only a file, or a table for a model that was trained on one, has targets of its own"
            )
        from fastnet.data.readers.table import Truth

        truth = Truth(self.schema, self.classes, self.class_names)
        return truth_of_table(x, truth, self._answers)

    def answers_in_batches(
        self, table: Any, also: Sequence[str] = ()
    ) -> Iterator[tuple[npt.NDArray[np.floating[Any]], dict[str, pa.Array]]]:
        """Answer to a table a batch of rows at a time, so that neither it nor the answers need fit into memory.

        Parameters
        ----------
        table : path or table
            As `predict_proba` takes it.
        also : sequence of str
            Columns of the table whose cells are returned, too.

        Yields
        ------
        answers : ndarray
            Of each row the probabilities of classes or labels, (n, O) float32; or the numbers, (n, K) or (n, K * Q)
            float64, in the units of the targets.
        cells : dict of str to Arrow array

        Raises
        ------
        DataError
            If the table cannot be read, lacks a column or has one of another type.
        ModelError
            If the model was not trained on a table.
        """
        if self.schema is None:
            raise ModelError("this model was not trained on a table, so that it cannot read one")
        passage = self.schema.read(table, also)
        for features, cells in passage:
            yield self._answers(features), cells
        warn_of_differences(passage)

    def answers(self, x: Any) -> npt.NDArray[np.floating[Any]]:
        """Answer to samples, as `answers_in_batches` does, all at once.

        Parameters
        ----------
        x : array_like or table
            As `predict_proba` takes it.

        Raises
        ------
        DataError, ModelError
            As `predict_proba` does.
        """
        if self.schema is None and isinstance(x, (str, os.PathLike)):
            x = self._read(x, labels=False).x
        if is_sparse_given(x) and not isinstance(self.pipeline, SparseScaler):
            return np.concatenate([self._answers(self._features(part)) for part in dense_parts(x, self.n_inputs)])
        if self.schema is None or not is_table_given(x):
            return self._answers(self._features(x))
        return np.concatenate([answers for answers, _ in self.answers_in_batches(x)])

    def _targets(self, y: npt.ArrayLike, n: int) -> npt.NDArray[Any]:
        """Check n targets: positions of classes, or (n, K) float64 numbers."""
        if self.task == "classification":
            return positions_of(y, self.classes, self.class_names, n=n)
        return as_targets(y, len(self.class_names), n, labels=self.task == "multilabel")

    def _measure(
        self, features: npt.NDArray[Any], targets: npt.NDArray[Any], weights: npt.NDArray[Any] | None = None
    ) -> Score:
        """Measure on checked features and targets."""
        return self._scored(self._answers(features), targets, weights)

    @abstractmethod
    def _scored(
        self,
        answers: npt.NDArray[np.floating[Any]],
        targets: npt.NDArray[Any],
        weights: npt.NDArray[Any] | None = None,
    ) -> Score:
        """Measure what `_answers` returned."""

    @abstractmethod
    def _losses(self, answers: npt.NDArray[np.floating[Any]], targets: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return the loss of each sample, (N,), whose mean `_scored` gives."""

    def _features(self, x: Any) -> Any:
        """Check features, see `features_given`."""
        return features_given(x, self.n_inputs, self.pipeline, self.extent)

    @property
    def reads_table(self) -> bool:
        """Whether it reads the columns of a table, in which values may be missing, rather than plain numbers."""
        return isinstance(self.pipeline, TablePipeline)

    def _read(self, source: str | os.PathLike[str], *, labels: bool) -> Samples:
        """Read samples from a file, or by the name of a data set; its test set if it has one."""
        from fastnet.data.registry import load_samples

        return self.fitting(load_samples(source, labels=labels))

    def fitting(self, samples: Samples) -> Samples:
        """Return samples with the columns of the training data, see `fastnet.data.samples.like_training`.

        Raises
        ------
        ModelError
            If they have another number of features.
        """
        found = like_training(samples, self.n_inputs, self.class_names)
        self.check_fits(found)
        return found

    def check_fits(self, data: Dataset | Samples) -> None:
        """Raise `ModelError` unless data have this model's number of features."""
        if data.n_features != self.n_inputs:
            raise ModelError(
                f"{data.name} has {data.n_features} features: this model reads {self.n_inputs}; "
                "give the kind of data that it was trained on"
            )
