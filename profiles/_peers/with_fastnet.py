"""This project, used as its own command line uses it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastnet
from fastnet.data.dataset import Dataset
from fastnet.data.pipeline.scaling import Scaler
from fastnet.data.splitting import Split
from fastnet.kernels import step
from fastnet.kernels.context import SCORE
from fastnet.network.samples import prepare
from fastnet.training.pack import PackRun, alike, warm_up
from fastnet.training.single import Training
from fastnet.tuning import run_study

from .task import BOOK, FOLD_DECAYS, FOLD_RATES, FOLDS, Floats, Peer, Plan, Samples, Targets

RESOLUTION = 255


class FastnetPeer(Peer):
    """Packs of networks for a search; one network over all threads."""

    def prepare_trials(self, data: Samples, plan: Plan = BOOK) -> None:
        self.config = fastnet.TrainConfig(
            hidden=plan.sizes[1:-1], batch_size=plan.batch, epochs=plan.epochs, optimizer=plan.optimizer
        )
        if plan.images:
            dataset, split = images(data)
            self.data = prepare(dataset, split, pipeline=_scaler(dataset))
        else:
            self.data = prepare(*numbers(data))
        warm_up(self.config, self.data)

    def trials(self, rates: NDArray[np.float64], decays: NDArray[np.float64], seed: int) -> Floats:
        streams = 1_000_000 * seed + np.arange(len(rates))
        run = PackRun(alike(self.data, self.config, streams, learning_rate=rates, weight_decay=decays), self.threads)
        run.start()
        run.join()
        return run._curves  # as measured: squared errors, where `curves` are their roots

    def prepare_network(self, data: Samples, hidden: tuple[int, ...], batch: int) -> None:
        self.dataset, split = images(data)
        self.scaler = _scaler(self.dataset)
        config = fastnet.TrainConfig(hidden=hidden, batch_size=batch, optimizer="adam", epochs=1000)
        self.training = Training(config, prepare(self.dataset, split, pipeline=self.scaler), self.threads)
        self.done = 0

    def epoch(self) -> None:
        self.training.call(step.TRAIN_EPOCH, self.done, self.training.control)
        self.done += 1

    def evaluate(self) -> tuple[float, float]:
        training = self.training
        accuracies = []
        for part in (step.TRAINING, step.VALIDATION):
            training.call(step.EVALUATE, part, training.control)
            accuracies.append(float(training.work.state[SCORE]))
        return accuracies[0], accuracies[1]

    def test_accuracy(self) -> float:
        model = self.training.model()
        assert self.dataset.x_test is not None and self.dataset.y_test is not None
        return float(model.score(self.dataset.x_test, self.dataset.y_test).value)

    def prepare_search(self, data: Samples, options: dict[str, Any]) -> None:
        self.prepare_trials(data)
        self.dataset = fastnet.take_first(
            fastnet.load(options["data"], data_dir=options["data_dir"]), options["samples"]
        )

    def search(self, trials: int, seed: int) -> float:
        config = fastnet.SearchConfig(trials=trials, train=fastnet.TrainConfig(seed=seed), final=0)
        with tempfile.TemporaryDirectory() as folder:
            result = run_study(self.dataset, config, folder=Path(folder) / "study", jobs=self.threads)
            return float(result.best(1)[0].value)

    def prepare_folds(self, data: Samples, plan: Plan) -> None:
        self.dataset, _ = numbers(data)
        self.plan = plan
        self.folds(1, 0)

    def folds(self, n_configurations: int, seed: int) -> float:
        plan = self.plan
        train = fastnet.TrainConfig(
            hidden=plan.sizes[1:-1], batch_size=plan.batch, epochs=plan.epochs, optimizer=plan.optimizer,
            train_score="running", seed=seed,
        )  # fmt: skip
        space = {
            "learning_rate": "log:{}:{}".format(*FOLD_RATES),
            "weight_decay": "log:{}:{}".format(*FOLD_DECAYS),
        }
        config = fastnet.SearchConfig(trials=n_configurations, space=space, folds=FOLDS, train=train, final=0)
        with tempfile.TemporaryDirectory() as folder:
            result = run_study(self.dataset, config, folder=Path(folder) / "study", jobs=self.threads)
            return float(result.best(1)[0].value)


def images(data: Samples) -> tuple[Dataset, Split]:
    """Return the same samples as a data set of byte images, which is what they were read from."""
    x = np.concatenate([data.x_train, data.x_validation])
    dataset = fastnet.as_dataset(
        np.rint(x * RESOLUTION).astype(np.uint8),
        np.concatenate([data.y_train, data.y_validation]),
        x_test=np.rint(data.x_test * RESOLUTION).astype(np.uint8),
        y_test=data.y_test,
    )
    n = len(data.x_train)
    return dataset, Split(train=np.arange(n), validation=np.arange(n, len(x)))


def numbers(data: Samples) -> tuple[Dataset, Split]:
    """Return samples with numbers as features."""
    x = np.concatenate([data.x_train, data.x_validation])
    y: Targets = np.concatenate([data.y_train, data.y_validation])
    dataset = fastnet.as_dataset(x, y, task="regression" if y.ndim == 2 else "classification")
    n = len(data.x_train)
    return dataset, Split(train=np.arange(n), validation=np.arange(n, len(x)))


def _scaler(dataset: Dataset) -> Scaler:
    from fastnet.data.pipeline.scaling import fit_scaler

    return fit_scaler(dataset.x, np.arange(1))
