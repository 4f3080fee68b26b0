"""Train and tune fully connected networks fast on ordinary multicore CPUs.

Everything here is loaded when it is first asked for, so that ``import fastnet`` costs next to nothing.

>>> import fastnet
>>> fastnet.TrainConfig(hidden=(512, 512), optimizer="adam").hidden
(512, 512)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastnet._version import __version__

if TYPE_CHECKING:
    from fastnet.config.network import NetworkSpec as NetworkSpec
    from fastnet.config.reading import Reading as Reading
    from fastnet.config.searching import SearchConfig as SearchConfig
    from fastnet.config.training import TrainConfig as TrainConfig
    from fastnet.data.dataset import Dataset as Dataset
    from fastnet.data.dataset import as_dataset as as_dataset
    from fastnet.data.dataset import take_first as take_first
    from fastnet.data.registry import load as load
    from fastnet.data.schema import Schema as Schema
    from fastnet.data.splitting import Split as Split
    from fastnet.data.splitting import split as split
    from fastnet.errors import ConfigError as ConfigError
    from fastnet.errors import DataError as DataError
    from fastnet.errors import FastnetError as FastnetError
    from fastnet.errors import FastnetWarning as FastnetWarning
    from fastnet.errors import ModelError as ModelError
    from fastnet.errors import StudyError as StudyError
    from fastnet.export.export import export_model as export_model
    from fastnet.export.optuna import write_journal as write_journal
    from fastnet.model.classifier import Model as Model
    from fastnet.model.ensemble import Ensemble as Ensemble
    from fastnet.model.ensemble import load_model as load_model
    from fastnet.model.metrics import Evaluation as Evaluation
    from fastnet.model.scores import Score as Score
    from fastnet.report.page.write import write_report as write_report
    from fastnet.sklearn.classifier import FastNetClassifier as FastNetClassifier
    from fastnet.sklearn.regressor import FastNetRegressor as FastNetRegressor
    from fastnet.sklearn.search import FastNetSearchCV as FastNetSearchCV
    from fastnet.training.loop import EpochResult as EpochResult
    from fastnet.training.loop import LearningCurves as LearningCurves
    from fastnet.training.several import EnsembleResult as EnsembleResult
    from fastnet.training.several import train_ensemble as train_ensemble
    from fastnet.training.single import TrainResult as TrainResult
    from fastnet.training.single import train as train
    from fastnet.tuning.run.enqueue import read_points as read_points
    from fastnet.tuning.run.result import Progress as Progress
    from fastnet.tuning.run.result import SearchResult as SearchResult
    from fastnet.tuning.run.search import search as search
    from fastnet.tuning.store.study import Study as Study
    from fastnet.tuning.trial import TrialResult as TrialResult

_HOMES = {
    "NetworkSpec": "fastnet.config.network",
    "Reading": "fastnet.config.reading",
    "SearchConfig": "fastnet.config.searching",
    "TrainConfig": "fastnet.config.training",
    "Dataset": "fastnet.data.dataset",
    "as_dataset": "fastnet.data.dataset",
    "take_first": "fastnet.data.dataset",
    "load": "fastnet.data.registry",
    "Schema": "fastnet.data.schema",
    "Split": "fastnet.data.splitting",
    "split": "fastnet.data.splitting",
    "ConfigError": "fastnet.errors",
    "DataError": "fastnet.errors",
    "FastnetError": "fastnet.errors",
    "FastnetWarning": "fastnet.errors",
    "ModelError": "fastnet.errors",
    "StudyError": "fastnet.errors",
    "export_model": "fastnet.export.export",
    "write_journal": "fastnet.export.optuna",
    "Model": "fastnet.model.classifier",
    "Ensemble": "fastnet.model.ensemble",
    "load_model": "fastnet.model.ensemble",
    "Evaluation": "fastnet.model.metrics",
    "Score": "fastnet.model.scores",
    "write_report": "fastnet.report.page.write",
    "FastNetClassifier": "fastnet.sklearn.classifier",
    "FastNetRegressor": "fastnet.sklearn.regressor",
    "FastNetSearchCV": "fastnet.sklearn.search",
    "EpochResult": "fastnet.training.loop",
    "LearningCurves": "fastnet.training.loop",
    "EnsembleResult": "fastnet.training.several",
    "train_ensemble": "fastnet.training.several",
    "TrainResult": "fastnet.training.single",
    "train": "fastnet.training.single",
    "read_points": "fastnet.tuning.run.enqueue",
    "Progress": "fastnet.tuning.run.result",
    "SearchResult": "fastnet.tuning.run.result",
    "search": "fastnet.tuning.run.search",
    "Study": "fastnet.tuning.store.study",
    "TrialResult": "fastnet.tuning.trial",
}

__all__ = ["__version__", *_HOMES]  # what docs/api.md lists


def __getattr__(name: str) -> Any:
    if name == "tuning":  # a package beneath, which is not public, but which can be named without an import
        return import_module("fastnet.tuning")
    if name not in _HOMES:
        raise AttributeError(f"module 'fastnet' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
