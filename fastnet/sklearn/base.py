"""What both estimators share: parameters, training, going on with it, and answering."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from fastnet.config.checks import count_networks
from fastnet.config.training import TrainConfig
from fastnet.data.sparse import is_sparse_given
from fastnet.data.task import checked_weights
from fastnet.errors import ConfigError, warn
from fastnet.model.classifier import Model
from fastnet.model.ensemble import Ensemble
from fastnet.sklearn.callbacks import CallbackSupportMixin, EpochTasks, with_callbacks
from fastnet.sklearn.fitting import Each, Fitted, Job, fit_networks, prepared, stopping_of
from fastnet.sklearn.given import (
    NUMBERS,
    Given,
    Samples,
    as_columns,
    as_numbers,
    dataset_of,
    divided,
    not_masked,
    reads_table,
    with_validation,
)
from fastnet.sklearn.loaded import OUT_ACTIVATIONS, FromModel
from fastnet.sklearn.settings import BY_EPOCH, config_of, in_parameters, seed_of, threads_of
from fastnet.training.loop import curve_row
from fastnet.training.pack import Kept

if TYPE_CHECKING:
    from fastnet.data.pipeline.pipeline import Pipeline
    from fastnet.network.samples import TrainingData

METRICS = ("loss", "score")

_SLOWEST = 1e-6
"""Learning rate below which ``adaptive`` gives up, as scikit-learn's does."""


