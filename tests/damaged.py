"""What `mutating.py` and `fuzzing.py` read: sound files of every kind, how they are damaged, how one is used."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mutations
import numpy as np
from damaged_more import MORE
from mutations import Reader

from fastnet.errors import FastnetError


def npz_seeds(folder: Path) -> list[bytes]:
    """Write archives as users do."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (20, 3, 2)).astype(np.uint8), np.arange(20) % 3
    tables: list[dict[str, Any]] = [
        {"x": x, "y": y},
        {"x": rng.random((20, 4)), "y": np.array(["ant", "bee", "cow", "dog"] * 5)},
        {"x_train": x, "y_train": y, "x_test": x[:5], "y_test": y[:5], "class_names": np.array(["a", "b", "c"])},
    ]
    contents = []
    for table in tables:
        for save in (np.savez, np.savez_compressed):
            stream = io.BytesIO()
            save(stream, **table)
            contents.append(stream.getvalue())
    return contents


def read_npz(path: Path, chance: random.Random) -> object:
    """Read an archive and use the data set."""
    from fastnet.data.readers.npz import read_npz as read

    dataset = read(path)
    return dataset.fingerprint(), dataset.n_features, dataset.n_classes, repr(dataset.class_names)[:50]


def csr_seeds(folder: Path) -> list[bytes]:
    """Write sparse arrays as users and SciPy do."""
    from scipy import sparse

    x = sparse.random_array((20, 9), density=0.3, format="csr", dtype=np.float32, random_state=1)
    y = np.arange(20) % 3
    parts = {"data": x.data, "indices": x.indices, "indptr": x.indptr, "shape": x.shape}
    contents = []
    for save in (np.savez, np.savez_compressed):
        stream = io.BytesIO()
        save(stream, **parts, format=b"csr", y=y)
        contents.append(stream.getvalue())
    for form in ("csc", "coo"):
        stream = io.BytesIO()
        sparse.save_npz(stream, x.asformat(form))
        contents.append(stream.getvalue())
    return contents


def svmlight_seeds(folder: Path) -> list[bytes]:
    """Write samples with classes, numbers, several labels and groups."""
    classes = "".join(f"{k % 3} {k + 1}:0.5 {k + 3}:{k}\n" for k in range(20))
    numbers = "".join(f"{k / 7:.3f} 1:{k} # sample {k}\n" for k in range(20))
    labels = "".join(f"{k % 2},{k % 3 + 2} 0:1 {k + 2}:1e-3\n" for k in range(20))
    groups = "".join(f"{k % 2} qid:{k // 4} {k % 5 + 1}:2\n" for k in range(20))
    return [text.encode() for text in (classes, numbers, labels, groups)]


def read_sparse(path: Path, chance: random.Random) -> object:
    """Read a file of sparse samples and use them, as a data set and for a model."""
    from fastnet.data.readers.sparse import read_sparse as read
    from fastnet.data.readers.sparse import read_sparse_samples

    if chance.random() < 0.3:
        samples = read_sparse_samples(path, labels=False)
        return samples.x.sum(), samples.n_features
    dataset = read(path, test=chance.choice((None, "none")))
    return dataset.fingerprint(), dataset.n_features, dataset.n_classes, repr(dataset)


