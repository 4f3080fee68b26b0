"""Hyperparameter search: `run_study` runs a study, `Study` is its file, `Space` its ranges."""

from fastnet.tuning.run.assemble import run_study
from fastnet.tuning.run.result import Progress, SearchResult
from fastnet.tuning.space.names import SEARCHABLE
from fastnet.tuning.space.parsing import parse_distribution
from fastnet.tuning.space.space import Space, configured, parse_space_option
from fastnet.tuning.store.folder import (
    PICTURE_FILE,
    REPORT_FILE,
    STUDY_FILE,
    find_studies,
    is_being_written,
    new_study_folder,
    remove_study,
)
from fastnet.tuning.store.stored import StoredTrials
from fastnet.tuning.store.study import Study
from fastnet.tuning.trial import TrialResult, rank

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
