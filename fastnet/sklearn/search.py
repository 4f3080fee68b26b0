"""The search for scikit-learn: configurations and folds train together in packs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from joblib import parallel_config
from sklearn.base import clone, is_classifier
from sklearn.model_selection import ParameterSampler, RandomizedSearchCV, check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import indexable

from fastnet.config.checks import check_choice, check_count
from fastnet.config.text import seconds
from fastnet.errors import ConfigError, FastnetError, warn
from fastnet.sklearn.base import FastNet
from fastnet.sklearn.record import Record, folder_for
from fastnet.sklearn.settings import in_parameters, threads_of
from fastnet.sklearn.shelf import Halving, Part, Shelf, Wanted, fingerprint, rows_of

Candidates = Sequence[dict[str, Any]]
Splits = Sequence[tuple[Any, Any]]

_BRACKET = 27
"""Configurations that are compared with one another by halving in a limited time."""


class Range:
    """A range in the text form of `fastnet.search`, which draws as the distributions of SciPy do.

    Examples
    --------
    >>> value = Range("log:1e-4:1e-1").rvs(random_state=np.random.RandomState(0))
    >>> 1e-4 <= value <= 1e-1
    True
    """

    def __init__(self, text: str) -> None:
        from fastnet.tuning.space.parsing import parse_distribution

        self._distribution = parse_distribution(text)

    def rvs(self, *, random_state: Any = None) -> Any:
        """Draw a value."""
        u = random_state.uniform(np.nextafter(0.0, 1.0), 1.0)
        drawn = self._distribution.sample(np.array([u]))[0]
        return drawn.item() if hasattr(drawn, "item") else drawn


class FastNetSearchCV(RandomizedSearchCV):  # type: ignore[misc]
    """A random search with cross-validation over `FastNetClassifier` or `FastNetRegressor`, alone or in a pipeline.

    It is `sklearn.model_selection.RandomizedSearchCV`, with the same results for the same parameters, but all folds of
    all configurations train together in compiled packs on all cores. Scores, `cv_results_`, `refit` and metadata are
    scikit-learn's own.

    Parameters
    ----------
    estimator : FastNetClassifier or FastNetRegressor, or Pipeline that ends in one
    param_distributions : dict or list of dict
        By parameter, a list of values, a distribution of SciPy, or a range as text: ``"log:1e-4:1e-1"``, see
        `fastnet.tuning.space.parsing.parse_distribution`.
    n_iter : int
        Configurations.
    scoring, refit, cv, verbose, error_score, return_train_score
        As of `RandomizedSearchCV`.
    n_jobs : int or None
        Threads; None for all cores.
    random_state : int, RandomState or None
        Draws the configurations.
    pruning : {"none", "halving"}
        Whether all but the best ``1 / eta`` of the configurations end after `first_epochs` epochs, again after `eta`
        times as many, and so on, compared by the mean loss on the test samples of the folds (with `early_stopping`, on
        the validation samples within them); those with another `max_iter`, `early_stopping` or `tol` are compared on
        their own. `cv_results_` has ``n_resources``, the epochs after which each ended; the
        best configuration is one of those that trained longest.
    eta, first_epochs : int
        At least 2, and at least 1.
    study : path, optional
        Folder of a new study that keeps the configurations with their curves, the mean over the folds on samples that
        they do not train on, for `fastnet report`, `fastnet.Study`, figures and exports. Its trials have the names and
        the metric of `fastnet.search`; no search can continue it.
    timeout : float or str, optional
        Time for training configurations, in seconds or as text such as ``"10m"``: those that were not trained by then
        are left out of `cv_results_`, and at least one pack is trained. Refitting comes on top.

    Attributes
    ----------
    cv_results_, best_estimator_, best_params_, best_score_, best_index_, n_splits_, scorer_, refit_time_, \
