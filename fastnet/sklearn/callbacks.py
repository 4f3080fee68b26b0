"""The callbacks of scikit-learn: a task an epoch, of which a callback can be the last."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

    from fastnet.model.classifier import Model

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands for scikit-learn's, which earlier versions do not have."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method as it is."""
        return method


__all__ = ["CallbackSupportMixin", "EpochTasks", "with_callbacks"]


class EpochTasks:
    """Calls the hooks of an estimator's callbacks at the beginning and the end of the fit and of each epoch.

    Parameters
    ----------
    estimator : estimator with `CallbackSupportMixin`
    x, y : array_like
        What `fit` was given.
    metadata : dict
        Its other arguments, such as the weights.
    attributes : callable
        Takes a model and returns the fitted attributes of an estimator that answers with it.
    """

    def __init__(
        self, estimator: Any, x: Any, y: Any, metadata: dict[str, Any], attributes: Callable[[Model], dict[str, Any]]
    ) -> None:
        self._estimator, self._attributes = estimator, attributes
        self._given = {"X": x, "y": y, "metadata": metadata}
        self._fit: Any = None
        self._epoch: Any = None
        if hasattr(estimator, "_init_callback_context"):
            self._fit = estimator._init_callback_context(max_subtasks=estimator.max_iter)
            self._fit.call_on_fit_task_begin(estimator=estimator, **self._given)

    @property
    def wanted(self) -> bool:
        """Whether the estimator has callbacks, its own or those of a search or pipeline around it."""
        return self._fit is not None and bool(getattr(self._estimator, "_skl_callbacks", []))

    def begin(self) -> None:
        """Begin the task of the next epoch."""
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(estimator=self._estimator, **self._given)

    def __call__(self, curves: npt.NDArray[Any], model: Callable[[], Model]) -> bool:
        """End the task of an epoch, and begin the next; return whether a callback wants training to end."""
        over = self._epoch.call_on_fit_task_end(
            estimator=self._estimator,
            reconstruction_attributes=lambda: self._attributes(model()),
            **self._given,
        )
        self._epoch = None
        if not over and curves.shape[1] < self._estimator.max_iter:
            self.begin()
        return bool(over)

    def end(self, attributes: dict[str, Any]) -> None:
        """End the task of an epoch that never ran, and that of the fit."""
        if self._epoch is not None:
            self._epoch.call_on_fit_task_end(estimator=self._estimator)
        if self._fit is not None:
            self._fit.call_on_fit_task_end(
                estimator=self._estimator, reconstruction_attributes=attributes, **self._given
            )
