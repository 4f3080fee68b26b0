"""Studies written without training: curves by formula, stages and final choices by the rules of the library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fastnet.config.searching import SearchConfig, as_settings
from fastnet.config.training import TrainConfig
from fastnet.data.fields import Field
from fastnet.model.inspection import inspect_classes, inspect_numbers
from fastnet.model.reliance import Probe, importance_of_columns, partial_dependence
from fastnet.tuning import Space, Study, TrialResult
from fastnet.tuning.rules.advice import recommend
from fastnet.tuning.rules.choice import candidates, choose
from fastnet.tuning.rules.narrowing import narrow
from fastnet.tuning.run.assemble import study_settings
from fastnet.tuning.run.sampler import sampler_of
from fastnet.tuning.view.columns import Columns

EPOCHS = 6
ENVIRONMENT = {"fastnet": "0.1.0", "python": "3.11", "numpy": "2.0", "numba": "0.68", "processor": "Abacus 9",
               "system": "Linux", "cores": 4, "threads": 2}  # fmt: skip
ABOUT = {"data": "mnist5k", "n_samples": 500, "n_features": 784, "n_classes": 10, "n_train": 400, "n_validation": 100}
SPACE = {"learning_rate": "log:1e-4:1", "weight_decay": "log:1e-8:1e-4"}


def make_study(
    folder: Path,
    trials: int = 80,
    space: Mapping[str, str] = SPACE,
    *,
    stages: int = 1,
    metric: str = "accuracy",
    curves: bool = True,
    ended: bool = True,
    final: bool = True,
    diverge: float = 0.3,
    about: Mapping[str, Any] = ABOUT,
    **settings: Any,
) -> Path:
    """Write a study where learning rates near 0.03 do best and those above `diverge` diverge.

    Every eleventh trial is stopped.

    Without `ended` the last stage has no report, and there is no final choice.
    """
    train = TrainConfig(epochs=EPOCHS)
    config = SearchConfig(
        trials=max(trials, stages), space=dict(space), stages=stages, metric=metric, train=train, **settings
    )
    parsed = first = Space.parse(space)
    with Study.open(folder, study_settings(config, parsed, "ab" * 32), about=about, curves=curves) as study:
        for stage in range(1, stages + 1):
            ids = np.arange((stage - 1) * trials // stages, stage * trials // stages)
            drawn = sampler_of(config).draw(parsed, ids, ())
            found = [make_trial(int(i), params, stage, metric, diverge) for i, params in zip(ids, drawn, strict=True)]
            if found:
                times = {"wall_seconds": 3.0, "compile_seconds": 0.5, "compiled_seconds": 2.0}
                study.append(found, run=study.begin_run(ENVIRONMENT), **times)
            if stage == stages and not ended:  # a stage is noted when the one before it has ended
                break
            report = narrow(parsed, study.iter_trials(stage=stage), metric=metric)
            document = report.to_dict()
            if stage == stages:
                best = study.best(20, metric)
                document |= {"recommendation": recommend(first, study.iter_trials(), metric, best=best).to_dict()}
            study.append_stage(stage, int(ids[0]), len(ids), parsed.to_texts(), document)
            parsed = report.space
            if stage < stages:
                after = np.arange(stage * trials // stages, (stage + 1) * trials // stages)
                study.append_stage(stage + 1, int(after[0]), len(after), parsed.to_texts())
        if ended and final:
            _choose(study, metric)
    return folder


def make_trial(number: int, params: Mapping[str, Any], stage: int, metric: str, diverge: float) -> TrialResult:
    """Return a trial whose curves rise to a height that its learning rate decides."""
    rate = float(params.get("learning_rate", 0.03))
    height = max(0.1, 0.9 - 0.25 * abs(np.log10(rate / 0.03))) + 0.02 * np.sin(number)
    rise = np.float32(height) * np.linspace(0.3, 1.0, EPOCHS, dtype=np.float32)
    curves = np.stack([2.3 - 2 * rise, np.minimum(1.1 * rise, 1.0), 2.3 - 1.8 * rise, rise]).astype(np.float32)
    status = "diverged" if rate > diverge else "stopped" if number % 11 == 10 else "done"
    if status != "done":
        curves[:, 2:] = np.nan
    return TrialResult.from_curves(number, status, params, curves, seconds=0.25, stage=stage, metric=metric)


def _choose(study: Study, metric: str) -> None:
    found = candidates(study.best(20, metric, curves=False), 5, metric)
    if not found:
        return
    again = [[replace(trial, value=trial.value - 0.01 * (k + 1)) for k in range(3)] for trial in found]
    document = choose(found, again, metric, [89_610] * len(found)).to_dict()
    kept = {"settings": as_settings(TrainConfig(seed=77)), "best_epoch": 5, "validation_accuracy": 0.86,
            "test_accuracy": 0.853, "test_loss": 0.51, "test_uses": 1, "model": "model.safetensors"}  # fmt: skip
    seeds = {str(trial.id): [11, 12, 13] for trial in found}
    same = {"trials": study.count(), "wanted": 5, "repeats": 3, "seeds": seeds, "kept": kept}
    study.note_test_use({"of": "the network that was kept", "seed": 77})
    study.set_final(document | same)


def add_ensemble(folder: Path) -> None:
    """Put the best ten of a study together, as if they had been trained again."""
    scores = {"best": (1, 0.83, 0.93), "average": (10, 0.85, 1.118), "greedy": (7, 0.88, 0.951)}
    names = ("networks", "accuracy", "loss")
    members = [{"trial": number, "weight": 1} for number in range(10)]
    document = {"top": 10, "method": "greedy", "members": members, "model": "ensemble.safetensors",
                "validation": {name: dict(zip(names, score, strict=True)) for name, score in scores.items()},
                "test_accuracy": 0.861, "test_loss": 0.48, "test_uses": 2}  # fmt: skip
    with Study.read(folder) as study:
        settings = study.settings
    with Study.open(folder, settings) as study:
        study.note_test_use({"of": "the ensemble"})
        study.set_ensemble(document)


def inspection(task: str, name: str = "yes") -> dict[str, Any]:
    """Return what is measured about a model of a table: two classes, the second by the given name, or a number."""
    rng = np.random.default_rng(0)
    size, colour = rng.normal(10.0, 3.0, 300), rng.integers(0, 3, 300)
    fields = (Field("size", "number", "size"), Field(name, "category", name, ("red", "green", name)))
    x, z = np.column_stack([size, colour]), 0.4 * (size - 10.0) + (colour == 1)
    truth = z + rng.logistic(size=300)

    def chances(rows: np.ndarray) -> np.ndarray:
        share = 1.0 / (1.0 + np.exp(-0.4 * (rows[:, 0] - 10.0) - (rows[:, 1] == 1)))
        return np.column_stack([1.0 - share, share])

    y = (truth > 0).astype(np.int64)
    of_rows = lambda outputs, rows: -np.log(outputs[np.arange(len(rows)), y[rows]])  # noqa: E731
    probe = Probe(x, fields, chances, of_rows)
    classes = inspect_classes(chances(x), y, ["no", name]) if task == "classification" else None
    return {
        "model": "model.safetensors", "part": "validation", "samples": 300, "classes": classes,
        "targets": [] if classes else [inspect_numbers(z, truth, name)],
        "importance": importance_of_columns(probe), "importance_samples": 300,
        "dependence": partial_dependence(probe, ["size", name], {name: 1}),
        "columns": [{"column": name, "kind": "category", "use": "one input for each of 3 values"}],
        "worst": {"heads": ["sample", "true", name], "rows": [[17, name, 3.5], [4, "no", None]]},
    }  # fmt: skip


def make_columns(u: np.ndarray, value: np.ndarray, names: tuple[str, ...]) -> tuple[Columns, Space]:
    whole = np.arange(len(value))
    params = {name: u[:, place] for place, name in enumerate(names)}
    columns = Columns(whole, whole * 0 + 1, whole * 0, whole * 0 + 5, value, value, params, "accuracy")
    return columns, Space.parse(dict.fromkeys(names, "uniform:0:0.99"))
