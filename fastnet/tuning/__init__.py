"""Hyperparameter search: `search` runs a study, `Study` is its file, `Space` its ranges."""

from fastnet.tuning.distributions import parse_distribution
from fastnet.tuning.engine import search
from fastnet.tuning.folder import new_study_folder
from fastnet.tuning.names import SEARCHABLE
from fastnet.tuning.result import Progress, SearchResult, TrialResult, rank
from fastnet.tuning.space import Space, configured, parse_space_option
from fastnet.tuning.study import STUDY_FILE, Study

__all__ = [
    "SEARCHABLE",
    "STUDY_FILE",
    "Progress",
    "SearchResult",
    "Space",
    "Study",
    "TrialResult",
    "configured",
    "new_study_folder",
    "parse_distribution",
    "parse_space_option",
    "rank",
    "search",
]
