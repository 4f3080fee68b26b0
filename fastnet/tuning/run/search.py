"""The search as one function, with the words of the command line: `fastnet.search`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from fastnet.config.searching import SearchConfig, as_settings
from fastnet.config.settings import suggestion
from fastnet.config.text import seconds, whole_bytes
from fastnet.config.training import TrainConfig, train_config_from
from fastnet.data.registry import as_given, samples_given
from fastnet.errors import ConfigError
from fastnet.files import as_path
from fastnet.tuning.run.assemble import run_study
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
    on_progress: Callable[[Progress], None] | None = None,
    interrupt: str = "raise",
    **settings: Any,
) -> SearchResult:
    """Search for good hyperparameters, or go on with a search.

    Parameters
    ----------
    space : mapping of str to str, or None
        What is searched: a range in its text form for each name, such as ``{"learning_rate": "log:1e-4:1e-1"}``; None
        for those of the study, or the book's ranges of learning rate and weight decay. See
        `fastnet.tuning.space.space.Space`.
    data : Dataset, name, path or (x, y)
        What the networks learn: a data set, its name or file as `fastnet.load` takes it, or (N, F) features and (N,)
        labels. May be left out for a study that was given a name or a path.
    trials : int, optional
        Total number of trials, those that the study holds included; 100 for a new study if left out.
    study : path, optional
        Folder of the study, ``~`` being the home folder. One that exists goes on: whatever is left out is as the study
        was made, and a setting that is given must be the same. A new numbered one in ``studies/`` if left out.
    after : path, optional
        Folder of a study that has come to its end: a new one is made like it, in the ranges that it recommends.
    fresh : bool
        Forget the trials that the study holds, and what it was made with, and start over.
    finish : bool
        Train no more trials: make the final choice and the ensemble from those that the study holds.
    validation : Dataset, name, path or (x, y), optional
        Samples to validate with, instead of a part of `data`; they need not have all classes.
    jobs : int, optional
        Threads; as many as the process may use if left out. Results do not depend on it.
    memory : int or str, optional
        Bytes, or an amount such as ``"2G"``, that the trials which train together may take. Results do not depend on
        it.
    timeout : float or str, optional
        Seconds, or a time such as ``"10m"``, for everything: training stops early enough for the final choice and the
        ensemble, which are shortened if they would take more than half of it; `finish` makes up for that.
    on_progress : callable, optional
        Called with a `fastnet.tuning.Progress` several times a second.
    interrupt : {"raise", "return"}
        What Ctrl-C does once everything that is done is stored: raise KeyboardInterrupt, or return the study as it is,
        with `interrupted` set. ``search(study=...)`` continues it.
    **settings
        Any other field of `fastnet.SearchConfig` (``sampler``, ``pruning``, ``stages``, ``final``, ...) and of
        `fastnet.TrainConfig` (``hidden``, ``epochs``, ``optimizer``, ``seed``, ...), as numbers or as
        they are typed: ``hidden="100x6"``, ``dropout="0,0.5"``, ``final="none"``.

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
    folder = None if study is None else as_path(study, "study")
    known = None if folder is None or fresh else known_of(folder)
    if after is not None:
        known = following(as_path(after, "after"))
    config = _config(space, trials, settings, known)
    source = Source.of(data, validation=validation)
    if data is None:
        if known is None:
            raise ConfigError("data is missing: give a Dataset, the name or file of one, or features and labels")
        source = known.found()
        dataset, validation = source.load(), validation or source.validation
    else:
        dataset = as_given(data, "data")
    split = None
    if validation is not None:
        from fastnet.data.validation import with_validation

        dataset, split = with_validation(dataset, samples_given(validation, "validation"))
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
        on_progress=on_progress,
        timeout=None if timeout is None else seconds(timeout),
        interrupt=interrupt,
    )


def _config(
    space: Mapping[str, str] | None, trials: int | None, settings: Mapping[str, Any], known: Known | None
) -> SearchConfig:
    """Sort settings into those of the search and those of the training; those left out are as in a known study."""
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
        space = {name: text for name, text in before.space.items() if name not in given}
    chosen = {name: getattr(before, name) for name in searching | {"trials"}}
    chosen |= {name: value for name, value in settings.items() if name in searching}
    chosen |= {} if trials is None else {"trials": trials}
    train = as_settings(before.train) | given if known else given
    return SearchConfig(space=dict(space), train=train_config_from(train), **chosen)
