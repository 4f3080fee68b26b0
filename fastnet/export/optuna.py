"""A study as a journal file of Optuna, written without Optuna: the input of its dashboard and of its figures.

The journal is a text file with one JSON object, an operation, per line: one makes the study, then one per attribute of
the study and one per trial. Optuna 3.1 and later, and optuna-dashboard, read it as ``JournalFileBackend``.
"""

from __future__ import annotations

import heapq
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastnet.config.metric import METRICS, sign
from fastnet.errors import StudyError
from fastnet.files import shown_path
from fastnet.tuning.run.optuna import described
from fastnet.tuning.space.distributions import Choice, Distribution
from fastnet.tuning.space.space import Space
from fastnet.tuning.store.export import curve_columns
from fastnet.tuning.store.reading import StudyReader
from fastnet.tuning.trial import CURVES, TrialResult

FORMAT = "optuna-journal"
"""Name of the format among those of `fastnet.tuning.store.export.FORMATS`."""

CREATE_STUDY, SET_STUDY_ATTR, SET_SYSTEM_ATTR, CREATE_TRIAL = 0, 2, 3, 4
"""Codes of Optuna's operations."""

STATES = {"done": 1, "stopped": 2, "diverged": 3}
"""Optuna's states: complete, pruned, failed."""

_WORKER = "fastnet"
_LONGEST, _LAST = 1e9, datetime(9999, 1, 1, tzinfo=UTC).timestamp()  # a damaged study may contain more
_FLUSH_BYTES = 2**20


def write_journal(study: StudyReader, stream: BinaryIO, *, times: bool = True, curves: bool = False) -> int:
    """Write every trial of a study as an Optuna journal to a stream of bytes, which stays open; return their number.

    Parameters
    ----------
    study : StudyReader
        An open study. It gives the journal's study the name of its folder.
    stream : binary file
        The target.
    times : bool
        Whether to write when trials began and ended, see `Timeline`, and the attribute ``seconds``. Without them, the
        bytes follow from the settings, the trials and the name of the folder alone.
    curves : bool
        Whether to write the other three learning curves too, as attributes of the trials. The validation curve of the
        metric is always there, as Optuna's intermediate values with the epoch as the step, if the study has curves.

    Raises
    ------
    StudyError
        If the study cannot be read.
    OSError
        If the stream cannot be written to.

    Notes
    -----
    A trial that trained to its end is complete, one that pruning ended is pruned, and one that diverged has failed.
    The attribute ``trial`` is its number in the study: Optuna numbers trials without gaps. In a study of several stages
    a range goes from the lowest to the highest end of any stage, because Optuna compares only trials of equal ranges.

    Examples
    --------
    >>> import io, tempfile
    >>> from pathlib import Path
    >>> from fastnet.tuning import Study
    >>> times = {"wall_seconds": 1.0, "compile_seconds": 0.0, "compiled_seconds": 1.0}
    >>> stream = io.BytesIO()
    >>> settings = {"space": {"dropout": "uniform:0:0.5"}}
    >>> with tempfile.TemporaryDirectory() as name, Study.open(Path(name), settings) as study:
    ...     curves = np.full((4, 2), 0.5, np.float32)
    ...     trial = TrialResult.from_curves(0, "done", {"dropout": 0.1}, curves, seconds=0.25)
    ...     study.append([trial], run=study.begin_run({}), **times)
    ...     write_journal(study, stream)
    1
    >>> lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    >>> lines[-1]["params"], lines[-1]["value"], lines[-1]["intermediate_values"]
    ({'dropout': 0.1}, 0.5, {'1': 0.5, '2': 0.5})
    """
    for operation in _study_operations(study):
        stream.write(_line(operation))
    write = _TrialWriter(study, times=times, curves=curves)
    count, waiting, size = 0, [], 0
    for trial in study.iter_trials(curves=True):
        line = write.line(trial)
        count, size = count + 1, size + len(line)
        waiting.append(line)
        if size >= _FLUSH_BYTES:
            stream.write("".join(waiting).encode())
            waiting, size = [], 0
    stream.write("".join(waiting).encode())
    return count


class Timeline:
    """Places trials in time: when each began and ended, in the order of their numbers.

    A study stores how long a trial took, and when each of its runs began; not when a trial began. A duration is
    therefore measured, and a beginning is what it would have been if the threads of the run had begun its trials in the
    order of their numbers, after its kernels were loaded.

    Parameters
    ----------
    created : str
        When the study was created, in ISO 8601.
    runs : sequence of dict
        See `StudyReader.runs`.

    Examples
    --------
    >>> run = {"started": "2024-05-01T12:00:00+00:00", "compile_seconds": 1.0, "new_trials": 3}
    >>> timeline = Timeline("", [run | {"environment": {"threads": 2}}])
    >>> [tuple(moment[17:22] for moment in timeline.span(seconds)) for seconds in (2.0, 0.5, 1.0)]
    [('01.00', '03.00'), ('01.00', '01.50'), ('01.50', '02.50')]
    """

    def __init__(self, created: str, runs: Sequence[Mapping[str, Any]]) -> None:
        self._runs = [run for run in runs if run["new_trials"]]
        self._left = 0
        self._free = [] if self._runs else [_moment(created)]

    def span(self, seconds: float) -> tuple[str, str]:
        """Return when the next trial, which took some seconds, began and ended, in ISO 8601."""
        if self._runs and not self._left:
            self._begin(self._runs.pop(0))
        self._left -= 1
        begin = self._free[0]
        end = begin + min(seconds, _LONGEST)
        heapq.heapreplace(self._free, end)
        return _iso(begin), _iso(end)

    def _begin(self, run: Mapping[str, Any]) -> None:
        begin = _moment(run["started"]) + min(run["compile_seconds"], _LONGEST)
        self._left = run["new_trials"]
        self._free = [begin] * max(1, min(run["environment"].get("threads", 1), 2**12))


