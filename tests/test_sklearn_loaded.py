"""Estimators from model files: they answer as the model does, know its samples, and train anew as it was trained."""

from __future__ import annotations

import csv
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli
from models import make_model
from scipy import sparse
from sklearn.base import clone
from sklearn.inspection import permutation_importance
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_score

import fastnet
from fastnet import ConfigError, DataError, FastNetClassifier, FastNetRegressor, ModelError, TrainConfig

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(240, 5))
CLASSES = np.where(X[:, 0] + X[:, 1] > 0, "up", "down")
NUMBERS = 3.0 * X[:, 0] - X[:, 2] + 10.0
CONFIG = TrainConfig(hidden=(12,), optimizer="adam", learning_rate=0.02, epochs=12)


def frame_of(n=240):
    kinds = RANDOM.choice(["a", "b", "c"], n)
    frame = pd.DataFrame({"size": X[:n, 0], "kind": kinds, "dark": X[:n, 1] > 0, "age": X[:n, 2]})
    frame.loc[::7, "size"] = np.nan
    frame.loc[::11, "kind"] = None
    return frame


def saved(model, folder):
    path = folder / "model.safetensors"
    model.save(path)
    return path


def test_classes(tmp_path):
    model = fastnet.train((X, CLASSES), CONFIG).model
    network = FastNetClassifier.from_model(saved(model, tmp_path))
    assert network.predict(X).tolist() == model.predict(X).tolist()
    assert network.predict_proba(X).tobytes() == model.predict_proba(X).tobytes()
    assert network.classes_.tolist() == ["down", "up"] and network.n_features_in_ == 5
    assert not hasattr(network, "feature_names_in_") and network.out_activation_ == "softmax"
    assert network.score(X, CLASSES) == accuracy_score(CLASSES, model.predict(X)) > 0.9
    assert [w.shape for w in network.coefs_] == [(5, 12), (12, 2)] and network.n_layers_ == 3
    again = pickle.loads(pickle.dumps(network))
    assert again.predict(X).tolist() == network.predict(X).tolist()
    assert permutation_importance(network, X, CLASSES, n_repeats=2, random_state=0).importances_mean.argmax() in (0, 1)
    with pytest.raises(ValueError, match="features"):
        network.predict(X[:, :4])


@pytest.mark.parametrize("target", [NUMBERS, np.stack([NUMBERS, X[:, 3]], axis=1)], ids=["one", "two"])
def test_numbers(target, tmp_path):
    model = fastnet.train((X, target), CONFIG).model
    network = FastNetRegressor.from_model(saved(model, tmp_path))
    assert network.predict(X).tobytes() == model.predict(X).tobytes() and network.predict(X).shape == target.shape
    assert network.score(X, target) > 0.3 and network.out_activation_ == "identity" and network.loss == "squared_error"


def test_quantiles_and_labels():
    model = fastnet.train((X, NUMBERS), replace(CONFIG, objective="pinball", quantiles=(0.2, 0.8))).model
    network = FastNetRegressor.from_model(model)
    assert network.predict(X).tobytes() == model.predict(X).tobytes() and network.predict(X).shape == (240, 2)
    assert (network.loss, network.quantiles) == ("quantile", (0.2, 0.8))
    labels = (X[:, :3] > 0).astype(int)
    model = fastnet.train(fastnet.as_dataset(X, labels, task="multilabel"), CONFIG).model
    network = FastNetClassifier.from_model(model)
    assert network.predict(X).tolist() == model.predict(X).tolist() and network.classes_.tolist() == [0, 1, 2]
    assert network.fit(X, labels).predict(X).shape == (240, 3)


def test_a_table_with_categories_and_missing_values(tmp_path):
    frame = frame_of()
    model = fastnet.train(fastnet.load(frame.assign(y=CLASSES), target="y"), CONFIG).model
    network = FastNetClassifier.from_model(saved(model, tmp_path))
    assert network.feature_names_in_.tolist() == ["size", "kind", "dark", "age"] and network.n_features_in_ == 4
    expected = model.predict_proba(frame)
    assert network.predict_proba(frame).tobytes() == expected.tobytes()
    assert network.predict_proba(frame[["dark", "kind", "age", "size"]]).tobytes() == expected.tobytes()
    assert network.predict_proba(frame.assign(y=CLASSES)).tobytes() == expected.tobytes()  # as the training table
    assert network.score(frame, CLASSES) == accuracy_score(CLASSES, model.predict(frame))
    with pytest.raises(DataError, match="'kind' is missing"):
        network.predict(frame[["size", "dark", "age"]])
    network.fit(frame[["kind", "size"]], CLASSES)  # a new table with columns of its own
    assert network.feature_names_in_.tolist() == ["kind", "size"] and network.numbers == "piecewise"
    with pytest.raises(ValueError, match="feature names"):
        network.predict(frame[["size", "kind"]])