multimetric_, classes_, n_features_in_, feature_names_in_
        As of `RandomizedSearchCV`. The times of fitting in `cv_results_` are those of looking up what was trained;
        `train_time_` has the seconds of all training.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnet.sklearn import FastNetClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> network = FastNetClassifier((16,), max_iter=60, learning_rate="cosine", random_state=0)
    >>> search = FastNetSearchCV(network, {"learning_rate_init": "log:1e-3:1e-1"}, n_iter=4, cv=3, random_state=0)
    >>> bool(search.fit(x, y).best_score_ > 0.9)
    True
    """

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_iter: int = 10,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        pruning: str = "none",
        eta: int = 3,
        first_epochs: int = 5,
        timeout: float | str | None = None,
        study: Any = None,
    ) -> None:
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.pruning = pruning
        self.eta = eta
        self.first_epochs = first_epochs
        self.timeout = timeout
        self.study = study

    def fit(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Train all configurations on all folds, and the best one on all samples.

        Parameters
        ----------
        X, y
            As the estimator takes them.
        **params
            As of `RandomizedSearchCV`: ``sample_weight``, ``groups`` and what metadata routing asks for.

        Returns
        -------
        self

        Raises
        ------
        fastnet.ConfigError
            If the estimator is another one, or a parameter is outside its range.
        fastnet.StudyError
            If the folder of `study` has files already, or cannot be written.
        """
        final = final_of(self.estimator)
        folder, began = None if self.study is None else folder_for(self.study), time.perf_counter()
        record = None if folder is None else Record()
        final._shelf, self._given_to_fit = Shelf(record=record), (X, y, params)
        try:
            with parallel_config("sequential"):  # what is left to do is looking up and scoring
                super().fit(X, y, **params)
        finally:
            del final._shelf, self._given_to_fit
        if hasattr(self, "best_estimator_"):
            del final_of(self.best_estimator_)._shelf
        if folder is not None and record is not None:
            task = "classification" if is_classifier(self.estimator) else "regression"
            record.store(folder, task=task, names=_about(X, y), threads=threads_of(self.n_jobs), began=began)
        return self

    def _run_search(self, evaluate_candidates: Callable[..., Any]) -> None:
        """Train the configurations, and let scikit-learn evaluate those that were trained."""
        X, y, params = self._given_to_fit
        X, y = indexable(X, y)
        self._given_to_fit = X, y, params
        spaces = self.param_distributions
        drawn = list(
            ParameterSampler(
                [_with_ranges(space) for space in spaces] if isinstance(spaces, list) else _with_ranges(spaces),
                self.n_iter,
                random_state=self.random_state,
            )
        )
        groups = {name: params[name] for name in ("groups",) if name in params}
        splitter = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splits = list(splitter.split(X, y, **groups))
        clock = time.perf_counter()
        ends = self._trained(drawn, splits, clock)
        self.train_time_ = time.perf_counter() - clock
        more = None if self.pruning == "none" else {"n_resources": ends}
        evaluate_candidates(drawn[: len(ends)], cv=check_cv(splits), more_results=more)

    def _trained(self, drawn: Candidates, splits: Splits, clock: float) -> list[int]:
        """Train configurations until the time is over; return after how many epochs each of these ended, at most."""
        shelf, halving = final_of(self.estimator)._shelf, self._halving()
        limit = None if self.timeout is None else seconds(self.timeout)
        threads = threads_of(self.n_jobs)
        # With a time limit a few at a time, each of which takes about as long as the one before.
        step = len(drawn)
        if limit is not None:
            step = _BRACKET if halving else max(1, -(-4 * threads // len(splits)))
        compared = halving is not None or shelf.record is not None
        parts = Parts(self.estimator, splits, self._given_to_fit, compared=compared)
        ends: list[int] = []
        while len(ends) < len(drawn):
            began, first = time.perf_counter(), len(ends)
            some = drawn[first : first + step]
            if shelf.record is not None:
                shelf.record.first = first
            found = shelf.train(list(parts.wanted(shelf, some)), threads, halving)
            longest = max(found.values(), default=0)  # what is left to the estimator trains to its last epoch
            ends += [found.get(number, longest) for number in range(len(some))]
            now = time.perf_counter()
            if limit is not None and now - clock + (now - began) > limit:
                break
        shelf.forget_data()
        if len(ends) < len(drawn):
            warn(f"timeout={self.timeout!r}: {len(ends)} of {len(drawn)} configurations were trained in this time")
        return ends

    def _halving(self) -> Halving | None:
        with in_parameters():
            check_choice("pruning", self.pruning, ("none", "halving"))
            check_count("eta", self.eta, low=2)
            check_count("first_epochs", self.first_epochs)
        return Halving(self.first_epochs, self.eta) if self.pruning == "halving" else None

    @staticmethod
    def _select_best_index(refit: Any, refit_metric: str, results: dict[str, Any]) -> int:
        """Choose the best configuration, with halving among those that trained longest."""
        if callable(refit) or "n_resources" not in results:
            return int(RandomizedSearchCV._select_best_index(refit, refit_metric, results))
        ends = np.asarray(results["n_resources"])
        ranks = np.where(ends == ends.max(), results[f"rank_test_{refit_metric}"], np.inf)
        return int(ranks.argmin())


class Parts:
    """The training samples of each fold, as the steps before the network leave them.

    Parameters
    ----------
    estimator : estimator
        A network, or a pipeline that ends in one.
    splits : list of pairs
        Training and test rows of each fold.
    given : tuple
        Features, targets and other arguments that `fit` of the search was given.
    compared : bool
        Whether networks are measured on the test samples while they train.
    """

    def __init__(
        self, estimator: Any, splits: Splits, given: tuple[Any, Any, dict[str, Any]], *, compared: bool
    ) -> None:
        params = given[2]
        self._estimator, self._splits, self._given, self._compared = estimator, splits, given[:2], compared
        names = [name for name in params if name.rpartition("__")[2] == "sample_weight"]
        self._weights = params[names[0]] if len(names) == 1 else None
        self._possible = not set(params) - {*names, "groups"} and len(names) <= 1
        self._before: dict[Any, Part] = {}

    def wanted(self, shelf: Shelf, candidates: Candidates) -> Iterator[Wanted]:
        """Return what has to be trained; what cannot be trained together is left to the estimator."""
        for number, params in enumerate(candidates if self._possible else ()):
            try:
                estimator = clone(self._estimator).set_params(**clone_values(params))
                for place in range(len(self._splits)):
                    each = shelf.wanted(final_of(estimator), self._part(estimator, place), number)
                    if each is not None:
                        yield each
            except (ValueError, TypeError):  # its own fit raises it again, where error_score decides
                continue

    def _part(self, estimator: Any, place: int) -> Part:
        steps = estimator.steps[:-1] if isinstance(estimator, Pipeline) else []
        name = place, repr([(name, step.get_params() if hasattr(step, "get_params") else step) for name, step in steps])
        if name not in self._before:
            train, test = (
                [rows_of(values, rows) for values in (*self._given, self._weights)] for rows in self._splits[place]
            )
            for _, step in steps:
                if step not in (None, "passthrough"):
                    fitted = clone(step)
                    train[0] = fitted.fit_transform(train[0], train[1])
                    test[0] = fitted.transform(test[0]) if self._compared else None
            self._before[name] = Part(train[0], train[1], train[2], name, tuple(test) if self._compared else None)
        return self._before[name]


def final_of(estimator: Any) -> FastNet:
    """Return the network that an estimator is or ends in.

    Raises
    ------
    ConfigError
        If it is another estimator.
    """
    final = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    if not isinstance(final, FastNet):
        raise ConfigError(
            f"estimator is a {type(estimator).__name__}: give a FastNetClassifier or FastNetRegressor, or a pipeline "
            "that ends in one"
        )
    return final


def clone_values(params: dict[str, Any]) -> dict[str, Any]:
    """Return parameters, of which those that are estimators are copied."""
    return {name: clone(value, safe=False) for name, value in params.items()}


def _about(X: Any, y: Any) -> dict[str, Any]:
    """Return hash and sizes of the data of a study."""
    n_samples, n_features = np.shape(X) if len(np.shape(X)) == 2 else (len(y), 0)
    content = hashlib.sha256(f"{fingerprint(X)} {fingerprint(y)}".encode()).hexdigest()
    return {"data": "data of scikit-learn", "fingerprint": content, "n_samples": n_samples, "n_features": n_features}


def _with_ranges(space: Any) -> Any:
    """Return a space in which ranges that are texts can be drawn from."""
    try:
        return {name: Range(value) if isinstance(value, str) else value for name, value in space.items()}
    except FastnetError as error:
        raise ConfigError(f"param_distributions: {error}") from None
