"""The search as one function that accepts values as the command line does: `fastnet.search`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from fastnet.config.checks import check_choice
from fastnet.config.presets import QUALITIES, About, Preset, preset_of
from fastnet.config.searching import GIVEN, SearchConfig, as_settings
from fastnet.config.settings import suggestion
from fastnet.config.text import seconds, whole_bytes
from fastnet.config.training import TrainConfig, train_config_from
from fastnet.data.given import as_given, with_validation_given
from fastnet.errors import ConfigError
from fastnet.files import as_path
from fastnet.progress.shown import showing
from fastnet.progress.words import frame_of_search
from fastnet.tuning.run.assemble import run_study
from fastnet.tuning.run.enqueue import Given, read_points
from fastnet.tuning.run.result import Progress, SearchResult
from fastnet.tuning.run.resume import Known, Source, following, known_of
from fastnet.tuning.store.folder import new_study_folder

if TYPE_CHECKING:
    from fastnet.data.dataset import Dataset


def search(
    space: Mapping[str, str] | None = None,
    data: Dataset | str | Path | tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    *,
    trials: int | None = None,
    study: str | Path | None = None,
    after: str | Path | None = None,
    fresh: bool = False,
    finish: bool = False,
    validation: Dataset | str | Path | tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    jobs: int | None = None,
    memory: int | str | None = None,
    timeout: float | str | None = None,
    quality: str | None = None,
    preset: str = "auto",
    on_progress: Callable[[Progress], None] | None = None,
    progress: bool | None = None,
    interrupt: str = "raise",
    enqueue: Given = None,
    executor: Any = None,
    sampler: Any = None,
    **settings: Any,
) -> SearchResult:
    """Search for good hyperparameters, or continue a search.

    Parameters
    ----------
    space : mapping of str to str, or None
        The ranges as text by name, such as ``{"learning_rate": "log:1e-4:1e-1"}``; by default those of the study, or
        the book's ranges of learning rate and weight decay. See `fastnet.tuning.space.space.Space`.
    data : Dataset, name, path or (x, y)
        A data set, its name or file as for `fastnet.load`, or (N, F) features and (N,) labels. Optional for a study
        whose data came from a name or a path.
    trials : int, optional
        Total number of trials, including those that the study already has; 100 by default for a new study.
    study : path, optional
        Folder of the study; ``~`` is the home folder. An existing study continues with its own settings; a setting
        given again must be the same. By default a new numbered folder in ``studies/``.
    after : path, optional
        Folder of a complete study: makes a new one like it, in the ranges that it recommends.
    fresh : bool
        Discard the trials and settings of the study and start over.
    finish : bool
        Train no more trials: make the final choice and the ensemble from those that the study has.
    validation : Dataset, name, path or (x, y), optional
        Validation samples, instead of a part of `data`; some classes may be missing.
    jobs : int, optional
        Threads; by default as many as the process may use. Results do not depend on it.
    memory : int or str, optional
        Memory for trials that train together, in bytes or as text such as ``"2G"``. Results do not depend on it.
    timeout : float or str, optional
        Time for everything, in seconds or as text such as ``"10m"``: training stops in time for the final choice and
        the ensemble, which are shortened if they would take more than half of it; `finish` completes them later.
    quality : {"quick", "good", "best"}, optional
        Such a time by its name, instead of `timeout`: 10, 60 or 600 seconds.
    preset : {"auto", "book", "table", "images"}
        Defaults of a new study for everything that is not given, see `fastnet.config.presets`: the book's, those for
        tables, or those for many images in a limited time; ``auto`` decides by the data.
    on_progress : callable, optional
        Called with a `fastnet.Progress` several times a second.
    progress : bool, optional
        Whether to show trials, rate, time left and the best value: in a notebook below the cell, elsewhere as a bar on
        standard error. By default in notebooks only.
    interrupt : {"raise", "return"}
        What Ctrl-C does after all finished trials are stored: raise KeyboardInterrupt, or return the study as it is,
        with `interrupted` set. ``search(study=...)`` continues it.
    enqueue : path, text, mapping or sequence of mappings, optional
        Points to try first, see `fastnet.read_points`: values of searched names, a file of them, or
        the folder of another study, whose 20 best are taken. The sampler draws what they leave open.
    executor : str or concurrent.futures.Executor, optional
        What the trials train on: ``"local"``, the threads of this process; ``"processes"`` or ``"processes:4"``;
        ``"dask"``, ``"dask:tcp://host:8786"`` or ``"dask:scheduler.json"``; ``"mpi"``; ``"ray"`` or ``"ray:ADDRESS"``;
        or any executor. `jobs` is then the number of threads of each worker. Results do not depend on it; see
        `fastnet.tuning.run.workers.workers_of`.
    sampler : str or object, optional
        ``"random"``, ``"sobol"``, ``"grid"``, ``"tpe"``, a sampler of Optuna by its name, such as
        ``"optuna:TPESampler"``, or as an object that was not used before. A study that was made with an object needs
        an equal one to continue.
    **settings
        Any other field of `fastnet.SearchConfig` (``pruning``, ``stages``, ``final``, ...) and of
        `fastnet.TrainConfig` (``hidden``, ``epochs``, ``optimizer``, ``seed``, ...), as numbers or as text:
        ``hidden="100x6"``, ``dropout="0,0.5"``, ``final="none"``.

    Returns
    -------
    SearchResult
        ``.best()`` ranks the trials, ``.trials`` reads them from the study, ``.to_arrow()`` makes a table of them.

    Raises
    ------
    ConfigError
        If a setting is unknown or outside its range, or `study` is empty.
    DataError
        If the data cannot be used.
    StudyError
        If the study belongs to other settings, or its folder cannot be used.
    KeyboardInterrupt
        After Ctrl-C, see `interrupt`.

    Examples
    --------
    >>> import tempfile, fastnet
    >>> digits = fastnet.take_first(fastnet.load("mnist5k"), 100)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = search(
    ...         {"learning_rate": "log:1e-3:1e-1"}, digits, trials=4, study=folder, hidden="16", epochs=2, final=0
    ...     )
    ...     [trial.id for trial in result.trials], len(result.to_arrow())
    ([0, 1, 2, 3], 4)
    """
    settings |= _drawing(enqueue, sampler)
    folder = None if study is None else as_path(study, "study")
    known = None if folder is None or fresh else known_of(folder)
    if after is not None:
        known = following(as_path(after, "after"))
    limit = _time_limit(timeout, quality)
    defaults, dataset = Preset(), None
    if known is None and data is not None and preset != "book":
        dataset = as_given(data, "data")
        validated = validation is not None or "validation_fraction" in settings
        about = about_data(dataset, seconds=limit, counted=trials is not None, validated=validated)
        defaults = preset_of(preset, about).beside(settings)
    known = known and known.beside(settings)
    config = _config(space, trials, settings, known, defaults)
    reading = known.source.reading if known is not None and known.source is not None else None
    source: Source | None
    if data is None:
        if known is None:
            raise ConfigError("data is missing: give a Dataset, the name or file of one, or features and labels")
        found = known.found()
        source, dataset, validation = found, found.load(), validation or found.validation
    else:
        dataset = as_given(data, "data", reading) if dataset is None else dataset
        source = Source.of_dataset(dataset, validation)
    split = None
    if validation is not None:
        dataset, split = with_validation_given(dataset, validation)
    metric = config.for_task(dataset.task).metric
    with showing(progress, on_progress, partial(frame_of_search, metric=metric, limit=limit)) as on_state:
        return run_study(
            dataset,
            config,
            folder=folder or new_study_folder(Path("studies")),
            split=split,
            fresh=fresh,
            source=source,
            finish=finish,
            jobs=jobs,
            memory=None if memory is None else whole_bytes(memory),
            on_progress=on_state,
            timeout=limit,
            interrupt=interrupt,
            executor=executor,
            sampler=None if isinstance(sampler, str) else sampler,
        )


def _drawing(enqueue: Given, sampler: Any) -> dict[str, Any]:
    """Return the settings of how trials are drawn, those that are given."""
    settings: dict[str, Any] = {} if enqueue is None else {"enqueue": read_points(enqueue)}
    if sampler is not None:
        settings["sampler"] = sampler if isinstance(sampler, str) else f"{GIVEN}{type(sampler).__name__}"
    return settings


def about_data(dataset: Dataset, *, seconds: float | None, counted: bool, validated: bool) -> About:
    """Return what the defaults of a search follow from; `validated` if its validation samples are given."""
    ordered = dataset.times is not None or dataset.groups is not None
    return About(
        rows=dataset.n_samples,
        table=dataset.like_table,
        task=dataset.task,
        seconds=seconds,
        counted=counted,
        folding=not (ordered or validated or dataset.sparse),
    )


def _time_limit(timeout: float | str | None, quality: str | None) -> float | None:
    """Return the seconds for everything, given as a time or by its name."""
    if quality is None:
        return None if timeout is None else seconds(timeout)
    check_choice("quality", quality, tuple(QUALITIES))
    if timeout is not None:
        raise ConfigError(f"quality={quality!r} is a time limit, and timeout={timeout!r} is another; leave one out")
    return QUALITIES[quality]


def _config(
    space: Mapping[str, str] | None,
    trials: int | None,
    settings: Mapping[str, Any],
    known: Known | None,
    defaults: Preset,
) -> SearchConfig:
    """Divide settings between search and training; missing ones are as in a known study, or the defaults."""
    searching = set(SearchConfig.__dataclass_fields__) - {"trials", "space", "train"}
    training = set(TrainConfig.__dataclass_fields__)
    for name in settings:
        if name not in searching | training:
            raise ConfigError(f"unknown setting {name!r} of a search{suggestion(name, searching | training)}")
    given = {name: value for name, value in settings.items() if name in training}
    both = [name for name in space or () if name in given]
    if both:
        raise ConfigError(f"{both[0]} is searched and has the fixed value {given[both[0]]!r}; leave one of the two out")
    before = known.config if known else SearchConfig()
    if space is None:
        ranges = before.space if defaults.space is None else defaults.space
        space = {name: text for name, text in ranges.items() if name not in given}
    chosen = {name: getattr(before, name) for name in searching | {"trials"}}
    chosen |= {name: value for name, value in defaults.settings.items() if name in chosen}
    usual = {name: value for name, value in defaults.settings.items() if name in training}
    chosen |= {name: value for name, value in settings.items() if name in searching}
    chosen |= {} if trials is None else {"trials": trials}
    train = as_settings(before.train) | given if known else usual | given
    return SearchConfig(space=dict(space), train=train_config_from(train), **chosen)
