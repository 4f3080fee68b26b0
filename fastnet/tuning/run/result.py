"""What a search gives back, and how far it is on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from fastnet.model.ensemble import Ensemble
    from fastnet.tuning.store.stored import StoredTrials
from fastnet.tuning.trial import TrialResult


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """All trials of a study and how the run that ended just now spent its time.

    Parameters
    ----------
    trials : StoredTrials
        Every stored trial, ordered by id, whichever run made it: a sequence that reads them from the study's file when
        they are asked for, so that a study of any size fits.
    interrupted : bool
        Whether the run was stopped before all trials were done.
    new_trials : int
        Trials that this run added.
    wall_seconds : float
        Time from the call to the result.
    compile_seconds : float
        Part of it spent compiling the kernels or loading them from their cache.
    compiled_seconds : float
        Part of it during which a pack of trials was running in compiled code.
    stages : tuple of dict
        What came of each stage, see `fastnet.tuning.store.study.Study.stages`; the last one holds the recommendation.
    final : dict or None
        The final choice, see `fastnet.tuning.run.final`; None before it was made.
    final_seconds : float
        Part of the time spent on it and on the ensemble in this run, what was compiled for it included; no trial ran
        meanwhile.
    ensemble_report : dict or None
        What came of putting the best trials together, see `fastnet.tuning.run.ensemble`; None before it was done.
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

    def best(self, n: int = 20) -> tuple[TrialResult, ...]:
        """Return the `n` best trials, see `rank`, with their curves."""
        return self.trials.best(n)

    def count(self, status: str) -> int:
        """Return how many trials are ``done``, ``stopped`` or ``diverged``."""
        return self.trials.count_status(status)

    def to_arrow(self, *, curves: bool = False) -> pa.Table:
        """Return the trials as a pyarrow.Table, one row each; columns as `store.export.columns_of` names them."""
        return self.trials.to_arrow(curves=curves)

    @property
    def recommendation(self) -> dict[str, Any] | None:
        """Ranges to go on with and why, see `rules.advice.Recommendation.to_dict`; None before the end."""
        report = self.stages[-1]["report"] if self.stages else None
        found: dict[str, Any] | None = report.get("recommendation") if report else None
        return found

    @property
    def ensemble(self) -> Ensemble | None:
        """The best trials as one model, read from the study's folder; None where ``ensemble_top`` asked for none.

        Raises
        ------
        ModelError
            If its file is no longer there.
        """
        if self.ensemble_report is None:
            return None
        from fastnet.model.ensemble import Ensemble

        return Ensemble.load(self.trials.folder / self.ensemble_report["model"])

    @property
    def trials_per_second(self) -> float:
        """New trials per second, compilation and final choice left out; 0 if there were none."""
        return self.new_trials / self._search_seconds if self.new_trials and self._search_seconds > 0 else 0.0

    @property
    def outside_share(self) -> float:
        """Share of the time, compilation and final choice left out, that was not spent in compiled code, in [0, 1]."""
        if self._search_seconds <= 0:
            return 0.0
        return min(1.0, max(0.0, 1.0 - self.compiled_seconds / self._search_seconds))

    @property
    def _search_seconds(self) -> float:
        return self.wall_seconds - self.compile_seconds - self.final_seconds


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search has come; given to `on_progress` several times a second.

    Parameters
    ----------
    done : int
        Trials finished, those of earlier runs of the study included.
    total : int
        Trials the study will have.
    best : float or None
        Best `TrialResult.value` so far of the trials that ran to their end; None before the first of them.
    trials_per_second : float
        Mean rate of this run, compilation left out; 0 before its first trial.
    eta_seconds : float or None
        Estimated time to the end; None while there is no rate.
    elapsed_seconds : float
        Time since the call, compilation included.
    compiling : bool
        Whether the kernels are being compiled or loaded from their cache.
    stage, stages : int
        The stage of the study that is running, from 1, and how many there are.
    rung, rungs : int
        Between which comparisons the trials of the running pack are, from 1, and how many such spans of epochs there
        are; 1 of 1 where no trial is ended early.
    stopped, diverged : int
        Trials so far that were ended early because others were better, and whose loss left the finite numbers.
    choosing : bool
        Whether all trials are done and the best ones are trained again on fresh seeds.
    ensembling : bool
        Whether they are trained again to be put together.
    ended : tuple of TrialResult
        The trials of this run that ended since the last report, in the order in which they did.
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
