"""The other contestants, each run in a process of its own.

    python -m _accuracy.contest NAME FOLDER SECONDS THREADS SEED

reads what `sets.split_into` wrote into FOLDER, works for SECONDS and prints one line of JSON: the predictions of the
test rows by each of its models, and the number of trials. All searches choose by the same validation rows, keep the
trials' predictions of the test rows, and average those of the ten best.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from _accuracy.sets import Prepared

AVERAGED = 10
END_SECONDS = 0.3
"""Time that a search leaves for its end."""

Params = dict[str, Any]
Trial = Callable[[Params, int], tuple[float, NDArray[np.float64]]]


def error_of(predicted: NDArray[Any], y: NDArray[Any], n_classes: int) -> float:
    """Return the log-loss of probabilities (N, C), or the root of the mean squared error of numbers (N,)."""
    if n_classes:
        from sklearn.metrics import log_loss

        whole = predicted.astype(np.float64)  # float32 probabilities need not sum to one within float64
        return float(log_loss(y, whole / whole.sum(axis=1, keepdims=True), labels=range(n_classes)))
    return float(np.sqrt(np.mean(np.square(predicted.astype(np.float64) - y))))


def score_of(predicted: NDArray[Any], y: NDArray[Any], n_classes: int) -> float:
    """Return the accuracy of probabilities, or R² of numbers."""
    if n_classes:
        return float(np.mean(predicted.argmax(axis=1) == y))
    return 1.0 - float(np.mean(np.square(predicted - y)) / np.var(y))


# Trials of searches, each in a worker ---------------------------------------------------------------------------------

_held: dict[str, Any] = {}


def _begin(folder: str, kind: str) -> None:
    """Load the data into a worker."""
    import warnings

    warnings.filterwarnings("ignore")
    data = _held["data"] = Prepared(Path(folder))
    if kind == "mlp":
        _held["x"], _held["x_test"] = data.for_networks()
        _held["mean"], _held["spread"] = (0.0, 1.0) if data.n_classes else _scale(data.y[data.learn])
    else:
        _held["x"], _held["x_test"] = data.for_trees(data.x), data.for_trees(data.x_test)


def _scale(y: NDArray[Any]) -> tuple[float, float]:
    return float(y.mean()), float(y.std()) or 1.0


def mlp_trial(params: Params, seed: int) -> tuple[float, NDArray[np.float64]]:
    """Train scikit-learn's MLP with early stopping; return its validation error and its predictions of test rows."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    data: Prepared = _held["data"]
    x, mean, spread = _held["x"], _held["mean"], _held["spread"]
    made = (MLPClassifier if data.n_classes else MLPRegressor)(
        early_stopping=True, n_iter_no_change=8, max_iter=100, random_state=seed, **params
    )
    y = data.y if data.n_classes else (data.y - mean) / spread
    made.fit(x[data.learn], y[data.learn])

    def predicted(rows: NDArray[Any]) -> NDArray[np.float64]:
        if not data.n_classes:
            return np.asarray(made.predict(rows) * spread + mean, np.float64)
        out = np.zeros((len(rows), data.n_classes))
        out[:, made.classes_] = made.predict_proba(rows)
        return out

    return error_of(predicted(x[data.validate]), data.y[data.validate], data.n_classes), predicted(_held["x_test"])


def trees_trial(params: Params, seed: int) -> tuple[float, NDArray[np.float64]]:
    """Train boosted trees, which stop early by the validation rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    data: Prepared = _held["data"]
    x, y = _held["x"], data.y
    made = (HistGradientBoostingClassifier if data.n_classes else HistGradientBoostingRegressor)(
        early_stopping=True, n_iter_no_change=20, max_iter=1000, random_state=seed,
        categorical_features=data.categories, **params,
    )  # fmt: skip
    made.fit(x[data.learn], y[data.learn], X_val=x[data.validate], y_val=y[data.validate])
    predict = made.predict_proba if data.n_classes else made.predict
    return error_of(predict(x[data.validate]), y[data.validate], data.n_classes), predict(_held["x_test"])


HIDDEN = {"64": (64,), "128": (128,), "256": (256,), "64x2": (64, 64), "128x2": (128, 128), "256x2": (256, 256)}
RANGES: Mapping[str, tuple[float, float]] = {"alpha": (1e-6, 1.0), "learning_rate_init": (3e-4, 1e-2)}


def random_mlp(rng: np.random.Generator) -> Params:
    """Draw an MLP at random."""
    return {
        "hidden_layer_sizes": HIDDEN[str(rng.choice(list(HIDDEN)))],
        "batch_size": int(rng.choice([64, 128, 256])),
        **{name: float(np.exp(rng.uniform(*np.log(limits)))) for name, limits in RANGES.items()},
    }


def random_trees(rng: np.random.Generator) -> Params:
    """Draw boosted trees at random."""
    return {
        "learning_rate": float(np.exp(rng.uniform(*np.log((0.02, 0.3))))),
        "max_leaf_nodes": int(np.exp(rng.uniform(*np.log((6, 128))))),
        "min_samples_leaf": int(np.exp(rng.uniform(*np.log((2, 100))))),
        "l2_regularization": float(np.exp(rng.uniform(*np.log((1e-4, 100))))),
        "max_features": float(rng.uniform(0.3, 1.0)),
    }


class Proposals:
    """Draws trials at random, or asks Optuna's TPE, which hears how they ended."""

    def __init__(self, kind: str, seed: int, *, tpe: bool) -> None:
        self._rng = np.random.default_rng(seed)
        self._draw = {"mlp": random_mlp, "trees": random_trees}[kind]
        self._study: Any = None
        if tpe:
            import optuna

            optuna.logging.set_verbosity(optuna.logging.ERROR)
            self._study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))

    def ask(self) -> tuple[Params, Any]:
        """Return hyperparameters and what `tell` needs."""
        if self._study is None:
            return self._draw(self._rng), None
        trial = self._study.ask()
        params: Params = {name: trial.suggest_float(name, *limits, log=True) for name, limits in RANGES.items()}
        params["hidden_layer_sizes"] = HIDDEN[trial.suggest_categorical("hidden", list(HIDDEN))]
        params["batch_size"] = trial.suggest_categorical("batch_size", [64, 128, 256])
        return params, trial

    def tell(self, trial: Any, error: float) -> None:
        """Say how a trial ended."""
        if trial is not None:
            self._study.tell(trial, error)


