"""Sparse samples from a file, or from SciPy, to a model, its answers, and the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli
from scipy import sparse
from sklearn.datasets import dump_svmlight_file

import fastnet
from fastnet.data.pipeline.sparse import SparseScaler
from fastnet.errors import ConfigError, DataError, ModelError
from fastnet.tuning.store.study import Study

N, F = 240, 60
X = sparse.random_array((N, F), density=0.1, format="csr", dtype=np.float32, random_state=5)
X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)  # older scikit-learn writes no others
SCORES = X @ np.random.default_rng(5).normal(size=F)
LABELS = np.where(SCORES > 0, "spam", "ham")
HOW = {"trials": 9, "pack_size": 9, "first_epochs": 2, "epochs": 8, "ensemble_top": 3, "seed": 5}
SMALL = fastnet.TrainConfig(hidden=(8,), epochs=4, optimizer="adamw", learning_rate=0.01)


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.savez("text.npz", data=X.data, indices=X.indices, indptr=X.indptr, shape=X.shape, format=b"csr", y=LABELS)
    dump_svmlight_file(X[:200], (SCORES[:200] > 0).astype(int), "mail.svm", zero_based=False)
    dump_svmlight_file(X[200:, :50], (SCORES[200:] > 0).astype(int), "new.svm", zero_based=False)
    return tmp_path


@pytest.mark.parametrize("numbers", ["auto", "standard"])
def test_a_model_answers_alike_whatever_form_it_is_given(tmp_path: Path, numbers: str) -> None:
    data = replace(fastnet.as_dataset(X, LABELS), numbers=numbers)
    model = fastnet.train(data, SMALL).model
    assert isinstance(model.pipeline, SparseScaler)
    assert (model.pipeline.factors is None) == (numbers == "auto")
    model.save(tmp_path / "a.safetensors")
    again = fastnet.load_model(tmp_path / "a.safetensors")
    expected = model.predict_proba(X)
    forms: list[Any] = [
        X.tocsc(),
        X.tocoo(),
        sparse.csr_matrix(X.astype(np.float64)),
        X.toarray(),
        X.toarray().tolist(),
    ]
    for other in forms:
        assert np.array_equal(again.predict_proba(other), expected)
    assert np.array_equal(again.predict_proba(X.toarray()[3]), expected[3:4])
    assert model.score(X, LABELS) == again.score(X.toarray(), LABELS)
    assert again.evaluate(X, LABELS).n_samples == N
    with pytest.raises(ModelError, match="x has 59 features: this model reads 60"):
        model.predict(X[:, :59])
    with pytest.raises(DataError, match=r"x\[0, 0\] is nan"):
        model.predict(sparse.csr_array(np.full((1, F), np.nan)))


def test_a_model_of_an_array_reads_sparse_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fastnet.train((X.toarray(), LABELS), SMALL).model
    expected = model.predict_proba(X.toarray())
    monkeypatch.setattr("fastnet.data.coerce.BLOCK_VALUES", 17 * F)
    assert np.allclose(model.predict_proba(X.tocoo()), expected, atol=1e-6)
    assert model.score(X, LABELS).value == model.score(X.toarray(), LABELS).value
    with pytest.raises(ModelError, match="x has 59 features: this model reads 60"):
        model.predict(X[:, :59])


def test_uint8_samples_are_no_images() -> None:
    counts = sparse.csr_array(np.ceil(X.toarray() * 3).astype(np.uint8))
    model = fastnet.train((counts, LABELS), SMALL).model
    assert np.array_equal(model.predict_proba(counts), model.predict_proba(counts.toarray()))


@pytest.mark.parametrize("target", ["classes", "numbers", "labels"])
def test_threads_and_stops_change_nothing(target: str, tmp_path: Path) -> None:
    targets: dict[str, Any] = {
        "classes": LABELS, "numbers": SCORES, "labels": np.stack([SCORES > 0, np.abs(SCORES) > 1], axis=1).astype(int)
    }  # fmt: skip
    data = fastnet.as_dataset(X, targets[target])
    whole = fastnet.search(None, data, study=tmp_path / "whole", jobs=1, **HOW)
    seen: list[int] = []

    def stop(progress: Any) -> None:
        seen.append(progress.done)
        if len(seen) > 3:
            raise KeyboardInterrupt

    fastnet.search(None, data, study=tmp_path / "parts", jobs=2, on_progress=stop, interrupt="return", **HOW)
    again = fastnet.search(None, data, study=tmp_path / "parts", jobs=2)
    for one, two in zip(again.trials, whole.trials, strict=True):
        np.testing.assert_array_equal(one.curves, two.curves)
    files = [(tmp_path / folder / "ensemble.safetensors").read_bytes() for folder in ("whole", "parts")]
    assert files[0] == files[1]
    assert whole.ensemble is not None
    assert np.array_equal(
        fastnet.load_model(tmp_path / "whole" / "ensemble.safetensors").predict(X), whole.ensemble.predict(X)
    )


def test_the_command_line_and_python_give_the_same_model(folder: Path) -> None:
    run("train", "--data", "text.npz", "--hidden", "8", "--epochs", "4", "-o", "a.safetensors")
    data = fastnet.load("text.npz")
    from fastnet.config.presets import usual_config

    config = replace(usual_config(rows=data.n_samples, table=True), hidden=(8,), epochs=4)
    fastnet.train(data, config).model.save("b.safetensors")
    assert Path("a.safetensors").read_bytes() == Path("b.safetensors").read_bytes()
    predicted = run("predict", "a.safetensors", "--data", "text.npz").stdout.splitlines()
    assert predicted[1:4] == [
        f"{k},{name}" for k, name in enumerate(fastnet.load_model("a.safetensors").predict(X)[:3])
    ]


def test_a_search_from_a_file_to_its_report(folder: Path) -> None:
    shown = run(
        "search", "--data", "mail.svm", "--test", "new.svm", "--study", "s", "--trials", "3", "--pruning", "none",
        "--epochs", "3", "--ensemble-top", "2", "--class-weight", "balanced",
    )  # fmt: skip
    assert "test acc:" in shown.stdout
    assert "mail: 200 samples, 40 test samples, 61 features, 2 classes (--task and --test change that)" in shown.stderr
    settings = run("search", "--data", "mail.svm", "--print-config").stdout
    assert 'optimizer = "adamw"' in settings and 'metric = "loss"' in settings
    inspection = Study.read(Path("s")).inspection()
    assert inspection["importance_of"] == F + 1
    assert 0 < len(inspection["importance"]) <= 30
    assert inspection["importance"][0]["column"].startswith("column ")
    assert inspection["worst"]["heads"][-1] == "largest values"
    assert inspection["dependence"] == inspection["columns"] == []
    page = Path("s/report.html").read_text(encoding="utf-8")
    assert "Of the 61 columns, the 30 with the largest values and weights were measured." in page
    assert "--test" in run("studies", "show", "s").stdout
    again = run("search", "--study", "s").stdout + run("search", "--study", "s").stderr
    assert "Nothing to do" in again or "3 trials" in again


def test_later_files_have_other_numbers_of_columns(folder: Path) -> None:
    run("train", "--data", "mail.svm", "--hidden", "4", "--epochs", "2", "-o", "a.safetensors")
    found = json.loads(run("evaluate", "a.safetensors", "--data", "new.svm", "--format", "json").stdout)
    assert found["samples"] == 40
    np.savez("wide.npz", data=[1.0], indices=[99], indptr=[0, 1], shape=[1, 100], format=b"csr", y=[0])
    refused = run("evaluate", "a.safetensors", "--data", "wide.npz", code=1).stderr
    assert "wide has 100 features: this model reads 61" in refused
    Path("wide.svm").write_text("1 3:1 99:2\n0 4:1\n")
    shown = run("predict", "a.safetensors", "--data", "wide.svm")
    assert (
        "wide has values in columns after 60, the last one of the training data; these values are left out: 1"
        in shown.stderr
    )
    assert len(shown.stdout.splitlines()) == 3
    run("train", "--data", "mail.svm", "--validation", "new.svm", "--samples", "50", "--hidden", "4", "--epochs", "2")


def test_python_reads_files_for_a_model(folder: Path) -> None:
    model = fastnet.train("mail.svm", SMALL).model
    new = fastnet.data.registry.load_samples("new.svm")
    assert new.labels is not None
    wider = sparse.csr_array((new.x.data, new.x.indices, new.x.indptr), shape=(40, F + 1))
    assert np.array_equal(model.predict_proba("new.svm"), model.predict_proba(wider))
    assert model.score(Path("new.svm")) == model.score(wider, new.labels)
    assert model.evaluate("new.svm").n_samples == 40
    with pytest.raises(ModelError, match="text has 60 features: this model reads 61"):
        model.predict("text.npz")
    with pytest.raises(DataError, match=r"nowhere.svm: no such file"):
        model.predict("nowhere.svm")
    images = fastnet.train(fastnet.take_first(fastnet.load("digits"), 60), SMALL).model
    assert images.evaluate("digits").n_samples == 359


def test_folds_and_ensembles(tmp_path: Path) -> None:
    result = fastnet.search(
        {"dropout": "uniform:0:0.3"}, (X, LABELS), trials=2, study=tmp_path / "s", folds=3, epochs=2, hidden="8",
        ensemble_top=2, final="none",
    )  # fmt: skip
    assert result.ensemble is not None
    assert len(result.ensemble.members) == 6
    assert result.ensemble.predict_proba(X).shape == (N, 2)
    several = fastnet.train_ensemble((X, LABELS), SMALL, networks=2).ensemble
    assert np.array_equal(several.predict_proba(X), several.predict_proba(X.toarray()))


def test_ways_to_read_numbers_are_checked() -> None:
    with pytest.raises(ConfigError, match="numbers='piecewise'"):
        fastnet.train(replace(fastnet.as_dataset(X, LABELS), numbers="piecewise"), SMALL)
