"""The classifier for scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin

from fastnet.errors import ConfigError
from fastnet.model.scores import decided
from fastnet.sklearn.base import FastNet
from fastnet.sklearn.given import known_labels


class FastNetClassifier(ClassifierMixin, FastNet):  # type: ignore[misc]
    """A fully connected network that predicts classes, or labels of 0 and 1, with the interface of scikit-learn.

    The parameters of `sklearn.neural_network.MLPClassifier` have the same names and meanings here, so that its name in
    a script can be replaced. What differs: features are standardised by default (`numbers`), there is no L-BFGS, and
    weights are float32.

    Parameters
    ----------
    hidden_layer_sizes : int, sequence of int or str
        Width of each hidden layer; also as text, ``"100x6"``. An empty sequence makes a linear model.
    activation : {"relu", "leaky-relu", "tanh", "logistic", "gelu", "silu"}
        Activation of the hidden layers.
    solver : {"adam", "adamw", "sgd", "rmsprop", "adagrad"}
        Update rule; ``sgd`` has momentum.
    alpha : float
        L2 penalty as scikit-learn defines it: a step adds ``alpha / batch_size`` times the weights to the gradient.
    batch_size : int or "auto"
        Samples of a step; ``auto`` is 200, or all samples if there are fewer.
    learning_rate : {"constant", "cosine", "step", "invscaling", "adaptive"}
        How the learning rate changes; the last two with ``solver="sgd"`` only, as in scikit-learn.
    learning_rate_init : float
        Learning rate, in (0, 1e6].
    power_t : float
        Exponent of ``invscaling``.
    max_iter : int
        Epochs at most.
    shuffle : bool
        Whether each epoch takes the samples in another order; False only with a batch that holds all of them.
    random_state : int, RandomState or None
        Decides initial weights, dropout, and the order of the samples; results do not depend on `n_jobs`.
    tol : float
        Improvement of the training loss, or with `early_stopping` of `metric`, that counts as one.
    verbose : bool
        Whether to print the loss of each epoch.
    warm_start : bool
        Whether `fit` goes on with the weights of the last one.
    momentum : float
        Of ``solver="sgd"``, in [0, 1).
    nesterovs_momentum : bool
        Whether it is Nesterov's.
    early_stopping : bool
        Whether to keep the weights of the epoch that is best on validation samples: `X_val` of `fit`, or a share of its
        samples. Training ends once `n_iter_no_change` epochs were no better. Without it, training ends when the
        training loss no longer falls, and the last weights are kept.
    validation_fraction : float
        That share, in (0, 1), the same of every class.
    beta_1, beta_2, epsilon : float
        Of ``adam`` and ``adamw``.
    n_iter_no_change : int
        Epochs without improvement after which training ends.
    weight_decay : float, optional
        λ of ``½ λ Σ w²`` instead of `alpha`; decoupled with ``solver="adamw"``.
    relative_rate : float
        κ of ``adam`` and ``adamw``: the learning rate of a weight w is ``learning_rate_init (1 + κ |w|)``. Of tables of
        which numbers are predicted, 50 has found lower errors.
    heads : int
        Output layers whose mean is the answer, 1 to 16, see `fastnet.TrainConfig`.
    dropout : float or tuple of float
        Share of hidden units that a step drops, in [0, 1): one for all hidden layers, or one for each.
    init : {"he", "xavier"}, optional
        Initial weights; the default follows from the activation.
    class_weight : "balanced", dict or None
        Weight of each class, as `sklearn.utils.class_weight.compute_sample_weight` takes it.
    label_smoothing : float
        Share of the target that is spread over all classes, in [0, 1).
    metric : {"loss", "score"}
        What decides about the best epoch: the loss on the validation samples, or their accuracy.
    numbers : {"auto", "standard", "piecewise", "robust", "quantile", "raw"}
        How numbers are read: standardised, encoded piecewise linearly as in tables, scaled robustly, or as they are.
        ``auto`` standardises arrays, encodes the columns of tables, and leaves sparse features as they are.
    n_networks : int
        Networks that differ in their random numbers, and whose probabilities are averaged.
    n_jobs : int or None
        Threads; None for all cores, and for one inside a worker of joblib.

    Attributes
    ----------
    classes_ : ndarray
    model_ : fastnet.Model or fastnet.Ensemble
        The trained model, which can be saved.
    coefs_, intercepts_ : list of ndarray
        Weights and biases of each layer, of a single network; in the last layer those of all `heads` side by side.
    loss_curve_, validation_loss_curve_ : list of float
        Loss of each epoch, on training samples without the penalty, and on validation samples.
    validation_scores_, best_validation_score_, best_iter_
        Accuracy on validation samples of each epoch and of the best one, and which it is; with `early_stopping`.
    loss_, best_loss_, n_iter_, t_, n_layers_, n_outputs_, out_activation_, n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> network = FastNetClassifier(hidden_layer_sizes=(16,), learning_rate_init=0.01, random_state=0, tol=1e-3)
    >>> network.fit(x, y).score(x, y) > 0.95
    True
    """

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
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
        class_weight: Any = None,
        label_smoothing: float = 0.0,
        metric: str = "loss",
        numbers: str = "auto",
        n_networks: int = 1,
        n_jobs: int | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
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
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.metric = metric
        self.numbers = numbers
        self.n_networks = n_networks
        self.n_jobs = n_jobs

    _tasks = ("classification", "multilabel")

    def _task(self) -> str:
        return "multilabel" if self._labels else "classification"

    def _objective(self) -> str:
        return "binary-cross-entropy" if self._labels else "cross-entropy"

    @property
    def _labels(self) -> bool:
        """Whether the targets are several labels of 0 and 1."""
        return bool(getattr(self, "_several", False))

    def _class_labels(self) -> npt.NDArray[Any] | None:
        return None if self._labels else self.classes_

    def _targets(self, y: Any, *, learn: bool, whole: bool) -> npt.NDArray[Any]:
        from sklearn.utils import column_or_1d
        from sklearn.utils.multiclass import check_classification_targets, type_of_target

        y = known_labels(y)
        check_classification_targets(y)
        several = type_of_target(y) == "multilabel-indicator"
        if several:
            shown = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
            if learn:
                self._several, self.classes_ = True, np.arange(shown.shape[1])
            self._check_labels(several, shown.shape[1])
            return shown
        flat = column_or_1d(y, warn=True)
        if learn:
            self._several, self.classes_ = False, np.unique(flat)
        self._check_labels(several, 1)
        if whole and not np.array_equal(np.unique(flat), self.classes_):
            raise ValueError(
                f"y has the classes {np.unique(flat)}, and the network of the last fit {self.classes_}: warm_start "
                "goes on with the same classes"
            )
        return self._positions(flat)

    def _check_labels(self, several: bool, columns: int) -> None:
        if several != self._labels or (several and columns != len(self.classes_)):
            raise ValueError("y has another form than in the first fit: give classes or labels as before")

    def _positions(self, y: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return the position of each label among the classes."""
        if len(self.classes_) < 2:
            raise ValueError(
                f"y has 1 class, {self.classes_[0]!r}: a classifier needs samples of at least 2 classes to tell apart"
            )
        places = np.searchsorted(self.classes_, y)
        known = self.classes_[np.minimum(places, len(self.classes_) - 1)] == y
        if not np.all(known):
            strange = np.asarray(y)[np.flatnonzero(~np.asarray(known))[0]]
            raise ValueError(f"y has the class {strange!r}, which was not among the classes of the first fit")
        return places.astype(np.int64)

    def _weights(self, targets: npt.NDArray[Any], sample_weight: Any) -> npt.NDArray[np.float64] | None:
        weights = super()._weights(targets, sample_weight)
        if self.class_weight is None:
            return weights
        from sklearn.utils.class_weight import compute_sample_weight

        if self._labels:
            raise ConfigError("class_weight is for classes: with several labels, give sample_weight instead")
        factors = compute_sample_weight(self.class_weight, self.classes_[targets])
        return np.asarray(factors if weights is None else factors * weights, np.float64)

    def partial_fit(self, X: Any, y: Any, classes: npt.ArrayLike | None = None, sample_weight: Any = None) -> Any:
        """Go on training with one epoch of these samples.

        Parameters
        ----------
        X, y
            As `fit` takes them. Scales, columns and categories are learnt at the first call.
        classes : array_like, optional
            All classes; needed at the first call unless `y` has them all.
        sample_weight : array_like, shape (N,), optional

        Returns
        -------
        self
        """
        if not hasattr(self, "model_"):
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit")
            from sklearn.utils.multiclass import type_of_target

            self.classes_ = np.unique(np.asarray(classes))
            self._several = type_of_target(y) == "multilabel-indicator"
        elif classes is not None and not np.array_equal(np.unique(np.asarray(classes)), self.classes_):
            raise ValueError(f"classes={classes!r} are not those of the first call to partial_fit, {self.classes_!r}")
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Predict the most probable class of each sample, (N,), or its labels, (N, K).

        A model with a threshold, see `from_model`, decides by it.

        Parameters
        ----------
        X : array_like, sparse array or table
            Features as `fit` takes them.
        """
        probabilities = self._answers(X)
        if self._labels:
            return (probabilities > 0.5).astype(np.int64)
        return np.asarray(self.classes_[decided(probabilities, self.model_.threshold)])

    def predict_proba(self, X: Any) -> npt.NDArray[np.float32]:
        """Compute the probability of each class in the order of `classes_`, or of each label: (N, K) float32.

        Parameters
        ----------
        X : array_like, sparse array or table
            Features as `fit` takes them.
        """
        return self._answers(X)

    def predict_log_proba(self, X: Any) -> npt.NDArray[np.float32]:
        """Compute the logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