class _TrialWriter:
    """Writes trials of one study as lines of a journal."""

    def __init__(self, study: StudyReader, *, times: bool, curves: bool) -> None:
        ranges = _ranges(study)
        self._places = {
            name: dict(zip(one.values, range(len(one.values)), strict=True)) if isinstance(one, Choice) else None
            for name, one in ranges.items()
        }
        self._ranges = _json({name: _json(described(one)) for name, one in ranges.items()})
        self._names = curve_columns(study.score) if curves else ()
        self._metric = CURVES.index(METRICS[study.metric].curve)
        self._timeline = Timeline(study.created, study.runs()) if times else None

    def line(self, trial: TrialResult) -> str:
        """Return the operation that creates a trial."""
        attributes: dict[str, Any] = {"trial": trial.id, "stage": trial.stage, "epochs": trial.epochs}
        if trial.best_epoch:
            attributes |= {"best_value": trial.best_value, "best_epoch": trial.best_epoch}
        begin = end = ""
        if self._timeline is not None:
            attributes["seconds"] = trial.seconds
            begin, end = self._timeline.span(trial.seconds)
        ended = f',"datetime_complete":"{end}"' if end else ""
        began = f'"{begin}"' if begin else "null"
        value = repr(trial.value) if math.isfinite(trial.value) else "null"
        return (
            f'{{"op_code":{CREATE_TRIAL},"worker_id":"{_WORKER}","study_id":0,"state":{STATES[trial.status]}'
            f',"datetime_start":{began}{ended},"value":{value},"values":null,"distributions":{self._ranges}'
            f',"params":{_json(self._params(trial))},"user_attrs":{_json(attributes)[:-1]}{self._curves(trial)}}}'
            f',"system_attrs":{{}},"intermediate_values":{{{self._intermediate(trial)}}}}}\n'
        )

    def _params(self, trial: TrialResult) -> dict[str, float]:
        """Return the values as Optuna stores them: of a choice the place of the value, else a number."""
        return {
            name: float(trial.params[name]) if places is None else places[trial.params[name]]
            for name, places in self._places.items()
        }

    def _intermediate(self, trial: TrialResult) -> str:
        texts = _texts(trial.curves[self._metric, : trial.epochs])
        return ",".join(f'"{epoch}":{text}' for epoch, text in enumerate(texts, start=1) if text != "null")

    def _curves(self, trial: TrialResult) -> str:
        if not trial.curves.size:
            return ""
        return "".join(
            f',"{name}":[{",".join(_texts(trial.curves[row, : trial.epochs]))}]'
            for row, name in enumerate(self._names)
            if row != self._metric
        )


def _study_operations(study: StudyReader) -> Iterator[dict[str, Any]]:
    """Return the operations that create the study and its attributes: every fixed setting, and what is known of it."""
    columns = curve_columns(study.score)
    name = shown_path(study.path.absolute().parent.name) or "study"
    direction = 2 if sign(study.metric) > 0 else 1
    yield {"op_code": CREATE_STUDY, "study_name": name, "directions": [direction]}
    metric = columns[CURVES.index(METRICS[study.metric].curve)]
    yield {"op_code": SET_SYSTEM_ATTR, "study_id": 0, "system_attr": {"study:metric_names": [metric]}}
    for key, value in _attributes(study).items():
        yield {"op_code": SET_STUDY_ATTR, "study_id": 0, "user_attr": {key: value}}


def _attributes(study: StudyReader) -> dict[str, Any]:
    settings = study.settings
    train, space = settings.pop("train", {}), settings.pop("space", {})
    found = {"created": study.created} | study.about | {"data_sha256": settings.pop("data", None)}
    found |= settings | train | {f"space {name}": text for name, text in space.items()}
    stages = study.stages()
    if len(stages) > 1:
        found["stages_spaces"] = [stage["space"] for stage in stages]
    return {name: value for name, value in found.items() if value is not None}


def _ranges(study: StudyReader) -> dict[str, Distribution]:
    """Return the range of each name over all stages."""
    spaces = [study.settings.get("space", {}), *(stage["space"] for stage in study.stages())]
    parsed = [Space.parse(texts).distributions for texts in spaces]
    return {name: _hull([ranges[name] for ranges in parsed]) for name in parsed[0]}


def _hull(ranges: Sequence[Distribution]) -> Distribution:
    """Return the smallest range of the kind of the first that contains all of them."""
    first = ranges[0]
    ends: list[Any] = [end for one in ranges for end in one.extremes()]
    if isinstance(first, Choice):
        return Choice(tuple(dict.fromkeys(ends)))
    hull: Distribution = type(first)(min(ends), max(ends))  # type: ignore[call-arg]  # a range with two ends
    return hull


def _texts(curve: NDArray[np.float32]) -> list[str]:
    """Write each number with the shortest digits of the float32; null where nothing was measured."""
    texts: list[str] = curve.astype(str).tolist()
    if np.isfinite(curve).all():
        return texts
    return [text if ok else "null" for text, ok in zip(texts, np.isfinite(curve).tolist(), strict=True)]


def _line(operation: Mapping[str, Any]) -> bytes:
    return f"{_json({**operation, 'worker_id': _WORKER})}\n".encode()


_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _moment(text: str) -> float:
    """Return a time in ISO 8601 as seconds since 1970."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise StudyError(f"the study is damaged: {text[:40]!r} is not a time; restore it from a copy") from None


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(min(moment, _LAST), UTC).isoformat(timespec="microseconds")
