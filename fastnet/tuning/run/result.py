"""The result of a search, and its progress while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastnet.tuning.trial import TrialResult
from fastnet.tuning.view.plotted import StudyFigures

if TYPE_CHECKING:
    import pyarrow as pa

    from fastnet.model.ensemble import Ensemble
    from fastnet.tuning.store.stored import StoredTrials
    from fastnet.tuning.store.study import Study


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult(StudyFigures):
    """All trials of a study, and how the run that just ended spent its time.

    Parameters
    ----------
    trials : StoredTrials
        All stored trials, ordered by id: a sequence that reads them from the study's file on access, so that a study of
        any size fits into memory.
    interrupted : bool
        Whether the run was stopped before all trials were done.
    new_trials : int
        Trials that this run added.
    wall_seconds : float
        Time from the call to the result.
    compile_seconds : float
        Part of it spent compiling the kernels or loading them from their cache.
    compiled_seconds : float
        Part of it during which a pack of trials ran in compiled code.
    stages : tuple of dict
        The report of each stage, see `fastnet.tuning.store.study.Study.stages`; the last has the recommendation.
    final : dict or None
        The final choice, see `fastnet.tuning.run.final`; None before it was made.
    final_seconds : float
        Time of the final choice and the ensemble in this run, without trials.
    ensemble_report : dict or None
        Members and scores of the ensemble, see `fastnet.tuning.run.ensemble`; None before it was made.
    """

    trials: StoredTrials
    interrupted: bool
    new_trials: int
    wall_seconds: float
    compile_seconds: float
    compiled_seconds: float
    stages: tuple[dict[str, Any], ...] = ()
    final: dict[str, Any] | None = None
    final_seconds: float = 0.0
    ensemble_report: dict[str, Any] | None = None

    def _viewed(self) -> Study:
        from fastnet.tuning.store.study import Study

        return Study.read(self.trials.folder)

    def best(self, n: int = 20) -> tuple[TrialResult, ...]:
        """Return the `n` best trials with their curves, see `fastnet.tuning.rank`."""
        return self.trials.best(n)

    def count(self, status: str) -> int:
        """Return how many trials are ``done``, ``stopped`` or ``diverged``."""
        return self.trials.count_status(status)

    def to_arrow(self, *, curves: bool = False) -> pa.Table:
        """Return the trials as a pyarrow.Table, one row each; columns as `store.export.columns_of` names them."""
        return self.trials.to_arrow(curves=curves)

    @property
    def recommendation(self) -> dict[str, Any] | None:
        """Recommended ranges and reasons, see `rules.advice.Recommendation.to_dict`; None before the end."""
        report = self.stages[-1]["report"] if self.stages else None
        found: dict[str, Any] | None = report.get("recommendation") if report else None
        return found

    @property
    def ensemble(self) -> Ensemble | None:
        """The best trials as one model, read from the study's folder; None with ``ensemble_top=0``.

        Raises
        ------
        ModelError
            If its file is missing.
        """
        if self.ensemble_report is None:
            return None
        from fastnet.model.ensemble import Ensemble

        return Ensemble.load(self.trials.folder / self.ensemble_report["model"])

    def _repr_html_(self) -> str:
        """Show the best trials, the curves of the best one and what to do next, in a notebook."""
        with self._viewed() as study:
            return study._repr_html_()

    @property
    def trials_per_second(self) -> float:
        """New trials per second, without compilation and final choice; 0 if there were none."""
        return self.new_trials / self._search_seconds if self.new_trials and self._search_seconds > 0 else 0.0

    @property
    def outside_share(self) -> float:
        """Share of the time outside compiled code, without compilation and final choice, in [0, 1]."""
        if self._search_seconds <= 0:
            return 0.0
        return min(1.0, max(0.0, 1.0 - self.compiled_seconds / self._search_seconds))

    @property
    def _search_seconds(self) -> float:
        return self.wall_seconds - self.compile_seconds - self.final_seconds


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a search, passed to `on_progress` several times a second.

    Parameters
    ----------
    done, total : int
        Finished trials, those of earlier runs included, and trials that the study will have.
    best : float or None
        Best `TrialResult.value` so far of the trials that ran to their end; None before the first.
    trials_per_second : float
        Mean rate of this run without compilation; 0 before its first trial.
    eta_seconds : float or None
        Estimated time left; None without a rate.
    elapsed_seconds : float
        Time since the call, with compilation.
    compiling : bool
        Whether kernels are being compiled or loaded from their cache.
    stage, stages : int
        The current stage of the study, from 1, and the number of stages.
    rung, rungs : int
        The current span of epochs between two comparisons, from 1, and the number of spans; both 1 without pruning.
    stopped, diverged : int
        Trials so far that were pruned, and trials whose loss was no longer finite.
    choosing, ensembling : bool
        Whether the best trials are being trained again, for the final choice or for the ensemble.
    ended : tuple of TrialResult
        The trials that ended since the last report, in that order.
    """

    done: int
    total: int
    best: float | None
    trials_per_second: float
    eta_seconds: float | None
    elapsed_seconds: float
    compiling: bool
    stage: int = 1
    stages: int = 1
    rung: int = 1
    rungs: int = 1
    stopped: int = 0
    diverged: int = 0
    choosing: bool = False
    ensembling: bool = False
    ended: tuple[TrialResult, ...] = ()
