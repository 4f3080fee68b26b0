"""What a trained model corrects in its answers, learnt from samples that it was not trained on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fastnet.errors import ModelError


class Corrected(ABC):
    """A model whose answers have a temperature and a threshold, or shifts of quantiles.

    Attributes
    ----------
    temperature : float
        What its logits are divided by, 1 unless it was calibrated.
    threshold : float or None
        Probability of the second of two classes from which it is predicted; None for the more probable class.
    shifts : tuple of float
        What was added to each quantile of each target, in its units, when it was calibrated; empty if it was not.
    """

    __slots__ = ()

    quantiles: tuple[float, ...]
    temperature: float
    threshold: float | None
    shifts: tuple[float, ...]

    @property
    @abstractmethod
    def task(self) -> str:
        """What it predicts: ``classification``, ``regression`` or ``multilabel``."""

    @abstractmethod
    def _compared(
        self, x: Any, y: npt.ArrayLike | None
    ) -> tuple[npt.NDArray[np.floating[Any]], npt.NDArray[Any], npt.NDArray[np.float64] | None]:
        """Return answers, checked targets and weights of samples; the last two are a table's own if `y` is None."""

    @abstractmethod
    def _limits(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the least and the largest answer for each target that is a number."""

    def calibrated(
        self, x: Any, y: npt.ArrayLike | None = None, *, temperature: bool = True, threshold: str | None = None
    ) -> Self:
        """Return this model with what is learnt from samples that it was not trained on.

        Parameters
        ----------
        x, y : array_like or table
            As `score` takes them; never those of the training or of the test.
        temperature : bool
            Whether a classifier learns the `temperature`, which keeps the order of the classes and makes probabilities
            honest. A model of quantiles learns its `shifts`, so that the right share of the samples lies below each.
        threshold : {"accuracy", "balanced-accuracy", "f1", "mcc"}, optional
            Metric that the `threshold` of the second of two classes is to maximise.

        Raises
        ------
        ModelError
            If it has neither probabilities of classes nor quantiles, or a threshold is wanted and it has not two
            classes.
        DataError, ConfigError
            As `score` does, or if all samples are of one class; if the metric is unknown.

        Examples
        --------
        >>> import fastnet
        >>> data = ([[0.0], [0.1], [0.9], [1.0]] * 5, ["low", "low", "high", "high"] * 5)
        >>> model = fastnet.train(data, fastnet.TrainConfig(hidden=(), learning_rate=1.0)).model
        >>> better = model.calibrated([[0.2], [0.8], [0.5]], ["low", "high", "high"], threshold="f1")
        >>> better.temperature < 1, better.threshold < 1
        (True, True)
        """
        from fastnet.model.calibration import corrections, fit_shifts

        if self.task != "classification" and (not self.quantiles or threshold is not None):
            what = "probabilities of classes" if self.quantiles else "probabilities of classes or quantiles"
            raise ModelError(f"this model has no {what} ({self.task}), which could be calibrated")
        answers, truth, weights = self._compared(x, y)
        if self.quantiles:
            return self._corrected({"shifts": fit_shifts(answers, truth, self.quantiles, weights)})
        return self._corrected(corrections(answers, truth, weights, temperature=temperature, threshold=threshold))

    def _adjusted(self, answers: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
        """Return answers with the temperature, or the shifts of quantiles."""
        from fastnet.model.calibration import with_shifts, with_temperature

        if self.shifts:
            return with_shifts(answers, self.shifts, *self._limits())
        return answers if self.temperature == 1.0 else with_temperature(answers, self.temperature)

    def _corrected(self, found: Mapping[str, Any]) -> Self:
        """Return this model with its temperature multiplied, another threshold, or shifts added to its own."""
        changed: dict[str, Any] = {}
        if "temperature" in found:
            changed["temperature"] = self.temperature * found["temperature"]
        if "shifts" in found and self.shifts:
            changed["shifts"] = tuple(one + more for one, more in zip(self.shifts, found["shifts"], strict=True))
        return replace(self, **{**found, **changed})  # type: ignore[type-var]

    def _corrections(self) -> dict[str, Any]:
        """Return what its file says of temperature, threshold and shifts."""
        found: dict[str, Any] = {} if self.temperature == 1.0 else {"temperature": self.temperature}
        found |= {} if self.threshold is None else {"threshold": self.threshold}
        return found | ({"shifts": list(self.shifts)} if self.shifts else {})
