"""The commands that repeat a study or train one of its trials again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastnet.config.searching import GIVEN, SearchConfig, as_settings
from fastnet.config.training import TrainConfig

from .data_options import data_words, source_options
from .naming import flag

if TYPE_CHECKING:
    from fastnet.tuning.store.reading import StudyReader
    from fastnet.tuning.trial import TrialResult

_NOT_OPTIONS = {"data", "rows", "results_version", "space", "train", "trials", "enqueue"}


def trial_settings(study: StudyReader, trial: TrialResult) -> dict[str, Any]:
    """Return the settings of a trial for `fastnet train --config`."""
    from fastnet.data.registry import NAMES

    settings, about = study.settings, study.about
    given = _source(study)
    if "target" in given:
        given["preset"] = "book"  # whose defaults are those that a trial's settings differ from
    if not given and about.get("data") in NAMES:
        given = {"data": about["data"], "samples": about.get("n_samples")}
    if "validation_fraction" in settings:
        given["validation_fraction"] = settings["validation_fraction"]
    given |= settings.get("train", {}) | dict(trial.params)
    return {name: value for name, value in given.items() if value is not None}


def search_command(study: StudyReader, trials: int) -> tuple[str, tuple[str, ...]]:
    """Return the command line that repeats a study with a number of trials, and notes.

    The command has every setting that is not the default. A note explains each word in capitals, which stands for
    something that the study does not know.
    """
    settings = study.settings
    source, notes = _data(study)
    if (sampler := str(settings.get("sampler"))).startswith(GIVEN):
        notes += (
            f"The trials were drawn by an object of {sampler.removeprefix(GIVEN)}: continue the study in Python.",
        )
        del settings["sampler"]
    command = ["fastnet", "search", "--trials", str(trials), *source]
    if "target" in _source(study):
        command += ["--preset", "book"]  # whose defaults are those that the options below differ from
    command += [
        part for name, value in _changed(settings, as_settings(SearchConfig())) for part in _option(name, value)
    ]
    if settings.get("enqueue"):
        command += ["--enqueue", json.dumps(settings["enqueue"])]
    space, usual = settings.get("space", {}), SearchConfig().space
    for name, text in space.items():
        if usual.get(name) != text:
            command += ["--space", f"{name}={text}"]
    command += _fixed(settings.get("train", {}), usual)
    return shlex.join(command + _final(study) + _ensemble(study)), notes


def train_command(study: StudyReader, trial: TrialResult) -> str:
    """Return the command line that trains a network with all settings of a trial."""
    text = json.dumps(trial_settings(study, trial), ensure_ascii=False)
    return f"echo {shlex.quote(text)} | fastnet train --config -"


def commands(study: StudyReader, folder: str) -> list[dict[str, Any]]:
    """Return the commands of the report, each with ``title``, ``text`` and ``notes``."""
    from fastnet.tuning.store.folder import MODEL_FILE

    best, final = study.best(1, curves=False), study.final()
    command, notes = search_command(study, max(study.count(), 1))
    shown: list[dict[str, Any]] = [{"title": "The same trials again", "text": command, "notes": notes}]
    if best:
        file = f"fastnet studies best {shlex.quote(folder)} --format toml > best.toml\nfastnet train --config best.toml"
        own = _own_file(study)
        shown += [
            {"title": "A network with the best trial's settings", "text": train_command(study, best[0]), "notes": own},
            {"title": "The same, using a file", "text": file, "notes": own},
        ]
    if final is not None and final.get("kept"):
        source, notes = _data(study)
        text = shlex.join(["fastnet", "predict", str(Path(folder) / MODEL_FILE), *source[:2]])
        shown.append({"title": "Predictions of the network that was kept", "text": text, "notes": notes[:1]})
    return shown


def _own_file(study: StudyReader) -> tuple[str, ...]:
    from fastnet.data.registry import NAMES

    known = _source(study) or study.about.get("data") in NAMES
    return () if known else ("Add --data with the file of the data.",)


def _source(study: StudyReader) -> dict[str, Any]:
    """Return where the data of a study come from and how they are read, by options; empty if it is not known."""
    return source_options(study.plan().get("source"))


def _data(study: StudyReader) -> tuple[list[str], tuple[str, ...]]:
    """Return the options of the data, and a note for each word that the study does not know."""
    from fastnet.data.registry import NAMES

    if source := _source(study):
        if source["data"] in NAMES:
            source.setdefault("samples", "all")
        return data_words(source), ()
    settings, about = study.settings, study.about
    name = str(about.get("data", "DATA"))
    validated_apart = "rows" in settings
    notes = []
    if name in NAMES:
        samples = about.get("n_train" if validated_apart else "n_samples")
        words = ["--data", name, *([] if samples is None else ["--samples", str(samples)])]
    else:
        words = ["--data", "FILE.npz"]
        notes.append(f"Replace FILE.npz by the file of the data {name}: the study does not know its path.")
    if validated_apart:
        words += ["--validation", "OTHER.npz"]
        notes.append("Replace OTHER.npz by the file of the validation samples.")
    return words, tuple(notes)


def _changed(settings: Mapping[str, Any], default: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(k, v) for k, v in settings.items() if k not in _NOT_OPTIONS and k in default and v != default[k]]


def _fixed(train: Mapping[str, Any], searched: Mapping[str, str]) -> list[str]:
    """Return the options of the training that differ from the defaults, or that are searched by default."""
    own = {name: train[name] for name in ("optimizer", "activation") if name in train}  # other defaults depend on them
    default = as_settings(TrainConfig(**own)) | {name: getattr(TrainConfig(), name) for name in own}
    return [
        part
        for name, value in train.items()
        if value is not None and (name in searched or value != default.get(name))
        for part in _option(name, value)
    ]


def _final(study: StudyReader) -> list[str]:
    """Return the options of the final choice, which is not among a study's settings; none before it is due."""
    final, default = study.final(), SearchConfig()
    if final is None:
        stages = study.stages()
        ended = bool(stages) and "recommendation" in (stages[-1]["report"] or {})
        return ["--final", "none"] if ended and study.count() > study.count("diverged") else []
    made = {"final": final.get("wanted", default.final), "repeats": final.get("repeats", default.repeats)}
    return [part for name, value in made.items() if value != getattr(default, name) for part in _option(name, value)]


def _ensemble(study: StudyReader) -> list[str]:
    """Return the options of the ensemble, which is not among a study's settings either."""
    document, default = study.ensemble() or {}, SearchConfig()
    made = {"ensemble_top": document.get("top", 0), "ensemble": document.get("method", default.ensemble)}
    made["ensemble_folds"] = document.get("folds")
    return [part for name, value in made.items() if value != getattr(default, name) for part in _option(name, value)]


def _option(name: str, value: Any) -> list[str]:
    from fastnet.tuning.space.distributions import text_of

    if isinstance(value, bool):
        return [flag(name)] if value else []
    return [flag(name), text_of(value)]
