"""scikit-learn's MLPClassifier, as shipped, and searches over it: its own RandomizedSearchCV, and Optuna.

``partial_fit`` is an epoch; one ``predict_proba`` over training and validation samples gives three of the four scores
(the fourth, the training loss, MLPClassifier keeps itself). Input is float32, so the weights are, and the checks for
NaN are off. ``alpha`` is divided by the batch size in its gradient, hence ``BATCH * decay``. It draws Glorot's initial
weights where the book takes He's; they cost the same, and with He's, for the check alone, it learns as the others do.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from scipy.stats import loguniform
from sklearn import set_config
from sklearn.model_selection import PredefinedSplit, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier

from .task import BATCH, EPOCHS, SIZES, Floats, Integers, Peer, Samples

CLASSES = np.arange(SIZES[-1])
RATES, DECAYS = (1e-6, 1e-2), (1e-8, 1e-4)


class HeClassifier(MLPClassifier):
    """Draws the initial weights as the book does."""

    def _init_coef(self, fan_in: int, fan_out: int, dtype: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        weights = self._random_state.standard_normal((fan_in, fan_out)) * np.sqrt(2 / fan_in)
        return weights.astype(dtype), np.zeros(fan_out, dtype)


def classifier(kind: type[MLPClassifier], rate: float, decay: float, seed: int) -> MLPClassifier:
    """Return the book's network."""
    return kind(
        SIZES[1:-1], solver="sgd", momentum=0.0, nesterovs_momentum=False, alpha=BATCH * decay, batch_size=BATCH,
        learning_rate_init=rate, max_iter=EPOCHS, n_iter_no_change=EPOCHS, tol=0.0, random_state=seed,
    )  # fmt: skip


def likelihood(probabilities: Floats, labels: Integers) -> tuple[float, float]:
    """Mean cross-entropy and accuracy."""
    chosen = np.maximum(probabilities[np.arange(len(labels)), labels], np.float32(1e-30))
    return float(-np.log(chosen).mean()), float((probabilities.argmax(axis=1) == labels).mean())


class SklearnPeer(Peer):
    """Epoch by epoch, with scores."""

    kind = MLPClassifier

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        set_config(assume_finite=True)
        warnings.filterwarnings("ignore")

    def prepare_trials(self, data: Samples) -> None:
        self.data = data
        self.everything = np.concatenate([data.x_train, data.x_validation])

    def trials(self, rates: NDArray[np.float64], decays: NDArray[np.float64], seed: int) -> Floats:
        values = zip(rates, decays, strict=True)
        return np.stack([self._trial(float(rate), float(decay), seed + t) for t, (rate, decay) in enumerate(values)])

    def _trial(self, rate: float, decay: float, seed: int) -> Floats:
        curves = np.empty((4, EPOCHS), np.float32)
        model = classifier(self.kind, rate, decay, seed)
        for epoch in range(EPOCHS):
            curves[:, epoch] = self._epoch(model)
        return curves

    def _epoch(self, model: MLPClassifier) -> tuple[float, float, float, float]:
        data = self.data
        model.partial_fit(data.x_train, data.y_train, classes=CLASSES)
        probabilities = model.predict_proba(self.everything)
        _, accuracy = likelihood(probabilities[: len(data.x_train)], data.y_train)
        return model.loss_, accuracy, *likelihood(probabilities[len(data.x_train) :], data.y_validation)

    def prepare_network(self, data: Samples, hidden: tuple[int, ...], batch: int) -> None:
        self.data = data
        self.model = MLPClassifier(hidden, solver="adam", alpha=0.0, batch_size=batch, random_state=0)
        MLPClassifier(hidden, alpha=0.0, batch_size=batch).partial_fit(
            data.x_train[:batch], data.y_train[:batch], classes=CLASSES
        )

    def epoch(self) -> None:
        self.model.partial_fit(self.data.x_train, self.data.y_train, classes=CLASSES)

    def evaluate(self) -> tuple[float, float]:
        data = self.data
        return self.model.score(data.x_train, data.y_train), self.model.score(data.x_validation, data.y_validation)

    def test_accuracy(self) -> float:
        return float(self.model.score(self.data.x_test, self.data.y_test))


class HePeer(SklearnPeer):
    """For the check alone."""

    kind = HeClassifier


class RandomizedPeer(SklearnPeer):
    """RandomizedSearchCV over the same split: it keeps no curves, only the last scores. Processes of joblib."""

    def prepare_search(self, data: Samples, options: dict[str, Any]) -> None:
        self.x = np.concatenate([data.x_train, data.x_validation])
        self.y = np.concatenate([data.y_train, data.y_validation])
        part = np.repeat([-1, 0], [len(data.x_train), len(data.x_validation)])
        self.split = PredefinedSplit(part)
        self._search(self.threads, 0, epochs=1)  # starts the processes

    def search(self, trials: int, seed: int) -> float:
        return self._search(trials, seed, epochs=EPOCHS)

    def _search(self, trials: int, seed: int, epochs: int) -> float:
        model = classifier(MLPClassifier, 0.01, 0.0, seed).set_params(max_iter=epochs)
        ranges = {"learning_rate_init": loguniform(*RATES), "alpha": loguniform(*(BATCH * decay for decay in DECAYS))}
        found = RandomizedSearchCV(
            model, ranges, n_iter=trials, cv=self.split, n_jobs=self.threads, refit=False, random_state=seed,
            return_train_score=True,
        ).fit(self.x, self.y)  # fmt: skip
        return float(found.best_score_)


class OptunaPeer(SklearnPeer):
    """Optuna's random sampler with its storage in memory, reporting after every epoch; threads as many as allowed.

    With one thread in each of several processes every process has a study of its own: storage in memory cannot be
    shared, and one that can costs more.
    """

    def prepare_search(self, data: Samples, options: dict[str, Any]) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.prepare_trials(data)

    def search(self, trials: int, seed: int) -> float:
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.RandomSampler(seed=seed), pruner=optuna.pruners.NopPruner()
        )
        study.optimize(self._objective, n_trials=trials, n_jobs=self.threads)
        return float(study.best_value)

    def _objective(self, trial: optuna.Trial) -> float:
        rate = trial.suggest_float("learning_rate", *RATES, log=True)
        decay = trial.suggest_float("weight_decay", *DECAYS, log=True)
        model = classifier(MLPClassifier, rate, decay, trial.number)
        curves = np.empty((4, EPOCHS), np.float32)
        for epoch in range(EPOCHS):
            curves[:, epoch] = self._epoch(model)
            trial.report(float(curves[3, epoch]), epoch)
        trial.set_user_attr("curves", curves.tolist())
        return float(curves[3, -1])