def idx_seeds(folder: Path) -> list[bytes]:
    """Write images, labels and numbers of other types."""
    images = bytes([0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 4, 0, 0, 0, 3]) + bytes(range(60))
    labels = bytes([0, 0, 8, 1, 0, 0, 0, 5]) + bytes(range(5))
    reals = bytes([0, 0, 14, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + np.arange(6, dtype=">f8").tobytes()
    return [images, images, labels, reals]


def read_idx(path: Path, chance: random.Random) -> object:
    """Read one file and use the array; now and then as one of the four of a data set."""
    from fastnet.data.readers.idx import IDX_NAMES, read_idx_folder
    from fastnet.data.readers.idx import read_idx as read

    if chance.random() < 0.8:
        array = read(path, dimensions=chance.choice((None, None, 1, 3)))
        return array.sum(), array.shape
    images, labels = idx_seeds(path.parent)[1:3]
    damaged = chance.choice(IDX_NAMES)
    for name in IDX_NAMES:
        content = path.read_bytes() if name == damaged else images if "images" in name else labels
        (path.parent / name).write_bytes(content)
    return read_idx_folder(path.parent, name="mnist", class_names=[str(i) for i in range(5)]).fingerprint()


def model_seeds(folder: Path) -> list[bytes]:
    """Save networks of several kinds and ensembles of them."""
    from fastnet.config.network import NetworkSpec
    from fastnet.data.pipeline.scaling import Scaler
    from fastnet.model.classifier import Model
    from fastnet.model.ensemble import Ensemble

    contents = []
    for hidden, activation in (((5, 4), "relu"), ((), "relu"), ((3,), "tanh"), ((2,) * 6, "gelu")):
        sizes = (4, *hidden, 3)
        rng = np.random.default_rng(len(hidden))
        model = Model(
            spec=NetworkSpec(n_inputs=4, n_outputs=3, hidden=hidden, activation=activation),
            weights=tuple(rng.random(shape, np.float32) for shape in itertools.pairwise(sizes)),
            biases=tuple(rng.random(n, np.float32) for n in sizes[1:]),
            pipeline=Scaler(np.zeros(4, np.float32), np.ones(4, np.float32)),
            class_names=("a", "b", "c"),
            eval_scales=(0.5,) * len(hidden),
            settings={"optimizer": "adam", "learning_rate": 0.001, "seed": 7, "data_dtype": "uint8"},
            metrics={"test_accuracy": 0.5},
        )
        for what in (model, Ensemble(members=(model, model), weights=(1, 2))):
            what.save(folder / "seed.safetensors")
            contents.append((folder / "seed.safetensors").read_bytes())
    return contents


def read_model(path: Path, chance: random.Random) -> object:
    """Load a model and predict with it."""
    from fastnet.model.ensemble import load_model

    model = load_model(path)
    rows = chance.choice((1, 3))
    x = np.zeros((rows, model.n_inputs), np.uint8) if chance.random() < 0.5 else np.ones((rows, model.n_inputs))
    predicted = model.predict(x)
    if chance.random() < 0.1:
        model.save(path.with_name("again.safetensors"))
        load_model(path.with_name("again.safetensors"))
    return type(model), predicted.shape, repr((model.settings, model.metrics, model.class_names))


def study_seeds(folder: Path) -> list[bytes]:
    """Write small studies: with two stages and a final choice, with an ensemble, of another metric, hardly begun."""
    from studies import add_ensemble, inspection, make_study

    from fastnet.tuning import Study

    space = {"learning_rate": "log:1e-4:1", "optimizer": "choice:sgd,adam", "depth": "int:1:3", "width": "int:4:9"}
    made = [
        make_study(folder / "staged", 24, space, stages=2),
        make_study(folder / "whole", 12),
        make_study(folder / "loss", 12, metric="loss", curves=False),
        make_study(folder / "begun", 3, ended=False),
        make_study(folder / "folds", 12, folds=3, pruning="halving", first_epochs=2, sampler="sobol"),
        make_study(folder / "mixed", 12, space, ensemble_top=3, ensemble_folds=5, enqueue=({"width": 4},)),
    ]
    for folder_of_ensemble in (made[1], made[5]):
        add_ensemble(folder_of_ensemble)
    for number, task in ((0, "classification"), (4, "regression")):
        with Study.read(made[number]) as study:
            settings = study.settings
        with Study.open(made[number], settings) as study:
            study.set_inspection(inspection(task))
    return [(name / "study.sqlite").read_bytes() for name in made]


def read_study(path: Path, chance: random.Random) -> object:
    """Ask a study everything; now and then print it, export it, report it, carry it on, remove it."""
    folder = path.parent
    for ending in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    ways: list[Callable[[Path, random.Random], object]] = [ask_study] * 6
    ways += [export_study, export_study, print_study, print_study, carry_on, carry_on]
    ways += [report_study] if chance.random() < 0.3 else []
    ways += [show_live, remove_study] if chance.random() < 0.2 else []
    return chance.choice(ways)(folder, chance)


def ask_study(folder: Path, chance: random.Random) -> object:
    """Call whatever a study can answer; each may refuse for itself."""
    from fastnet.tuning import StoredTrials, Study, find_studies, is_being_written

    stored = StoredTrials(folder)
    with Study.read(folder) as study:
        names = ["id", "best", "value", "seconds", "status", "stage", "learning_rate"]
        questions: list[Callable[[], object]] = [
            *(lambda name=name: getattr(study, name) for name in ("settings", "about", "created", "metric")),
            *(study.runs, study.stages, study.final, study.ensemble, study.test_uses, study.param_types),
            *(study.stored_ids, study.count, lambda: study.count("done"), study.best_value, study.best),
            lambda: study.best(3, curves=False),
            lambda: [*study.iter_trials(curves=True, order=chance.choice(names))],
            lambda: [*study.iter_trials(stage=1, status="done", limit=2)],
            *(lambda: study.trial(3), lambda: study.trial_at(1), lambda: stored[0], lambda: len(stored)),
            *(lambda: stored[1:3], lambda: [*stored], lambda: stored.best(2), lambda: stored.count_status("stopped")),
            *(lambda: find_studies(folder), lambda: is_being_written(folder), lambda: study.settings_sha256),
        ]
        for question in questions:
            with contextlib.suppress(FastnetError, IndexError):
                question()
    return None


def export_study(folder: Path, chance: random.Random) -> object:
    """Export a study in one of the forms."""
    from fastnet.tuning import Study
    from fastnet.tuning.store.export import to_arrow, write_trials

    with Study.read(folder) as study:
        form = chance.choice(("csv", "jsonl", "parquet", "arrow"))
        if form == "arrow":
            return to_arrow(study, curves=True)
        return write_trials(study, io.BytesIO(), format=form, curves=form != "csv")


def print_study(folder: Path, chance: random.Random) -> object:
    """Run one of the commands that read a study."""
    name, best = str(folder), ("studies", "best")
    commands: list[tuple[str, ...]] = [
        *(("studies", "ls", name), ("studies", "show", name), ("studies", "show", name, "--format", "json")),
        *((*best, name), (*best, name, "--format", "toml"), (*best, name, "--trial", "2", "--format", "json")),
        ("studies", "trials", name, "--sort", chance.choice(("best", "value", "learning_rate"))),
        ("studies", "export", name, "--no-times"),
    ]
    return run_command(chance.choice(commands))


def report_study(folder: Path, chance: random.Random) -> object:
    """Write the report of a study."""
    from fastnet_cli.study_commands import commands

    from fastnet.report.page import write_report

    return write_report(folder, folder / "report.html", commands=commands)


def show_live(folder: Path, chance: random.Random) -> object:
    """Let the live view take over the trials of an earlier run."""
    from fastnet.report.page import LiveView
    from fastnet.tuning import Progress

    progress = Progress(5, 9, 0.5, 1.0, 1.0, 1.0, False)
    with LiveView(folder) as view:
        view(progress)
        return json.dumps(view.document(0, 0), allow_nan=False), view.page()


def carry_on(folder: Path, chance: random.Random) -> object:
    """Go on with a study, by its own settings, as a search does."""
    from fastnet.tuning import Study
    from fastnet.tuning.rules.narrowing import narrow

    with Study.read(folder) as study:
        settings = study.settings
    times = {"wall_seconds": 1.0, "compile_seconds": 0.0, "compiled_seconds": 0.0}
    with Study.open(folder, settings, fresh=chance.random() < 0.1) as study:
        run = study.begin_run({})
        trials = [*study.iter_trials(curves=True)]
        if trials:
            study.append([replace(trials[-1], id=trials[-1].id % 1000 + 1)], run=run, **times)
        from fastnet.tuning import Space

        narrow(Space.parse(settings.get("space", {})), trials, metric=study.metric)
        study.append_stage(1, 0, 5, settings.get("space", {}))
        return len(study.trials())


def remove_study(folder: Path, chance: random.Random) -> object:
    """Remove a study."""
    from fastnet.tuning import remove_study as remove

    return remove(folder)


def toml_seeds(folder: Path) -> list[bytes]:
    """Take what the commands print with --print-config, and a few lines more."""
    printed = [run_command((name, "--print-config")).encode() for name in ("search", "train")]
    short = (
        b'trials = 100\nepochs = 5\n[space]\nlearning-rate = "log:1e-6:1e-2"\nwidth = "int:4:9"\ndepth = "int:1:3"\n'
    )
    return [*printed, short, b'width = 64\ndepth = 2\ndropout_1 = 0.5\noptimizer = "adam"\nseed = 3\n']


def json_seeds(folder: Path) -> list[bytes]:
    """Write settings, and trials as the exports and searches write them."""
    settings = {"learning_rate": 0.01, "hidden": "100x6", "epochs": 5, "early_stopping": None, "skip_zeros": True}
    line = {"id": 3, "stage": 1, "status": "done", "learning_rate": 0.01, "width": 32, "depth": 2, "value": 0.5}
    line |= {"best_value": 0.6, "best_epoch": 3, "epochs": 5, "seconds": 0.1, "train_loss": [0.5, 0.4, None]}
    search = {"trials": 30, "space": {"learning_rate": "log:1e-6:1e-2", "hidden": "choice:16,8x2"}, "folds": 3}
    return [json.dumps(document).encode() for document in (settings, line, search, {"space": {}, "seed": 2**64 - 1})]


def read_config(path: Path, chance: random.Random) -> object:
    """Let the commands read settings that take a file of them."""
    with contextlib.suppress(FastnetError):
        return run_command(("search", "--config", str(path), "--print-config"))
    return run_command(("train", "--config", str(path), "--print-config"))


def run_command(arguments: Sequence[str]) -> str:
    """Run the command line in this process; raise what it printed as an error, or what it should have caught."""
    from click.testing import CliRunner
    from fastnet_cli.main import cli

    done = CliRunner().invoke(cli, list(arguments))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    if done.exit_code:
        lines = done.stderr.strip().splitlines()
        errors = [line for line in lines if line.startswith("Error: ")]
        if len(errors) != 1 or lines[-1] != errors[0]:
            raise AssertionError(f"not one sentence: {done.stderr!r}")
        raise FastnetError(errors[0])
    return str(done.stdout)


READERS = {
    "npz": Reader(npz_seeds, mutations.npz_bytes, read_npz, "damaged.npz"),
    "csr": Reader(csr_seeds, mutations.csr_bytes, read_sparse, "damaged.npz"),
    "svmlight": Reader(svmlight_seeds, mutations.text_bytes, read_sparse, "damaged.svm"),
    "idx": Reader(idx_seeds, mutations.idx_bytes, read_idx, "train-images-idx3-ubyte"),
    "model": Reader(model_seeds, mutations.model_bytes, read_model, "damaged.safetensors"),
    "study": Reader(study_seeds, mutations.study_bytes, read_study, "study.sqlite"),
    "toml": Reader(toml_seeds, mutations.text_bytes, read_config, "damaged.toml"),
    "json": Reader(json_seeds, mutations.text_bytes, read_config, "damaged.json"),
    **MORE,
}
