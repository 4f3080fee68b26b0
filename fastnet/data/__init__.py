"""Data sets: the only place where arrays are checked, converted, split and scaled.

Unusable data raise `fastnet.errors.DataError` with one sentence. Nothing above this package checks an array again.
"""

from fastnet.data.dataset import Dataset, as_dataset, take_first
from fastnet.data.pipeline.scaling import Scaler, fit_scaler
from fastnet.data.registry import NAMES, load
from fastnet.data.splitting import Split, split

__all__ = ["NAMES", "Dataset", "Scaler", "Split", "as_dataset", "fit_scaler", "load", "split", "take_first"]