def search(folder: Path, kind: str, deadline: float, workers: int, seed: int, *, tpe: bool = False) -> dict[str, Any]:
    """Run trials in processes of one thread each until the time is up, and one of them has ended."""
    proposals = Proposals(kind, seed, tpe=tpe)
    train: Trial = {"mlp": mlp_trial, "trees": trees_trial}[kind]
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (str(folder), kind))
    running: dict[Any, Any] = {}
    ended: list[tuple[float, int, NDArray[np.float64]]] = []
    trials = 0
    while (left := deadline - END_SECONDS - time.perf_counter()) > 0 or not ended:
        while len(running) < workers:
            params, trial = proposals.ask()
            running[pool.submit(train, params, trials)] = trial
            trials += 1
        for done in wait(running, timeout=left if left > 0 else None, return_when=FIRST_COMPLETED).done:
            error, predicted = done.result()
            proposals.tell(running.pop(done), error)
            ended.append((error, len(ended), predicted))
            ended = sorted(ended, key=lambda one: one[:2])[:AVERAGED]
    for process in list(pool._processes.values()):  # what is still training has no more time
        process.kill()
    averaged = np.mean([predicted for *_, predicted in ended], axis=0)
    return {"trials": trials - len(running), "predicted": {"best": ended[0][2], "averaged": averaged}}


# Contestants without a search -----------------------------------------------------------------------------------------


def default_trees(folder: Path, seed: int) -> dict[str, Any]:
    """Train boosted trees as they come, on all training rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    data = Prepared(folder)
    made = (HistGradientBoostingClassifier if data.n_classes else HistGradientBoostingRegressor)(
        random_state=seed, categorical_features=data.categories
    ).fit(data.for_trees(data.x), data.y)
    predict = made.predict_proba if data.n_classes else made.predict
    return {"trials": 1, "predicted": {"": predict(data.for_trees(data.x_test))}}


def linear(folder: Path, seed: int) -> dict[str, Any]:
    """Train a linear model whose penalty is chosen by folds: what any network has to be better than."""
    import warnings

    from sklearn.linear_model import LogisticRegressionCV, RidgeCV

    warnings.filterwarnings("ignore")
    data = Prepared(folder)
    x, x_test = data.for_networks()
    if data.n_classes:
        made = LogisticRegressionCV(Cs=4, cv=3, scoring="neg_log_loss", max_iter=200, random_state=seed)
        return {"trials": 1, "predicted": {"": made.fit(x, data.y).predict_proba(x_test)}}
    return {"trials": 1, "predicted": {"": RidgeCV(np.logspace(-2, 4, 13)).fit(x, data.y).predict(x_test)}}


def realmlp(folder: Path, threads: int, seed: int) -> dict[str, Any]:
    """Train pytabkit's RealMLP with its tuned defaults, one network, choosing its epoch by log-loss."""
    import pandas as pd
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    data = Prepared(folder)
    medians = np.nanmedian(data.for_trees(data.x), axis=0)

    def framed(x: NDArray[Any]) -> Any:
        filled = pd.DataFrame(np.where(np.isnan(x), medians, x))
        for k, category in enumerate(data.categories):
            if category:
                filled[k] = x[:, k].astype(np.int64).astype(str)
        return filled

    how = {"device": "cpu", "n_threads": threads, "random_state": seed}
    if data.n_classes:
        made = RealMLP_TD_Classifier(val_metric_name="cross_entropy", use_ls=False, **how)
    else:
        made = RealMLP_TD_Regressor(**how)
    made.fit(framed(data.x), data.y, cat_col_names=[k for k, yes in enumerate(data.categories) if yes])
    predict = made.predict_proba if data.n_classes else made.predict
    return {"trials": 1, "predicted": {"": predict(framed(data.x_test))}}


def main() -> None:
    """Run one contestant, print what it found."""
    began = time.perf_counter() - 0.15  # until this line the interpreter has started and imported NumPy
    name, folder = sys.argv[1], Path(sys.argv[2])
    deadline, threads, seed = began + float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
    if name in ("mlp", "tpe", "trees"):
        os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        kind = "trees" if name == "trees" else "mlp"
        found = search(folder, kind, deadline, threads, seed, tpe=name == "tpe")
    elif name == "realmlp":
        found = realmlp(folder, threads, seed)
    else:
        found = {"default": default_trees, "linear": linear}[name](folder, seed)
    np.savez(folder / f"{name}.npz", **{key or "only": value for key, value in found["predicted"].items()})
    print(json.dumps({"trials": found["trials"]}))


if __name__ == "__main__":
    main()
