"""Where experiments train: many networks side by side, measured on the test samples after every epoch.

The test samples take the place that validation samples have in a search: an experiment shows how networks do on unseen
images, and selects none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.config.checks import count_threads
from fastnet.config.experiment import ExperimentConfig
from fastnet.config.searching import as_settings
from fastnet.config.training import TrainConfig
from fastnet.data.dataset import Dataset, take_first
from fastnet.data.splitting import split
from fastnet.data.validation import with_validation
from fastnet.errors import DataError
from fastnet.experiments.summary import Spread, spread
from fastnet.model.classifier import Model
from fastnet.network.assembly import Assembly
from fastnet.network.samples import TrainingData, prepare
from fastnet.training.loop import watch
from fastnet.training.pack import Member, PackRun

CHAPTER_IMAGES = 300
"""Training images of section 6.4.1."""

TEST_FRACTION = 0.2
"""Share of the samples of every class set aside as test set if the data have none."""

LEAST_SAMPLES = 10

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ExperimentProgress:
    """The progress of the experiments.

    Parameters
    ----------
    experiment : str
        Name of the running one.
    done, total : int
        Networks trained for it, and networks planned so far.
    elapsed_seconds : float
        Since the first experiment began.
    """

    experiment: str
    done: int
    total: int
    elapsed_seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """One trained network.

    `curves` is (4, epochs): training loss and accuracy, test loss and accuracy, NaN from where it diverged. `model` has
    the weights of the last epoch, if they were asked for and the training did not diverge.
    """

    curves: NDArray[np.float32]
    model: Model | None


@dataclass(frozen=True, eq=False)
class Group:
    """Networks with the same settings and training images, one for each seed."""

    config: TrainConfig
    images: int
    networks: tuple[Network, ...]

    @cached_property
    def curves(self) -> Floats:
        """The curves of all networks, (S, 4, epochs)."""
        return np.stack([network.curves for network in self.networks]).astype(np.float64)

    @property
    def train(self) -> Spread:
        """Training accuracy after the last epoch."""
        return spread(self.curves[:, 1, -1])

    @property
    def test(self) -> Spread:
        """Test accuracy after the last epoch."""
        return spread(self.curves[:, 3, -1])

    @property
    def gap(self) -> Spread:
        """Training minus test accuracy after the last epoch."""
        return spread(self.curves[:, 1, -1] - self.curves[:, 3, -1])

    @property
    def ends(self) -> tuple[Spread, Spread, Spread]:
        """Training accuracy, test accuracy and gap."""
        return self.train, self.test, self.gap

    @property
    def models(self) -> list[Model]:
        """The models of the networks that did not diverge."""
        return [network.model for network in self.networks if network.model is not None]


class Lab:
    """Prepared data and every network trained so far, so that experiments share networks; parameters as of `run`."""

    def __init__(
        self,
        dataset: Dataset,
        config: ExperimentConfig,
        *,
        jobs: int | None = None,
        on_progress: Callable[[ExperimentProgress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        self.seeds, self.epochs, self.samples = config.seeds, config.epochs, config.samples
        self.threads = count_threads(jobs)
        self.on_progress = on_progress or (lambda progress: None)
        self.should_stop = should_stop or (lambda: False)
        self.notes: list[str] = []
        self.dataset = self._arranged(dataset)
        self.test = self._test_part(config.test_samples)
        self.name = ""
        self._done = self._planned = 0
        self._began = time.perf_counter()
        self._prepared: dict[int, TrainingData] = {}
        self._assemblies: dict[tuple[object, ...], Assembly] = {}
        self._networks: dict[tuple[TrainConfig, int, int], Network] = {}

    def _arranged(self, dataset: Dataset) -> Dataset:
        """Add a test set if there is none, and shuffle if the first samples lack a class."""
        if dataset.task != "classification":
            raise DataError(f"{dataset.name} has no classes ({dataset.task}): experiments compare accuracies")
        if dataset.n_samples < LEAST_SAMPLES:
            raise DataError(
                f"{dataset.name} has {dataset.n_samples} training samples: experiments need at least {LEAST_SAMPLES}"
            )
        if dataset.x_test is None or dataset.y_test is None:
            parts = split(dataset.y, fraction=TEST_FRACTION, seed=0)
            dataset = _rows(dataset, parts.train, dataset.x[parts.validation], dataset.y[parts.validation])
            self.notes.append(
                f"{dataset.name} has no test set: a fifth of its samples, {len(parts.validation)} with the same share "
                "of every class, is set aside for it."
            )
        if self.samples:
            take_first(dataset, self.samples)  # refuses more than there are
        first = min(self.samples or CHAPTER_IMAGES, dataset.n_samples)
        if len(np.unique(dataset.y[:first])) < min(dataset.n_classes, first):
            order = np.concatenate([(parts := split(dataset.y, fraction=0.5, seed=0)).train, parts.validation])
            dataset = _rows(dataset, order, dataset.x_test, dataset.y_test)
            self.notes.append(f"The first {first} samples of {dataset.name} lack a class: the samples are shuffled.")
        return dataset

    def _test_part(self, wanted: int | None) -> Dataset:
        x, y = self.dataset.x_test, self.dataset.y_test
        assert x is not None and y is not None
        if wanted is not None and wanted < len(y):
            rows = np.arange(wanted) * len(y) // wanted
            self.notes.append(f"Tested on {wanted:,} of the {len(y):,} test samples, evenly spread over them.")
            x, y = x[rows], y[rows]
        return replace(self.dataset, x=x, y=y, name=f"test set of {self.dataset.name}", x_test=None, y_test=None)

    def begin(self, name: str) -> None:
        """Begin the experiment of this name."""
        self.name = name
        self._done = self._planned = 0

    def images(self, usual: int = CHAPTER_IMAGES) -> int:
        """Return the training images of an experiment that has `usual` of them by default."""
        return min(self.samples or usual, self.dataset.n_samples)

    def config(self, *, epochs: int, **settings: Any) -> TrainConfig:
        """Return the chapter's network with other settings; the lab's epochs override `epochs`."""
        return TrainConfig(epochs=self.epochs or epochs, **settings).resolved()

    def train(
        self,
        configs: Mapping[Any, TrainConfig],
        *,
        images: int | None = None,
        count: int | None = None,
        models: bool = False,
    ) -> dict[Any, Group]:
        """Train each of `configs`, by label, on all seeds side by side; `models` keeps the weights.

        `images` and `count`, the training images and the seeds, are the lab's by default. Seed s is random stream s of
        the configuration's seed, so a network is the same whatever it is trained alongside, and networks of equal shape
        and seed begin with the same weights.
        """
        n_images, streams = images or self.images(), range(count or self.seeds)
        wanted = [(config, n_images, stream) for config in dict.fromkeys(configs.values()) for stream in streams]
        missing = [key for key in wanted if self._lacks(key, models)]
        by_epochs: dict[int, list[tuple[TrainConfig, int, int]]] = {}
        for key in missing:
            by_epochs.setdefault(key[0].epochs, []).append(key)
        self._planned += len(missing)
        for keys in by_epochs.values():
            self._networks |= zip(keys, self._run(keys, models), strict=True)
        return {
            label: Group(config, n_images, tuple(self._networks[config, n_images, stream] for stream in streams))
            for label, config in configs.items()
        }

    def _lacks(self, key: tuple[TrainConfig, int, int], models: bool) -> bool:
        network = self._networks.get(key)
        return network is None or (models and network.model is None and bool(np.isfinite(network.curves).all()))

    def _run(self, keys: Sequence[tuple[TrainConfig, int, int]], models: bool) -> Iterable[Network]:
        """Train the networks of one pack."""
        members = [Member(self._data(images), config, stream) for config, images, stream in keys]
        self.report()
        pack = PackRun(members, self.threads, self._assemblies, keep=models)

        def look() -> None:
            self._done += len(pack.finished())
            self.report()
            if self.should_stop():
                raise KeyboardInterrupt

        watch(pack, pack.start, on_look=look)
        self._done += len(pack.finished())
        self.report()
        for t, curves in enumerate(pack.curves):
            whole = bool(np.isfinite(curves).all())
            yield Network(curves, pack.model(t) if models and whole else None)

    def report(self, done: int | None = None, total: int | None = None) -> None:
        """Report the progress, by default that of the networks."""
        elapsed = time.perf_counter() - self._began
        counts = (self._done, self._planned) if done is None or total is None else (done, total)
        self.on_progress(ExperimentProgress(self.name, *counts, elapsed))

    def _data(self, images: int) -> TrainingData:
        """Return the first images and the test samples, prepared once for the kernels."""
        if images not in self._prepared:
            learnt = take_first(self.dataset, images).without_test()
            joined, parts = with_validation(learnt, self.test)
            self._prepared[images] = prepare(joined, parts)
        return self._prepared[images]

    def forget(self) -> None:
        """Free the memory of the weights."""
        self._networks = {key: replace(network, model=None) for key, network in self._networks.items()}

    def describe(self) -> dict[str, Any]:
        """Describe data and seeds, ready for JSON."""
        data = {
            "name": self.dataset.name,
            "training_samples": self.dataset.n_samples,
            "test_samples": self.test.n_samples,
            "features": self.dataset.n_features,
            "classes": self.dataset.n_classes,
            "fingerprint": self.dataset.fingerprint(),
        }
        return {"data": data, "seeds": list(range(self.seeds)), "notes": list(self.notes)}


def settings_of(config: TrainConfig) -> dict[str, Any]:
    """Return the effective settings of a network, ready for JSON."""
    names = ("hidden", "activation", "init", "optimizer", "learning_rate", "weight_decay", "dropout")
    settings = as_settings(config)
    chosen = {name: settings[name] for name in (*names, "batch_size", "epochs", "seed")}
    return chosen | ({"dropout_scaling": config.dropout_scaling} if config.dropout else {})


def _rows(dataset: Dataset, rows: NDArray[np.int64], x_test: Any, y_test: Any) -> Dataset:
    return replace(dataset, x=dataset.x[rows], y=dataset.y[rows], x_test=x_test, y_test=y_test)
