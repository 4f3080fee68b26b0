"""Trials on their way into a study; they wait in memory while another program holds its file locked."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastnet.errors import warn
from fastnet.tuning.store.folder import StudyLockedError
from fastnet.tuning.store.study import PATIENCE_SECONDS, Study
from fastnet.tuning.trial import TrialResult

NOTED_SECONDS = 10.0
"""A lock that lasts longer causes a warning."""

STOPPED_SECONDS = 30.0
"""How long a search that was asked to stop waits for the lock before it gives up the trials that are not stored."""

MOST_BYTES = 64 * 2**20
"""Most curves that wait in memory; with more, the search waits too."""


class Backlog:
    """The trials that are done but not yet stored.

    While a transaction of the study waits, `on_wait` is called several times a second, and `stopped` returns whether
    the search was asked to stop.
    """

    def __init__(self, study: Study, on_wait: Callable[[], None], stopped: Callable[[], bool]) -> None:
        self._study, self._on_wait, self._stopped = study, on_wait, stopped
        self._trials: list[TrialResult] = []
        self._locked_since: float | None = None
        self._noted = False
        study.while_locked = self._while_locked

    def __len__(self) -> int:
        return len(self._trials)

    def store(self, trials: list[TrialResult], *, run: int, **seconds: float) -> None:
        """Store trials and those that wait, all or none, and empty the list; if the study is locked, they wait.

        Raises
        ------
        StudyLockedError
            If the study has been locked for `PATIENCE_SECONDS`.
        StudyError
            If it cannot be written.
        """
        self._trials.extend(trials)
        trials.clear()
        full = self._locked_since is not None and sum(trial.curves.nbytes for trial in self._trials) > MOST_BYTES
        try:
            self._append(self._patience_left() if full else 0.0, run, seconds)
        except StudyLockedError:
            if self._patience_left() <= 0.0:
                raise

    def flush(self, *, run: int, **seconds: float) -> None:
        """Store the trials that wait as soon as the study is unlocked; Ctrl-C gives them up and propagates.

        Raises
        ------
        StudyLockedError
            If the study has been locked for `PATIENCE_SECONDS`, or for `STOPPED_SECONDS` after the request to stop.
        """
        if not self._trials:
            return
        try:
            self._append(max(self._patience_left(), STOPPED_SECONDS), run, seconds)
        except KeyboardInterrupt:
            self._trials.clear()
            raise

    def _append(self, patience: float, run: int, seconds: dict[str, float]) -> None:
        try:
            self._study.append(self._trials, run=run, **seconds, patience=patience)
        except StudyLockedError as error:
            self._locked_since = self._locked_since or time.monotonic()
            self._note(time.monotonic() - self._locked_since)
            n = len(self._trials)
            raise StudyLockedError(f"{error}; {n} trial{'' if n == 1 else 's'} could not be stored") from error
        self._trials.clear()
        self._locked_since = None

    def _patience_left(self) -> float:
        return PATIENCE_SECONDS - (0.0 if self._locked_since is None else time.monotonic() - self._locked_since)

    def _while_locked(self, seconds: float) -> bool:
        self._note(seconds)
        self._on_wait()
        return seconds >= STOPPED_SECONDS and self._stopped()

    def _note(self, seconds: float) -> None:
        if seconds >= NOTED_SECONDS and not self._noted:
            self._noted = True
            warn(
                f"{self._study.path}: another program holds the file locked; the search continues and stores its "
                "trials when that program releases it"
            )
