"""The chapter as experiments: sections 6.4 and 6.5 of *Deep Learning from Scratch*, run, measured and drawn.

>>> from fastnet import experiments
>>> experiments.EXPERIMENTS[:3]
('overfit', 'weight-decay', 'dropout')
"""

from fastnet.config.experiment import EXPERIMENTS, ExperimentConfig
from fastnet.experiments.catalog import run, run_each
from fastnet.experiments.files import files_of, index_of, write, write_index
from fastnet.experiments.lab import ExperimentProgress
from fastnet.experiments.outcome import Claim, Outcome, Table

__all__ = [
    "EXPERIMENTS",
    "Claim",
    "ExperimentConfig",
    "ExperimentProgress",
    "Outcome",
    "Table",
    "files_of",
    "index_of",
    "run",
    "run_each",
    "write",
    "write_index",
]
