"""Hyperparameter search: `run_study` runs a study, `Study` is its file, `Space` its ranges."""

from fastnet.tuning.engine import run_study
from fastnet.tuning.folder import (
    PICTURE_FILE,
    REPORT_FILE,
    STUDY_FILE,
    find_studies,
    is_being_written,
    new_study_folder,
    remove_study,
)
from fastnet.tuning.names import SEARCHABLE
from fastnet.tuning.parsing import parse_distribution
from fastnet.tuning.result import Progress, SearchResult, TrialResult, rank
from fastnet.tuning.space import Space, configured, parse_space_option
from fastnet.tuning.stored import StoredTrials
from fastnet.tuning.study import Study

__all__ = [
    "PICTURE_FILE",
    "REPORT_FILE",
    "SEARCHABLE",
    "STUDY_FILE",
    "Progress",
    "SearchResult",
    "Space",
    "StoredTrials",
    "Study",
    "TrialResult",
    "configured",
    "find_studies",
    "is_being_written",
    "new_study_folder",
    "parse_distribution",
    "parse_space_option",
    "rank",
    "remove_study",
    "run_study",
]
