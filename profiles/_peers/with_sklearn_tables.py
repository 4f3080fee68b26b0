"""scikit-learn's MLPClassifier and MLPRegressor on tables: whole trainings, and RandomizedSearchCV with folds.

Nothing is scored on the way, while all others score every epoch. ``alpha`` is divided by the batch size in its
gradient, hence ``batch * decay``. Initial weights are Glorot's; with He's, used only in the check, it learns as the
others do.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import loguniform
from sklearn import set_config
from sklearn.model_selection import RandomizedSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor

from .task import FOLD_DECAYS, FOLD_RATES, FOLDS, Floats, Peer, Plan, Samples, scores


class He:
    """Draws the initial weights as the other peers do."""

    _random_state: Any

    def _init_coef(self, fan_in: int, fan_out: int, dtype: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        weights = self._random_state.standard_normal((fan_in, fan_out)) * np.sqrt(2 / fan_in)
        return weights.astype(dtype), np.zeros(fan_out, dtype)


class HeClassifier(He, MLPClassifier):
    """Only for the check."""


class HeRegressor(He, MLPRegressor):
    """Only for the check."""


def network(kinds: tuple[type, type], plan: Plan, rate: float, decay: float, seed: int) -> Any:
    """Return the network of a plan, as one of the kinds (classifier, regressor)."""
    return kinds[plan.regression](
        hidden_layer_sizes=plan.sizes[1:-1], solver=plan.optimizer, alpha=plan.batch * decay, batch_size=plan.batch,
        learning_rate_init=rate, max_iter=plan.epochs, n_iter_no_change=plan.epochs, tol=0.0, momentum=0.0,
        nesterovs_momentum=False, random_state=seed,
    )  # fmt: skip


class FitPeer(Peer):
    """One network after the other; no scores, so the curves are not numbers."""

    kinds: tuple[type, type] = (MLPClassifier, MLPRegressor)

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        set_config(assume_finite=True)
        warnings.filterwarnings("ignore")

    def prepare_trials(self, data: Samples, plan: Plan) -> None:  # type: ignore[override]  # the book's is elsewhere
        self.data, self.plan = data, plan
        self.targets = data.y_train.ravel()

    def trials(self, rates: NDArray[np.float64], decays: NDArray[np.float64], seed: int) -> Floats:
        curves = np.full((len(rates), 4, self.plan.epochs), np.nan, np.float32)
        for t, (rate, decay) in enumerate(zip(rates, decays, strict=True)):
            model = network(self.kinds, self.plan, float(rate), float(decay), seed + t)
            model.fit(self.data.x_train, self.targets)
            self.score(model, curves[t])
        return curves

    def score(self, model: Any, curves: Floats) -> None:
        """Score nothing."""


class HeFitPeer(FitPeer):
    """Only for the check: He's initial weights, and scores of the last epoch."""

    kinds = (HeClassifier, HeRegressor)

    def score(self, model: Any, curves: Floats) -> None:
        data = self.data
        for row, (x, y) in enumerate(((data.x_train, data.y_train), (data.x_validation, data.y_validation))):
            if self.plan.regression:
                curves[2 * row : 2 * row + 2, -1] = scores(model.predict(x)[:, None], y)
            else:
                logarithms = np.log(np.maximum(model.predict_proba(x), np.float32(1e-30)))
                curves[2 * row : 2 * row + 2, -1] = scores(logarithms, y)


class FoldsPeer(FitPeer):
    """RandomizedSearchCV with stratified folds, in processes of joblib; its scores are those of the held-out folds."""

    def prepare_folds(self, data: Samples, plan: Plan) -> None:
        self.x = np.concatenate([data.x_train, data.x_validation])
        self.y = np.concatenate([data.y_train, data.y_validation])
        self.plan = plan
        self._search(self.threads, 0, epochs=1)  # starts the processes

    def folds(self, n_configurations: int, seed: int) -> float:
        return self._search(n_configurations, seed, epochs=self.plan.epochs)

    def _search(self, n_configurations: int, seed: int, epochs: int) -> float:
        model = network(self.kinds, self.plan, 0.001, 0.0, seed).set_params(max_iter=epochs)
        decays = loguniform(*(self.plan.batch * decay for decay in FOLD_DECAYS))
        found = RandomizedSearchCV(
            model, {"learning_rate_init": loguniform(*FOLD_RATES), "alpha": decays}, n_iter=n_configurations,
            cv=FOLDS, n_jobs=self.threads, refit=False, random_state=seed,
        ).fit(self.x, self.y)  # fmt: skip
        return float(found.best_score_)
