"""The trials of a study as a sequence that stays in its file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from fastnet.tuning.store.opening import StudyFile
from fastnet.tuning.trial import TrialResult

if TYPE_CHECKING:
    import pyarrow as pa


class StoredTrials(Sequence[TrialResult]):
    """The trials of a study, ordered by id, read from its file at each access.

    Only the requested trials are in memory: a loop holds one at a time, a slice its own. Trials that a search stores
    meanwhile appear at the next access.

    Parameters
    ----------
    folder : Path
        The folder of the study, which must stay where it is.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from fastnet.tuning import Study
    >>> times = {"wall_seconds": 1.0, "compile_seconds": 0.0, "compiled_seconds": 1.0}
    >>> with tempfile.TemporaryDirectory() as name:
    ...     with Study.open(Path(name), {"seed": 0}) as study:
    ...         curves = np.full((4, 1), 0.5, np.float32)
    ...         trials = [TrialResult.from_curves(i, "done", {}, curves, seconds=0.1) for i in range(3)]
    ...         study.append(trials, run=study.begin_run({}), **times)
    ...     stored = StoredTrials(Path(name))
    ...     len(stored), stored[-1].id, [trial.id for trial in stored]
    (3, 2, [0, 1, 2])
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def __len__(self) -> int:
        with self._open() as study:
            return study.count()

    @overload
    def __getitem__(self, key: int) -> TrialResult: ...

    @overload
    def __getitem__(self, key: slice) -> tuple[TrialResult, ...]: ...

    def __getitem__(self, key: int | slice) -> TrialResult | tuple[TrialResult, ...]:
        with self._open() as study:
            places = range(study.count())
            if isinstance(key, slice):
                return study.trials_at(places[key])
            return study.trial_at(places[key])

    def __iter__(self) -> Iterator[TrialResult]:
        return self.iterate(curves=True)

    def iterate(
        self, *, curves: bool = False, order: str = "id", stage: int | None = None, status: str | None = None
    ) -> Iterator[TrialResult]:
        """Read trials one by one, as `Study.iter_trials` does."""
        with self._open() as study:
            yield from study.iter_trials(curves=curves, order=order, stage=stage, status=status)

    def best(self, n: int = 20, metric: str | None = None) -> tuple[TrialResult, ...]:
        """Return the `n` best trials with their curves, see `fastnet.tuning.rank`."""
        with self._open() as study:
            return study.best(n, metric)

    def count_status(self, status: str) -> int:
        """Return how many trials are ``done``, ``stopped`` or ``diverged``."""
        with self._open() as study:
            return study.count(status)

    def to_arrow(self, *, curves: bool = False) -> pa.Table:
        """Return the trials as a pyarrow.Table, one row each, with the columns of `store.export.columns_of`."""
        from fastnet.tuning.store.export import to_arrow

        with self._open() as study:
            return to_arrow(study, curves=curves)

    def __repr__(self) -> str:
        return f"StoredTrials({str(self.folder)!r})"

    def _open(self) -> StudyFile:
        return StudyFile.read(self.folder)
