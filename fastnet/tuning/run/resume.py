"""What a study stores about itself: its settings, its plan, and the source of its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastnet.config.searching import SearchConfig
from fastnet.config.training import train_config_from
from fastnet.data.registry import NAMES
from fastnet.data.tables.table import STANDARD_INPUT
from fastnet.errors import StudyError
from fastnet.files import shown_path
from fastnet.tuning.store.documents import is_reading
from fastnet.tuning.store.folder import STUDY_FILE, NotStartedError
from fastnet.tuning.store.study import Study

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset

PLANNED = ("trials", "final", "repeats", "ensemble_top", "ensemble", "ensemble_folds")
"""Fields of `SearchConfig` that may change when a study continues, since no trial depends on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the data of a study come from.

    Parameters
    ----------
    data : str or list of str
        The name of a data set, the absolute path of a file or of several, or ``-`` for standard input.
    samples : int or None
        Number of first training samples that are used; None for all.
    data_dir : str or None
        The folder of an image set, if one was given.
    validation : str or None
        The validation samples, as for `data`; None for a part of the data.
    reading : mapping or None
        How a table is read: fields of `Reading` and their values, as JSON holds them.
    """

    data: str | list[str]
    samples: int | None = None
    data_dir: str | None = None
    validation: str | None = None
    reading: Mapping[str, Any] | None = None

    @classmethod
    def of(
        cls,
        data: object,
        *,
        samples: int | None = None,
        data_dir: object = None,
        validation: object = None,
        reading: Mapping[str, Any] | None = None,
    ) -> Source | None:
        """Return the source of given data; None if they did not come from a name or from files.

        Examples
        --------
        >>> Source.of("mnist5k", samples=500).samples, Source.of(([[0.0]], [0]))
        (500, None)
        """
        files = [each for each in (data if isinstance(data, list) else [data]) if isinstance(each, (str, Path))]
        if len(files) < (len(data) if isinstance(data, list) else 1):
            return None
        if not isinstance(validation, (str, Path, type(None))):
            return None
        paths = [_absolute(each) for each in files]
        other = None if validation is None else _absolute(validation)
        folder = None if data_dir is None else str(Path(str(data_dir)).expanduser().absolute())
        read = None if reading is None else _stored(reading)
        if read is not None and not is_reading(read):
            return None  # such as a test set in memory
        if any(shown_path(text) != text for text in (*paths, other or "", folder or "", *_texts_of(read))):
            return None  # a name whose bytes are not UTF-8 cannot be stored
        found = paths if isinstance(data, list) else paths[0]
        return cls(data=found, samples=samples, data_dir=folder, validation=other, reading=read)

    @classmethod
    def of_dataset(cls, dataset: Dataset, validation: object = None) -> Source | None:
        """Return the source of a data set and of given validation samples; None if they did not come from files.

        Examples
        --------
        >>> import fastnet
        >>> Source.of_dataset(fastnet.take_first(fastnet.load("mnist5k"), 500)).samples
        500
        """
        from fastnet.data.dataset import Dataset

        found = dataset.source
        if isinstance(validation, Dataset):
            other = validation.source
            plain = other is not None and not other.reading and other.samples is None
            validation = other.data if other is not None and plain and isinstance(other.data, str) else validation
        if found is None:
            return None
        return cls.of(
            found.data,
            samples=found.samples,
            data_dir=found.data_dir,
            validation=validation,
            reading=found.reading,
        )

    @property
    def files(self) -> tuple[str, ...] | None:
        """The name or paths of the data; None if they came from standard input."""
        if self.data == STANDARD_INPUT:
            return None
        return (self.data,) if isinstance(self.data, str) else tuple(self.data)

    def load(self) -> Dataset:
        """Load the data, without the samples of `validation`."""
        from fastnet.data.dataset import take_first
        from fastnet.data.registry import load

        dataset = load(self.data, data_dir=self.data_dir, **(self.reading or {}))
        return take_first(dataset, self.samples) if self.samples else dataset


def _absolute(value: str | Path) -> str:
    return str(value) if str(value) in (*NAMES, STANDARD_INPUT) else str(Path(value).expanduser().absolute())


def _stored(reading: Mapping[str, Any]) -> dict[str, Any]:
    """Return a reading as JSON holds it: with lists of columns, and the absolute path of a test set."""
    stored = {name: list(value) if isinstance(value, tuple) else value for name, value in reading.items()}
    for name in ("target", "features", "drop"):
        if isinstance(stored.get(name), str):
            stored[name] = [stored[name]]
    types = stored.get("types")
    if isinstance(types, Mapping):
        stored["types"] = [f"{column}={kind}" for column, kind in types.items()]
    stored = {name: value for name, value in stored.items() if value is not None}
    test = stored.get("test")
    if isinstance(test, (str, Path)) and test != "none":
        stored["test"] = _absolute(test)
    return stored


def _texts_of(reading: Mapping[str, Any] | None) -> list[str]:
    values = (reading or {}).values()
    return [str(each) for value in values for each in (value if isinstance(value, list) else [value])]


@dataclass(frozen=True, slots=True)
class Known:
    """What the study in `folder` was made with: configuration, source of the data, if known, and their name."""

    config: SearchConfig
    source: Source | None
    data: str
    folder: Path

    def beside(self, given: Mapping[str, Any]) -> Known:
        """Leave the folds of the ensemble out if the settings that are given leave out the ensemble."""
        if given.get("ensemble_top") != 0 or not self.config.ensemble_folds:
            return self
        return replace(self, config=replace(self.config, ensemble_folds=None))

    def found(self) -> Source:
        """Return the source of the data; `StudyError` if the study does not know it."""
        if self.source is None or self.source.files is None:
            why = f"does not know where its data ({self.data}) are"
            if self.source is not None:
                why = "read its data from standard input"
            raise StudyError(f"{self.folder}: the study {why}; give data")
        return self.source


def known_of(folder: Path) -> Known | None:
    """Read what the study in a folder was made with; None where none was started, `StudyError` if it cannot be read."""
    if not (folder / STUDY_FILE).is_file():
        return None
    try:
        with Study.read(folder) as study:
            settings, plan, about = study.settings, study.plan(), study.about
            planned = {"trials": max(1, study.count())} | {name: plan[name] for name in PLANNED if name in plan}
    except NotStartedError:
        return None
    names = {field.name for field in fields(SearchConfig)} - {"space", "train"}
    given = planned | {name: value for name, value in settings.items() if name in names}
    config = SearchConfig(train=train_config_from(settings["train"]), space=settings["space"], **given)
    data, source = str(about.get("data", "unknown")), plan.get("source")
    if source is None and data in NAMES and "rows" not in settings:
        source = {"data": data, "samples": about.get("n_samples")}
    return Known(config, None if source is None else Source(**source), data, folder)


def following(folder: Path) -> Known:
    """Return what the round after a study is made with: its settings and data, and the ranges that it recommends.

    Raises `StudyError` if there is no study, or it is not complete.
    """
    known = known_of(folder)
    if known is None:
        raise StudyError(f"{folder}: there is no study here (no file {STUDY_FILE})")
    with Study.read(folder) as study:
        stages = study.stages()
    report = stages[-1]["report"] if stages else None
    advice = (report or {}).get("recommendation")
    if not advice or "ranges" not in advice:
        raise StudyError(f"{folder}: the study recommends no ranges yet; finish it first")
    ranges = (advice.get("next") or {}).get("ranges") or {item["name"]: item["range"] for item in advice["ranges"]}
    return replace(known, config=replace(known.config, space=ranges, enqueue=()))


def plan_of(config: SearchConfig, source: Source | None) -> dict[str, Any]:
    """Return the plan that a study stores, ready for JSON."""
    planned: dict[str, Any] = {name: getattr(config, name) for name in PLANNED}
    return planned | {"source": None if source is None else _as_dict(source)}


def _as_dict(source: Source) -> Mapping[str, Any]:
    stored = {field.name: getattr(source, field.name) for field in fields(Source)}
    if source.reading is None:
        del stored["reading"]
    return stored
