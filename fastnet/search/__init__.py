"""Hyperparameter search: `search` runs a study, `Study` is its file, `Space` its ranges."""

from fastnet.search.engine import search
from fastnet.search.folder import new_study_folder
from fastnet.search.result import Progress, SearchResult, TrialResult, rank
from fastnet.search.space import SEARCHABLE, Space, parse_distribution, parse_space_option
from fastnet.search.study import STUDY_FILE, Study

__all__ = [
    "SEARCHABLE",
    "STUDY_FILE",
    "Progress",
    "SearchResult",
    "Space",
    "Study",
    "TrialResult",
    "new_study_folder",
    "parse_distribution",
    "parse_space_option",
    "rank",
    "search",
]
