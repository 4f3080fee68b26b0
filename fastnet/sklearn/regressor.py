"""The regressor for scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_array

from fastnet.errors import ConfigError
from fastnet.sklearn.base import FastNet

LOSSES = {
    "squared_error": "squared-error",
    "absolute_error": "absolute-error",
    "huber": "huber",
    "poisson": "poisson",
    "quantile": "pinball",
}
"""The objective of each loss, by its name in scikit-learn."""


class FastNetRegressor(RegressorMixin, FastNet):  # type: ignore[misc]
    """A fully connected network that predicts numbers, with the interface of scikit-learn.

    The parameters of `sklearn.neural_network.MLPRegressor` have the same names and meanings here. What differs:
    features and targets are standardised, there is no L-BFGS, and weights are float32. Losses are those of the
    standardised targets.

    Parameters
    ----------
    loss : {"squared_error", "absolute_error", "huber", "poisson", "quantile"}
        What is minimised; ``poisson`` learns the logarithm of the expectation of counts, ``quantile`` the levels in
        `quantiles`.
    quantiles : tuple of float
        Levels of ``loss="quantile"``, between 0 and 1 in ascending order; `predict` returns one column for each.
    huber_delta : float
        Difference up to which ``huber`` is half the squared error, in standard deviations of the target.
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, \
shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, \
beta_1, beta_2, epsilon, n_iter_no_change, weight_decay, relative_rate, heads, dropout, init, numbers, n_networks, \
n_jobs
        See `FastNetClassifier`.
    metric : {"loss", "score"}
        What decides about the best epoch: the loss on the validation samples, or their error in units of the target.

    Attributes
    ----------
    model_ : fastnet.Model or fastnet.Ensemble
        The trained model, which can be saved.
    coefs_, intercepts_, loss_curve_, validation_loss_curve_, validation_scores_, best_validation_score_, best_iter_
        See `FastNetClassifier`; scores are R² of a single target, or with the losses ``absolute_error`` and
        ``quantile``, and for several targets, the negative error.
    loss_, best_loss_, n_iter_, t_, n_layers_, n_outputs_, out_activation_, n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> x, y = load_diabetes(return_X_y=True)
    >>> network = FastNetRegressor((32,), learning_rate_init=0.01, early_stopping=True, random_state=0).fit(x, y)
    >>> network.score(x, y) > 0.4
    True
    """

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        loss: str = "squared_error",
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        weight_decay: float | None = None,
        relative_rate: float = 0.0,
        heads: int = 1,
        dropout: float | tuple[float, ...] = 0.0,
        init: str | None = None,
        quantiles: tuple[float, ...] = (0.1, 0.5, 0.9),
        huber_delta: float = 1.0,
        metric: str = "loss",
        numbers: str = "auto",
        n_networks: int = 1,
        n_jobs: int | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.weight_decay = weight_decay
        self.relative_rate = relative_rate
        self.heads = heads
        self.dropout = dropout
        self.init = init
        self.quantiles = quantiles
        self.huber_delta = huber_delta
        self.metric = metric
        self.numbers = numbers
        self.n_networks = n_networks
        self.n_jobs = n_jobs

    _tasks = ("regression",)

    def _task(self) -> str:
        return "regression"

    def _objective(self) -> str:
        if self.loss not in LOSSES:
            raise ConfigError(f"loss={self.loss!r}: choose one of {', '.join(LOSSES)}")
        return LOSSES[self.loss]

    def _targets(self, y: Any, *, learn: bool, whole: bool) -> npt.NDArray[Any]:
        from sklearn.utils import column_or_1d

        shown = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        if shown.ndim == 2 and shown.shape[1] == 1:
            shown = column_or_1d(shown, warn=True)
        if learn:
            self._several = shown.ndim == 2
        return np.asarray(shown)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Go on training with one epoch of these samples.

        Parameters
        ----------
        X, y
            As `fit` takes them. Scales, columns and categories are learnt at the first call.
        sample_weight : array_like, shape (N,), optional

        Returns
        -------
        self
        """
        return self._partial_fit(X, y, sample_weight)

    def _scores(self, measured: npt.NDArray[np.float64], spread: float) -> npt.NDArray[np.float64]:
        """Return R² where the error is that of a mean of squares, otherwise the error below zero."""
        if self.loss in ("squared_error", "huber", "poisson") and np.isfinite(spread):
            return 1.0 - np.square(measured / max(spread, np.finfo(np.float64).tiny))
        return -measured

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """Predict the target of each sample.

        Parameters
        ----------
        X : array_like, sparse array or table
            Features as `fit` takes them.

        Returns
        -------
        ndarray, float64
            (N,), or (N, K) of several targets; with ``loss="quantile"`` (N, Q), or (N, K, Q).
        """
        answers = self._answers(X)
        numbers: npt.NDArray[np.float64] = self.model_._shaped(answers)
        return numbers

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
