"""Hyperparameter search: `search` runs a study, `Study` is its file, `Space` its ranges."""

from fastnet.tuning.engine import search
from fastnet.tuning.folder import STUDY_FILE, find_studies, is_being_written, new_study_folder, remove_study
from fastnet.tuning.result import Progress, SearchResult, TrialResult, rank
from fastnet.tuning.space import SEARCHABLE, Space, parse_distribution, parse_space_option
from fastnet.tuning.stored import StoredTrials
from fastnet.tuning.study import Study

__all__ = [
    "SEARCHABLE",
    "STUDY_FILE",
    "Progress",
    "SearchResult",
    "Space",
    "StoredTrials",
    "Study",
    "TrialResult",
    "find_studies",
    "is_being_written",
    "new_study_folder",
    "parse_distribution",
    "parse_space_option",
    "rank",
    "remove_study",
    "search",
]
