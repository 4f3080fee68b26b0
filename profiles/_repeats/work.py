"""Everything a notebook or a service does with the library, each as a function of a folder and a number.

Data and networks are as small as they get. What a piece of work leaves in its folder is removed by the next round.
"""

from __future__ import annotations

import contextlib
import io
import os
import urllib.request
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import fastnet

ROWS, FEATURES = 48, 4
TINY: dict[str, Any] = {"trials": 4, "hidden": "4", "epochs": 2, "batch_size": 16, "final": 0, "ensemble_top": 0}
RATE = {"learning_rate": "log:1e-3:1e-1"}


def samples(number: int = 0) -> tuple[Any, Any]:
    """Return features and classes; others for each number, so that nothing is kept for equal data only."""
    x = np.random.default_rng(number).normal(size=(ROWS, FEATURES)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(np.int64)


def search_of_classes(folder: Path, number: int) -> None:
    """Search with stages, a final choice and an ensemble, and ask the study."""
    end = {"trials": 12, "stages": 2, "final": 2, "repeats": 2, "ensemble_top": 2}
    result = fastnet.search(RATE, samples(number), study=folder / "classes", progress=False, **(TINY | end))
    result.best(3)
    assert result.ensemble is not None and len(result.trials) == 12
    list(result.trials)
    result._repr_html_()


def search_of_numbers(folder: Path, number: int) -> None:
    """Search for numbers, with a bar of progress."""
    x, _ = samples(number)
    with contextlib.redirect_stderr(io.StringIO()):
        fastnet.search(RATE, (x, x[:, 0] * 2.5), study=folder / "numbers", progress=True, **TINY)


def search_that_learns(folder: Path, number: int) -> None:
    """Search with TPE and pruning."""
    given = TINY | {"trials": 30, "sampler": "tpe", "pruning": "halving", "epochs": 4}
    fastnet.search(RATE, samples(number), study=folder / "tpe", progress=False, **given)


def search_of_a_table(folder: Path, number: int) -> None:
    """Search on a table with categories and gaps, from a file."""
    x, y = samples(number)
    rows = [f"{'' if a > 1.5 else a},{'rgb'[int(b * 7) % 3]},{c}" for a, b, c in zip(x[:, 0], x[:, 1], y, strict=True)]
    path = folder / "table.csv"
    path.write_text("\n".join(["size,colour,class", *rows]) + "\n")
    dataset = fastnet.load(path, target="class")
    fastnet.search(RATE, dataset, study=folder / "table", preset="book", progress=False, **TINY)


def search_of_sparse_samples(folder: Path, number: int) -> None:
    """Search on sparse samples."""
    import scipy.sparse

    x, y = samples(number)
    fastnet.search(RATE, (scipy.sparse.csr_array(x * (x > 0)), y), study=folder / "sparse", progress=False, **TINY)


def search_on_an_executor(folder: Path, number: int) -> None:
    """Search on the threads of an executor."""
    with ThreadPoolExecutor(1) as executor:
        fastnet.search(
            RATE, samples(number), study=folder / "executor", progress=False, executor=executor, jobs=1, **TINY
        )


def search_on_processes(folder: Path, number: int) -> None:
    """Search on worker processes, which start and end."""
    fastnet.search(RATE, samples(number), study=folder / "workers", progress=False, executor="processes:1", **TINY)


def search_continued(folder: Path, number: int) -> None:
    """Continue a search, and see it refuse other settings."""
    for trials in (2, 5):
        given = TINY | {"trials": trials}
        fastnet.search(RATE, samples(number), study=folder / "continued", progress=False, **given)
    with contextlib.suppress(fastnet.StudyError):
        fastnet.search(RATE, samples(number), study=folder / "continued", progress=False, **(TINY | {"epochs": 3}))


def search_that_fails(folder: Path, number: int) -> None:
    """Search with a callback that raises, and with settings that are wrong."""

    def fail(progress: Any) -> None:
        if progress.done:
            raise ValueError("the callback failed")

    with contextlib.suppress(ValueError):
        fastnet.search(RATE, samples(number), study=folder / "fails", progress=False, on_progress=fail, **TINY)
    with contextlib.suppress(fastnet.ConfigError):
        fastnet.search({"learning_rate": "log:1"}, samples(number), study=folder / "fails", progress=False)
    (folder / "study.sqlite").write_bytes(b"not a study" * 100)
    with contextlib.suppress(fastnet.StudyError):
        fastnet.Study.read(folder)


def live_view(folder: Path, number: int) -> None:
    """Search with the live view, which is asked once and closed."""
    from fastnet.report.page.live import LiveView

    with LiveView(folder / "live") as view:
        fastnet.search(RATE, samples(number), study=folder / "live", progress=False, on_progress=view, **TINY)
        for place in ("", "data?generation=0&known=0"):
            with urllib.request.urlopen(view.url + place) as answer:
                answer.read()


def training(folder: Path, number: int) -> None:
    """Train a network and an ensemble; save, load, predict, export."""
    data, config = samples(number), fastnet.TrainConfig(hidden=(4,), epochs=2, batch_size=16)
    result = fastnet.train(data, config, progress=False)
    result.plot_curves()
    result.model.save(folder / "model.safetensors")
    ensemble = fastnet.train_ensemble(data, config, networks=2)
    ensemble.ensemble.save(folder / "ensemble.safetensors")
    for name in ("model", "ensemble"):
        model = fastnet.load_model(folder / f"{name}.safetensors")
        model.predict(data[0])
        model.predict_proba(data[0])
        model.evaluate(*data)
        fastnet.export_model(model, folder / name)
        with contextlib.suppress(fastnet.FastnetError):  # onnx is optional
            fastnet.export_model(model, folder / f"{name}.onnx")


def estimators(folder: Path, number: int) -> None:
    """Fit, clone, predict and search as scikit-learn does."""
    from scipy.stats import loguniform
    from sklearn.base import clone

    x, y = samples(number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two epochs no training converges
        model = fastnet.FastNetClassifier((4,), max_iter=2, random_state=0, n_jobs=1).fit(x, y)
        clone(model).fit(x, y).predict_proba(x)
        fastnet.FastNetRegressor((4,), max_iter=2, random_state=0, n_jobs=1).fit(x, x[:, 0]).predict(x)
        search = fastnet.FastNetSearchCV(
            fastnet.FastNetClassifier((4,), max_iter=2), {"learning_rate_init": loguniform(1e-3, 1e-1)}, n_iter=2, cv=2,
            random_state=0, n_jobs=1,
        )  # fmt: skip
        search.fit(x, y).predict(x)


def documents(folder: Path, number: int) -> None:
    """Draw the figures and the report of a study, export its trials."""
    from fastnet.report.figures import best20_figure
    from fastnet.tuning.store.export import write_trials

    given = TINY | {"trials": 70, "epochs": 1}
    space = RATE | {"weight_decay": "log:1e-8:1e-4"}
    result = fastnet.search(space, samples(number), study=folder / "shown", progress=False, **given)
    for name in ("plot_slices", "plot_coordinates", "plot_history", "plot_curves", "plot_importance"):
        getattr(result, name)()
    best20_figure(result.best(4), folder / "best.png")
    fastnet.write_report(folder / "shown")
    with fastnet.Study.read(folder / "shown") as study, open(os.devnull, "wb") as nowhere:
        for form in ("csv", "jsonl", "parquet"):
            write_trials(study, nowhere, format=form)
        fastnet.write_journal(study, nowhere)
    result.to_arrow()


WORK: dict[str, Callable[[Path, int], None]] = {
    work.__name__: work
    for work in (
        search_of_classes, search_of_numbers, search_that_learns, search_of_a_table, search_of_sparse_samples,
        search_on_an_executor, search_continued, search_that_fails, live_view, training, estimators, documents,
    )
}  # fmt: skip
RARE: dict[str, Callable[[Path, int], None]] = {search_on_processes.__name__: search_on_processes}
"""What takes more than a second, done in every twentieth round."""