class FastNet(FromModel, CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    """A fully connected network as an estimator; see its two subclasses, which list the parameters."""

    model_: Any
    n_iter_: int
    t_: int
    loss_curve_: list[float]
    _kept: Kept
    _seed: int
    _converged: bool

    def _task(self) -> str:
        """Return what is predicted, see `fastnet.data.dataset.Dataset.task`."""
        raise NotImplementedError

    def _objective(self) -> str:
        raise NotImplementedError

    def _targets(self, y: Any, *, learn: bool, whole: bool) -> npt.NDArray[Any]:
        """Check targets and return them as a data set takes them, see `_samples`."""
        raise NotImplementedError

    def _class_labels(self) -> npt.NDArray[Any] | None:
        return None

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: npt.ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: npt.ArrayLike | None = None,
    ) -> Any:
        """Train on samples.

        Parameters
        ----------
        X : array_like or sparse array, shape (N, F); or table
            Features. A table (pandas, polars, Arrow or anything with ``__arrow_c_stream__``) may have text, dates,
            truth values and missing values.
        y : array_like, shape (N,) or (N, K)
            Targets.
        sample_weight : array_like, shape (N,), optional
            Weight of each sample, from 0; also of those that validate.
        X_val, y_val : as X and y, optional
            Samples on which each epoch is measured, instead of a share of `X`.
        sample_weight_val : array_like, optional
            Their weights.

        Returns
        -------
        self

        Raises
        ------
        fastnet.ConfigError
            If a parameter is outside its range.
        fastnet.DataError, ValueError
            If the data cannot be used.
        fastnet.FastnetError
            If the loss does not stay finite.
        """
        _check_pair(X_val, y_val)
        go_on = self.warm_start and hasattr(self, "model_")
        if go_on:
            self._check_goes_on()
        metadata = {"sample_weight": sample_weight}
        tasks = EpochTasks(self, X, y, metadata, self._attributes_with)
        alone = X_val is None and not tasks.wanted and not go_on
        if not (alone and self._was_trained(X, y, sample_weight)):
            samples = self._samples(X, y, sample_weight, first=not go_on, targets="same" if go_on else "learn")
            validation = None
            if X_val is not None:
                validation = self._samples(X_val, y_val, sample_weight_val, first=False, targets="some")
            seed = seed_of(self.random_state)
            job = self._job(self._given(samples, validation, seed, go_on=go_on), seed, go_on=go_on)
            self._settle(self._train(job, tasks), len(samples.y), before=0)
            self._warn_of_convergence()
        tasks.end(self._attributes_with(self.model_))
        return self

    def _was_trained(self, X: Any, y: Any, sample_weight: Any) -> bool:
        """Take what a search has trained already with these parameters on these samples; return whether it has."""
        shelf = getattr(self, "_shelf", None)
        found = None if shelf is None else shelf.get(self, X, y, sample_weight)
        if found is None:
            return False
        trained, learnt = found
        self.__dict__.update(learnt)
        self._settle(trained, len(y), before=0)
        return True

    def _learnt(self) -> dict[str, Any]:
        """Return the attributes that follow from the samples alone."""
        names = ("classes_", "n_features_in_", "feature_names_in_", "_several", "_table")
        return {name: getattr(self, name) for name in names if hasattr(self, name)}

    def __sklearn_clone__(self) -> Any:
        copy = super().__sklearn_clone__()
        if hasattr(self, "_shelf"):
            copy._shelf = self._shelf
        return copy

    def _partial_fit(self, X: Any, y: Any, sample_weight: npt.ArrayLike | None) -> Any:
        """Train one more epoch, on these samples."""
        if self.n_networks != 1:
            raise ConfigError(f"n_networks={self.n_networks!r}: partial_fit goes on with one network; leave it at 1")
        if self.early_stopping:
            raise ConfigError(
                "early_stopping=True: partial_fit does not support early_stopping=True, because it trains a single "
                "epoch; leave it at False"
            )
        first = not hasattr(self, "model_")
        if not first:
            self._check_goes_on()
        known = not first or hasattr(self, "classes_")
        samples = self._samples(X, y, sample_weight, first=first, targets="some" if known else "learn")
        seed = seed_of(self.random_state) if first or not hasattr(self, "_seed") else self._seed
        self._seed, done = seed, 0 if first else self.n_iter_
        given = self._given(samples, None, seed, go_on=not first)
        job = self._job(given, seed, go_on=False, epochs=done + 1)
        job = job._replace(earlier=None if first else self._kept, epochs_before=done, threads=1)
        self._settle(fit_networks(job, self._say if self.verbose else None), len(samples.y), before=done)
        return self

    def _samples(self, X: Any, y: Any, sample_weight: Any, *, first: bool, targets: str) -> Samples:
        """Check samples; at first, learn how many features there are, and their names.

        With ``targets="learn"`` learn what the targets are; with ``"same"`` they must have all the classes that are
        known, with ``"some"`` no others.
        """
        if y is None:
            raise ValueError(f"requires y to be passed, but the target y is None: give {type(self).__name__} targets")
        if not isinstance(self.numbers, str) or self.numbers not in NUMBERS:
            raise ConfigError(f"numbers={self.numbers!r}: choose one of {', '.join(NUMBERS)}")
        x = self._features(X, reset=first)
        checked = self._targets(y, learn=targets == "learn", whole=targets == "same")
        if len(checked) != x.shape[0]:
            raise ValueError(f"X has {x.shape[0]} samples and y {len(checked)}: inconsistent numbers of samples")
        return Samples(x, checked, self._weights(checked, sample_weight))

    def _features(self, X: Any, *, reset: bool) -> Any:
        """Check features, and at first decide whether they are columns of a table."""
        X = as_columns(X) if isinstance(X, dict) and not is_sparse_given(X) else not_masked(X, "X")
        if reset:
            self._table, self._by_name = reads_table(X, self.numbers), False
        if self._table and not is_sparse_given(X):
            if not self._by_name:
                validate_data(self, X, reset=reset, skip_check_array=True)
            return as_columns(X)
        numbers, kinds = as_numbers(X), [np.float64, np.float32]
        if numbers is X:
            return validate_data(self, X, reset=reset, accept_sparse="csr", dtype=kinds)
        validate_data(self, X, reset=reset, skip_check_array=True)  # for the names of its columns
        return check_array(numbers, dtype=kinds)

    def _weights(self, targets: npt.NDArray[Any], sample_weight: Any) -> npt.NDArray[np.float64] | None:
        if sample_weight is None:
            return None
        weights = np.asarray(sample_weight)
        if weights.ndim == 0:
            return np.full(len(targets), float(weights))
        return checked_weights(weights, len(targets), "sample_weight")

    def _given(self, samples: Samples, validation: Samples | None, seed: int, *, go_on: bool = False) -> Given:
        """Make a data set of the samples, and divide it; to go on, read as the model reads tables."""
        n_validation = 0 if validation is None else len(validation.y)
        joined = samples if validation is None else with_validation(samples, validation)
        schema = self.model_.schema if go_on else None
        dataset = dataset_of(joined, self._class_labels(), self._task(), self.numbers, table=self._table, schema=schema)
        fraction = self.validation_fraction if self.early_stopping else None
        if fraction is not None and not n_validation and dataset.n_samples < 3:
            raise ValueError(f"early_stopping needs validation samples: {dataset.n_samples} samples are too few")
        return divided(dataset, n_validation, fraction, seed)

    def _job(self, given: Given, seed: int, *, go_on: bool, epochs: int | None = None) -> Job:
        config = self._config(len(given.split.train), seed, epochs)
        pipeline = self.model_.pipeline if go_on or (epochs or 1) > 1 else None
        job = self._job_on(self._data(given, config, pipeline), config)
        return self._going_on(job) if go_on else job

    def _data(self, given: Given, config: TrainConfig, pipeline: Pipeline | None = None) -> TrainingData:
        """Make samples ready for the kernels."""
        with in_parameters():
            return prepared(given, config, self.numbers, pipeline)

    def _job_on(self, data: TrainingData, config: TrainConfig) -> Job:
        """Return the training of a new network."""
        if self.metric not in METRICS:
            raise ConfigError(f"metric={self.metric!r}: choose one of {', '.join(METRICS)}")
        with in_parameters():
            networks = count_networks(self.n_networks)
        rule = stopping_of(self.metric, self._objective(), float(self.tol), early=bool(self.early_stopping))
        return Job(data, config, rule, networks=networks, threads=threads_of(self.n_jobs))

    def _config(self, n_train: int, seed: int, epochs: int | None = None) -> TrainConfig:
        config = config_of(self, n_train, seed, self._objective())
        return config if epochs is None else replace(config, epochs=epochs, early_stopping=None)

    def _going_on(self, job: Job) -> Job:
        """Return a job that begins with the weights of the last fit, and a new optimizer."""
        if self.n_networks != 1:
            raise ConfigError(f"n_networks={self.n_networks!r}: warm_start goes on with one network; leave it at 1")
        shape = self.model_.spec
        if job.config.network(job.data.n_inputs, job.data.n_outputs) != shape:
            raise ConfigError(
                f"hidden_layer_sizes={self.hidden_layer_sizes!r}: warm_start goes on with the network of the last fit, "
                f"{shape.hidden}; leave its shape as it was, or set warm_start=False"
            )
        return job._replace(
            config=replace(job.config, epochs=job.config.epochs + 1),
            earlier=self._kept.with_fresh_optimizer(),
            epochs_before=1,
        )

    def _train(self, job: Job, tasks: EpochTasks) -> Fitted:
        hooks: list[Each] = [self._say] if self.verbose else []
        if tasks.wanted:
            if job.networks != 1:
                raise ConfigError(f"n_networks={self.n_networks!r}: callbacks follow one network; leave it at 1")
            tasks.begin()
            hooks.append(tasks)

        def each(curves: npt.NDArray[Any], model: Callable[[], Model]) -> bool:
            stops = [hook(curves, model) for hook in hooks]  # all of them are called
            return any(stops)

        by_epoch = self.solver == "sgd" and self.learning_rate in BY_EPOCH
        return fit_networks(job, each if hooks and job.networks == 1 else None, self._rates(job) if by_epoch else None)

    def _say(self, curves: npt.NDArray[Any], model: Callable[[], Model]) -> bool:
        """Report an epoch on standard output, which `verbose` asks for."""
        sys.stdout.write(f"Iteration {curves.shape[1]}, loss = {curves[0, -1]:.8f}\n")
        if self.early_stopping:
            sys.stdout.write(f"Validation score: {curves[3, -1]:f}\n")
        return False

    def _rates(self, job: Job) -> Callable[[Any], float]:
        """Return the learning rate after each epoch as scikit-learn's ``invscaling`` and ``adaptive`` have it."""
        state = {"rate": job.config.effective_learning_rate, "best": np.inf, "stalled": 0}
        samples, patience = job.data.n_train, self.n_iter_no_change

        def inverse(curves: npt.NDArray[Any]) -> float:
            return float(state["rate"] / (samples * curves.shape[1] + 1) ** self.power_t)

        def adaptive(curves: npt.NDArray[Any]) -> float:
            value = -job.stopping.sign * float(curves[curve_row(job.stopping.curve), -1])
            state["stalled"] = 0 if value < state["best"] - self.tol else state["stalled"] + 1
            state["best"] = min(state["best"], value)
            if state["stalled"] > patience:
                state["rate"], state["stalled"] = state["rate"] / 5.0, 0
            return float(state["rate"]) if state["rate"] > _SLOWEST else 0.0

        return inverse if self.learning_rate == "invscaling" else adaptive

    def _attributes_with(self, model: Any) -> dict[str, Any]:
        """Return the attributes that make an unfitted copy answer with a model."""
        return self._learnt() | {"model_": model}

    def _settle(self, fitted: Fitted, n_samples: int, *, before: int) -> None:
        """Set the attributes of a fitted estimator."""
        models, curves = fitted.models, fitted.curves
        self.model_ = models[0] if len(models) == 1 else Ensemble(members=tuple(models), settings=models[0].settings)
        earlier = before and hasattr(self, "loss_curve_")
        self.loss_curve_ = (self.loss_curve_ if earlier else []) + curves[0].tolist()
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        self.n_iter_ = before + fitted.epochs
        self.t_ = (self.t_ if earlier else 0) + fitted.epochs * n_samples
        self.n_layers_ = len(models[0].spec.sizes)
        self.n_outputs_ = models[0].spec.n_outputs
        self.out_activation_ = OUT_ACTIVATIONS[self._task()]
        self.best_loss_ = None if self.early_stopping else float(np.min(self.loss_curve_, initial=np.inf))
        self.validation_loss_curve_ = curves[2].tolist()
        self.validation_scores_ = self.best_validation_score_ = self.best_iter_ = None
        self._kept = fitted.kept
        if self.early_stopping:
            scores = self._scores(curves[3], fitted.spread).tolist()
            self.validation_scores_, self.best_iter_ = scores, fitted.best_epoch
            self.best_validation_score_ = scores[fitted.best_epoch - 1]
        self._converged = fitted.converged

    def _scores(self, measured: npt.NDArray[np.float64], spread: float) -> npt.NDArray[np.float64]:
        """Return the scores of epochs; of classes as they were measured."""
        return measured

    def _warn_of_convergence(self) -> None:
        from sklearn.exceptions import ConvergenceWarning

        if not self._converged and self.n_iter_ == self.max_iter and self.learning_rate != "cosine":
            warn(
                f"max_iter={self.max_iter}: the loss was still falling; train longer, or stop by early_stopping",
                ConvergenceWarning,
            )

    @property
    def coefs_(self) -> list[npt.NDArray[np.float32]]:
        """Weights of each layer, (n_in, n_out) float32; the first layer reads the encoded features."""
        return list(self._network().weights)

    @property
    def intercepts_(self) -> list[npt.NDArray[np.float32]]:
        """Biases of each layer, (n_out,) float32."""
        return list(self._network().biases)

    def _network(self) -> Model:
        if not isinstance(getattr(self, "model_", None), Model):
            raise AttributeError(
                "one fitted network has weights; this estimator is not fitted, or has several networks"
            )
        model: Model = self.model_
        return model

    def _answers(self, X: Any) -> npt.NDArray[Any]:
        """Answer to features, see `fastnet.Model.answers`."""
        check_is_fitted(self, "model_")
        x = self._features(X, reset=False)
        answers: npt.NDArray[Any] = self.model_.answers(x)
        return answers

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self.numbers in ("piecewise", "robust", "quantile")
        tags.input_tags.string = False
        tags.target_tags.required = True
        return tags


def _check_pair(x: Any, y: Any) -> None:
    if (x is None) != (y is None):
        given, missing = ("X_val", "y_val") if y is None else ("y_val", "X_val")
        raise ConfigError(f"{given} is given without {missing}: validation samples need both")
