"""The figures of a trained model: where it is wrong, and what it relies on."""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastnet.data.dataset import Dataset
from fastnet.data.fields import Field
from fastnet.data.pipeline.sparse import SparseScaler
from fastnet.data.samples import Samples, samples_of
from fastnet.data.sparse import is_sparse_given
from fastnet.errors import DataError, ModelError
from fastnet.model.corrected import Corrected
from fastnet.model.given import dense_parts, is_table_given, truth_of_table

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from fastnet.data.pipeline.pipeline import Pipeline
    from fastnet.data.schema import Schema
    from fastnet.model.reliance import Probe
    from fastnet.model.sparse_reliance import SparseProbe

Numbers = npt.NDArray[np.floating[Any]]


class ModelFigures(Corrected):
    """A model whose charts are figures of Plotly, for notebooks; they have the values of those of the report.

    Samples are given as `score` takes them, or as a `fastnet.Dataset`: its test samples if it has some, else all.
    """

    __slots__ = ()

    classes: npt.NDArray[Any]
    class_names: tuple[str, ...]
    pipeline: Pipeline
    schema: Schema | None

    @abstractmethod
    def _answers(self, features: npt.NDArray[Any]) -> Numbers:
        """Answer to checked features."""

    @abstractmethod
    def _losses(self, answers: Numbers, targets: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return the loss of each sample."""

    @abstractmethod
    def _features(self, x: Any) -> Any:
        """Check features."""

    @abstractmethod
    def _targets(self, y: npt.ArrayLike, n: int) -> npt.NDArray[Any]:
        """Check n targets."""

    @abstractmethod
    def _read(self, source: str | os.PathLike[str], *, labels: bool) -> Samples:
        """Read samples from a file, or by the name of a data set."""

    @abstractmethod
    def fitting(self, samples: Samples) -> Samples:
        """Return samples with the columns of the training data."""

    def plot_confusion(self, x: Any, y: npt.ArrayLike | None = None) -> Figure:
        """Draw the confusion matrix: how many samples of each class are predicted as which.

        Parameters
        ----------
        x, y : array_like, table or Dataset
            Samples and their classes, as `score` takes them; those of a `fastnet.Dataset` are its test samples, or all
            samples if it has no test set.

        Returns
        -------
        plotly.graph_objects.Figure

        Raises
        ------
        ModelError
            If the model does not predict classes.
        DataError
            If the samples cannot be used.

        Examples
        --------
        >>> import fastnet
        >>> data = fastnet.take_first(fastnet.load("mnist5k"), 200)
        >>> model = fastnet.train(data, fastnet.TrainConfig(hidden=(16,), epochs=2)).model
        >>> model.plot_confusion(data).layout.xaxis.title.text
        'predicted'
        """
        from fastnet.model.inspection import confusion_counts
        from fastnet.model.scores import decided
        from fastnet.plots.answers import confusion

        if self.task != "classification":
            raise ModelError(f"this model has no classes to confuse ({self.task}); use plot_residuals for numbers")
        features, truth, _ = self._known(x, y)
        predicted = decided(self._answers(features), self.threshold)
        return confusion(confusion_counts(truth, predicted, len(self.class_names)).tolist(), self.class_names)

    def plot_residuals(self, x: Any, y: npt.ArrayLike | None = None) -> Figure:
        """Draw predicted against true numbers, and how their differences are distributed.

        Of quantiles, the one nearest the median is drawn. Of more than 2000 samples a selection is drawn one by one.

        Parameters
        ----------
        x, y : array_like, table or Dataset
            As for `plot_confusion`.

        Raises
        ------
        ModelError
            If the model does not predict numbers.
        DataError
            If the samples cannot be used.
        """
        from fastnet.model.inspection import inspect_numbers, middle
        from fastnet.plots.answers import residuals

        if self.task != "regression":
            raise ModelError(f"this model predicts no numbers ({self.task}); use plot_confusion for classes")
        features, truth, _ = self._known(x, y)
        answers = self._answers(features)[:, middle(self.quantiles) :: max(len(self.quantiles), 1)]
        return residuals([inspect_numbers(answers[:, k], truth[:, k], name) for k, name in enumerate(self.class_names)])

    def plot_reliance(self, x: Any, y: npt.ArrayLike | None = None) -> Figure:
        """Draw how much the loss rises when the values of each column are shuffled: which columns the model relies on.

        Samples that the model was not trained on show what it learnt of use; at most 2000 are asked. Of sparse
        features, only the columns that it uses most are shuffled.

        Parameters
        ----------
        x, y : array_like, table or Dataset
            As for `plot_confusion`.

        Raises
        ------
        DataError, ModelError
            If the samples cannot be used.

        Notes
        -----
        Permutation importance, see `fastnet.model.reliance.importance_of_columns`.
        """
        from fastnet.model.reliance import importance_of_columns
        from fastnet.model.sparse_reliance import importance_of_used
        from fastnet.plots.bars import reliance

        features, truth, weights = self._known(x, y)
        if is_sparse_given(features):
            return reliance(importance_of_used(*self._sparse_probe(features, truth, weights)))
        names = [f"feature {k}" for k in range(features.shape[1])]
        fields = self.schema.fields if self.schema is not None else [Field(name, "number", name) for name in names]
        return reliance(importance_of_columns(self._probe(features, truth, fields, weights)))

    def _probe(self, x: Numbers, y: npt.NDArray[Any], fields: Any, weights: npt.NDArray[Any] | None) -> Probe:
        """Return this model with samples that it is asked about."""
        from fastnet.model.reliance import Probe

        return Probe(x, fields, self._answers, lambda outputs, rows: self._losses(outputs, y[rows]), weights)

    def _sparse_probe(
        self, x: Any, y: npt.NDArray[Any], weights: npt.NDArray[Any] | None
    ) -> tuple[SparseProbe, list[int]]:
        """Return this model with sparse samples, and the columns that it uses most."""
        from fastnet.model.sparse_reliance import SparseProbe, most_used

        networks: Any = getattr(self, "members", (self,))  # of an ensemble
        used = most_used(self.pipeline.apply(x), [network.weights[0] for network in networks])
        return SparseProbe(x, self._answers, lambda outputs, rows: self._losses(outputs, y[rows]), weights), used

    def _known(self, x: Any, y: npt.ArrayLike | None) -> tuple[Any, npt.NDArray[Any], npt.NDArray[Any] | None]:
        """Return checked features and targets of samples, and their weights if their source has some."""
        weights = None
        if isinstance(x, Dataset):
            self._check_columns(x)
            weights = x.weights if x.x_test is None else x.weights_test
            samples = self.fitting(samples_of(x))
            x, y = samples.x, samples.labels
        elif y is None and self.schema is None and isinstance(x, (str, os.PathLike)):
            samples = self._read(x, labels=True)
            x, y = samples.x, samples.labels
        elif self.schema is not None and is_table_given(x):
            if y is None:
                from fastnet.data.readers.table import Truth

                return truth_of_table(x, Truth(self.schema, self.classes, self.class_names), lambda features: features)
            x = np.concatenate([features for features, _ in self.schema.read(x)])
        if y is None:
            raise DataError("y is missing: give the true classes or numbers, or a Dataset, or a file that has them")
        if is_sparse_given(x) and not isinstance(self.pipeline, SparseScaler):
            x = np.concatenate(list(dense_parts(x, self.pipeline.n_fields)))
        features = self._features(x)
        return features, self._targets(y, features.shape[0]), weights

    def _check_columns(self, dataset: Dataset) -> None:
        """Raise `DataError` if a table was read in another way than that of the training, as levels are numbered."""
        if self.schema is not None and dataset.fields != self.schema.fields:
            raise DataError(
                f"{dataset.name}: its columns were not read as those of the training table; give its file or table "
                "instead of a Dataset"
            )