def test_it_answers_as_the_command_line(tmp_path):
    frame = frame_of().assign(y=NUMBERS)
    frame.to_csv(tmp_path / "all.csv", index=False)
    model, answers = tmp_path / "m.safetensors", tmp_path / "answers.csv"
    words = ["train", "--data", str(tmp_path / "all.csv"), "--target", "y", "--hidden", "8", "--epochs", "5"]
    done = CliRunner().invoke(cli, [*words, "-o", str(model)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    words = ["predict", str(model), "--data", str(tmp_path / "all.csv"), "-o", str(answers)]
    assert CliRunner().invoke(cli, words, catch_exceptions=False).exit_code == 0
    with answers.open(newline="") as file:
        rows = list(csv.DictReader(file))
    shown = [float(row["y"]) for row in rows]
    np.testing.assert_allclose(FastNetRegressor.from_model(model).predict(frame), shown, rtol=1e-6)


def test_an_ensemble(tmp_path):
    ensemble = fastnet.train_ensemble((X, CLASSES), CONFIG, networks=3).ensemble
    network = FastNetClassifier.from_model(saved(ensemble, tmp_path))
    assert network.predict_proba(X).tobytes() == ensemble.predict_proba(X).tobytes() and network.n_networks == 3
    assert len(network.fit(X, CLASSES).model_.members) == 3


def test_the_threshold_of_a_model_decides():
    model = replace(fastnet.train((X, CLASSES), CONFIG).model, threshold=0.9)
    network = FastNetClassifier.from_model(model)
    predicted = network.predict(X)
    assert predicted.tolist() == model.predict(X).tolist()
    assert (predicted == "up").sum() < (network.predict_proba(X)[:, 1] > 0.5).sum()


@pytest.mark.parametrize("features", [sparse.csr_matrix(X * (X > -0.5)), (X * 40 + 120).clip(0, 255).astype(np.uint8)])
def test_sparse_features_and_bytes(features):
    model = fastnet.train((features, CLASSES), CONFIG).model
    network = FastNetClassifier.from_model(model)
    assert network.predict_proba(features).tobytes() == model.predict_proba(features).tobytes()


@pytest.mark.parametrize("labels", [["a", "b"], [10, -3], [1.0, 4.0], [True, False], np.array(["a10", "a2"], object)])
def test_the_estimators_own_models_keep_the_labels(labels, tmp_path):
    y = np.asarray(labels)[(CLASSES == "up").astype(int)]
    first = FastNetClassifier((8,), max_iter=10, random_state=0, alpha=0.1).fit(X, y)
    path = saved(first.model_, tmp_path)
    again = FastNetClassifier.from_model(path)
    assert again.classes_.tolist() == first.classes_.tolist() and again.predict(X).tolist() == first.predict(X).tolist()
    assert fastnet.load_model(path).predict(X).tolist() == first.predict(X).tolist()
    assert again.max_iter == 10 and not again.early_stopping and again.weight_decay == pytest.approx(0.1 / 200)


def test_fit_trains_anew_with_what_the_file_tells(tmp_path):
    given = {"hidden_layer_sizes": (8, 4), "activation": "tanh", "solver": "sgd", "momentum": 0.7, "max_iter": 15}
    given |= {"learning_rate_init": 0.05, "batch_size": 50, "dropout": (0.1, 0.2), "learning_rate": "cosine"}
    given |= {"early_stopping": True, "n_iter_no_change": 6, "label_smoothing": 0.05, "weight_decay": 0.001}
    first = FastNetClassifier(**given, random_state=3).fit(X, CLASSES)
    network = FastNetClassifier.from_model(saved(first.model_, tmp_path))
    assert {name: network.get_params()[name] for name in given} == given
    same = clone(network).fit(X, CLASSES)
    assert network.fit(X, CLASSES).predict_proba(X).tobytes() == same.predict_proba(X).tobytes()
    assert len(network.loss_curve_) == network.n_iter_ and network.model_.spec == first.model_.spec
    assert cross_val_score(network, X, CLASSES, cv=3).shape == (3,)
    network.partial_fit(X, CLASSES) if not network.early_stopping else network.set_params(warm_start=True).fit(
        X, CLASSES
    )


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop", "adagrad"])
def test_every_optimizer_is_read_back(optimizer):
    model = fastnet.train((X, NUMBERS), TrainConfig(hidden=(4,), optimizer=optimizer, epochs=2, early_stopping=9)).model
    network = FastNetRegressor.from_model(model)
    assert network.fit(X, NUMBERS).model_.settings["optimizer"] == optimizer
    assert network.early_stopping and network.metric == "score" and network.n_iter_no_change == 8


def test_no_training_goes_on_with_it():
    model = fastnet.train((X, CLASSES), CONFIG).model
    network = FastNetClassifier.from_model(model)
    with pytest.raises(ConfigError, match="from a model file"):
        network.set_params(early_stopping=False).partial_fit(X, CLASSES)
    with pytest.raises(ConfigError, match="call fit with warm_start=False"):
        network.set_params(warm_start=True).fit(X, CLASSES)
    assert network.predict(X).tolist() == model.predict(X).tolist()
    assert network.set_params(warm_start=False).fit(X, CLASSES).set_params(warm_start=True).fit(X, CLASSES)


def test_what_is_refused(tmp_path):
    classes = saved(make_model(), tmp_path)
    with pytest.raises(ModelError, match=r"model.safetensors predicts classes: use FastNetClassifier.from_model"):
        FastNetRegressor.from_model(classes)
    numbers = fastnet.train((X, NUMBERS), replace(CONFIG, epochs=1)).model
    with pytest.raises(ModelError, match=r"the model predicts numbers: use FastNetRegressor.from_model"):
        FastNetClassifier.from_model(numbers)
    with pytest.raises(ModelError, match="no such model file"):
        FastNetClassifier.from_model(tmp_path / "none.safetensors")
    with pytest.raises(ConfigError, match="model is a int: give the path"):
        FastNetClassifier.from_model(7)
    with pytest.raises(ModelError, match="settings of the model are damaged"):
        FastNetClassifier.from_model(make_model(settings={"learning_rate": "fast"}))


def test_settings_that_a_file_leaves_out_are_the_defaults():
    network = FastNetClassifier.from_model(make_model())
    assert (network.solver, network.random_state, network.max_iter) == ("adam", 2**32 - 1, TrainConfig().epochs)
    assert network.n_features_in_ == 12 and network.hidden_layer_sizes == (5, 4)
