"""Several networks as one model: their mean, their file, and the choice among them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from models import make_model
from safetensors import safe_open
from safetensors.numpy import save_file

import fastnet
from fastnet.errors import ModelError
from fastnet.kernels import threads
from fastnet.model import ensemble
from fastnet.model.classifier import Model
from fastnet.model.ensemble import FEW_ROWS, Ensemble, greedy_selection, load_model, mean_answers
from fastnet.model.scores import score_of
from fastnet.network.assembly import n_threads_limit

X = (np.random.Philox(key=4).random_raw(50 * 12) % 256).astype(np.uint8).reshape(50, 12)
SHAPES = ((5, 4), (7,), ())


def make_ensemble(**changes) -> Ensemble:
    members = [make_model(hidden=hidden) for hidden in SHAPES]
    return Ensemble(
        **{"members": members, "weights": (1, 3, 2), "settings": {"seed": 1}, "metrics": {"a": 0.5}, **changes}
    )


def test_probabilities_are_the_weighted_mean() -> None:
    alone = [make_model(hidden=hidden).predict_proba(X).astype(np.float64) for hidden in SHAPES]
    expected = (alone[0] + 3 * alone[1] + 2 * alone[2]) / 6
    together = make_ensemble()
    actual = together.predict_proba(X)
    assert actual.dtype == np.float32 and actual.tobytes() == expected.astype(np.float32).tobytes()
    assert (together.predict_index(X) == expected.argmax(axis=1)).all()
    names = np.array(together.class_names)
    assert (together.predict(X) == names[expected.argmax(axis=1)]).all()
    y = np.arange(50) % 3
    score = together.score(X, names[y])
    assert score.value == np.mean(expected.argmax(axis=1) == y)
    assert score.loss == pytest.approx(-np.log(expected[np.arange(50), y]).mean(), rel=1e-6)
    equal = make_ensemble(weights=()).predict_proba(X)
    np.testing.assert_allclose(equal, np.mean(alone, axis=0), rtol=1e-6)
    assert make_ensemble(weights=()).weights == (1, 1, 1)


def test_an_ensemble_of_one_is_that_network() -> None:
    model = make_model()
    assert Ensemble(members=[model]).predict_proba(X).tobytes() == model.predict_proba(X).tobytes()


@pytest.mark.parametrize("shared", [True, False])
def test_threads_that_share_the_networks_give_the_bits_of_one(monkeypatch: pytest.MonkeyPatch, shared: bool) -> None:
    members = [make_model(hidden=hidden) for hidden in SHAPES]
    if shared:
        members = [replace(member, pipeline=members[0].pipeline) for member in members]
    several, x = make_ensemble(members=members), np.tile(X, (1 + FEW_ROWS // len(X), 1))
    answers, started, run_each = {}, [], threads.run_each

    def noted(work: Callable[[int], None], n: int) -> None:
        if n > 1:
            started.append(n)
        run_each(work, n)

    monkeypatch.setattr(threads, "run_each", noted)
    for cores in (1, 2):
        monkeypatch.setattr(ensemble, "usable_cores", lambda cores=cores: cores)
        answers[cores] = several.predict_proba(x)
    assert answers[1].tobytes() == answers[2].tobytes()
    assert len(started) == (min(2, n_threads_limit()) == 2)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert several.predict_proba(x).tobytes() == answers[1].tobytes(), "the system allows no more threads"


def test_load_returns_what_save_wrote(tmp_path: Path) -> None:
    path = tmp_path / "e.safetensors"
    make_ensemble().save(path)
    for loaded in (load_model(path), Ensemble.load(path), fastnet.load_model(path)):
        assert isinstance(loaded, Ensemble)
        assert (loaded.weights, loaded.settings, loaded.metrics) == ((1, 3, 2), {"seed": 1}, {"a": 0.5})
        assert loaded.class_names == make_ensemble().class_names
        assert [member.settings for member in loaded.members] == [make_model().settings] * 3
        assert loaded.predict_proba(X).tobytes() == make_ensemble().predict_proba(X).tobytes()
    make_ensemble().save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    with safe_open(path, framework="numpy") as file:
        assert {"members.0.layers.2.bias", "members.2.layers.0.weight"} <= set(file.keys())


def test_each_reader_says_what_the_other_kind_is(tmp_path: Path) -> None:
    make_ensemble().save(tmp_path / "e")
    make_model().save(tmp_path / "m")
    assert isinstance(load_model(tmp_path / "m"), Model)
    with pytest.raises(ModelError, match=r"e: an ensemble of several networks.*fastnet\.load_model reads it"):
        Model.load(tmp_path / "e")
    with pytest.raises(ModelError, match=r"m: a single network, not an ensemble"):
        Ensemble.load(tmp_path / "m")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda h: h.update(format=99), "in format 99: use that version or a later one"),
        (lambda h: h.pop("weights"), "description is incomplete"),
        (lambda h: h.pop("class_names"), "description is incomplete"),
        (lambda h: h.update(weights=[1, 2]), "2 weights: its 3 networks need one each"),
        (lambda h: h.update(weights=[1, 0, 2]), "weight 0 of a network"),
        (lambda h: h.update(weights=[1, 1.5, 2]), "weight 1.5 of a network"),
        (lambda h: h.update(members=[]), "at least one network"),
        (lambda h: h.update(members=5), "description is incomplete"),
        (lambda h: h["members"][1].update(hidden="8"), "layers.0.weight is float32"),
        (lambda h: h["members"].append(h["members"][0]), "layers.0.weight is missing"),
    ],
)
def test_load_explains_what_is_wrong(tmp_path: Path, change, sentence: str) -> None:
    path = tmp_path / "e.safetensors"
    make_ensemble().save(path)
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["fastnet"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(header)
    save_file(tensors, path, metadata={"fastnet": json.dumps(header)})
    with pytest.raises(ModelError, match=sentence) as caught:
        load_model(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_members_must_belong_together() -> None:
    other = make_model(n_inputs=11)
    with pytest.raises(ModelError, match="network 1 of the ensemble has other features or classes"):
        Ensemble(members=[make_model(), other])
    with pytest.raises(ModelError, match="network 1"):
        Ensemble(members=[make_model(), make_model(class_names=("a", "b", "c"))])


def random_tables(n: int, n_samples: int, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n_samples)
    logits = rng.normal(size=(n, n_samples, 3)) + rng.uniform(0.2, 1, (n, 1, 1)) * 2 * np.eye(3)[y]
    return list((np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)).astype(np.float32)), y


def quality(tables, counts, y, metric):
    score = score_of(mean_answers(tables, counts), y)
    return (-score.value, score.loss) if metric == "accuracy" else (score.loss,)


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
@pytest.mark.parametrize("seed", range(4))
def test_greedy_selection_is_as_good_as_any_average_of_the_best(metric: str, seed: int) -> None:
    tables, y = random_tables(6, 60, seed)
    counts = greedy_selection(tables, y, metric)
    assert len(counts) == 6 and sum(counts) >= 1 and min(counts) >= 0
    ranked = sorted(range(6), key=lambda k: quality([tables[k]], [1], y, metric))
    for n in range(1, 7):
        some = [int(k in ranked[:n]) for k in range(6)]
        # The loss of the mean, which is rounded to float32 here and was not while choosing, may differ by that.
        assert quality(tables, counts, y, metric) <= tuple(np.add(quality(tables, some, y, metric), 1e-6))
    assert greedy_selection(tables, y, metric) == counts


def test_greedy_selection_follows_the_paper_step_by_step() -> None:
    tables, y = random_tables(4, 40, 7)
    ranked = sorted(range(4), key=lambda k: quality([tables[k]], [1], y, "loss"))
    starts = [[int(k in ranked[:n]) for k in range(4)] for n in range(1, 5)]
    path = [min(starts, key=lambda counts: quality(tables, counts, y, "loss"))]
    for _ in range(5):
        added = [[count + (k == new) for k, count in enumerate(path[-1])] for new in range(4)]
        path.append(min(added, key=lambda counts: quality(tables, counts, y, "loss")))
    expected = min(path, key=lambda counts: quality(tables, counts, y, "loss"))
    assert greedy_selection(tables, y, "loss", rounds=5) == tuple(expected)
    assert greedy_selection(tables, y, "loss", rounds=0) == tuple(path[0])


def test_greedy_selection_finds_the_pair_that_no_ranking_shows() -> None:
    """Two networks that are each right on another half are better together than either with the best one alone."""
    y = np.zeros(40, np.int64)
    right, wrong = np.array([0.9, 0.1], np.float32), np.array([0.4, 0.6], np.float32)
    first = np.where(np.arange(40)[:, None] < 20, right, wrong)
    second = np.where(np.arange(40)[:, None] >= 20, right, wrong)
    middling = np.where(np.arange(40)[:, None] < 24, right, wrong)
    counts = greedy_selection([middling, first, second], y)
    assert score_of(mean_answers([middling, first, second], counts), y).value == 1.0 and counts[2] >= 1


def test_ties_go_to_fewer_networks_and_to_the_earlier_one() -> None:
    tables, y = random_tables(1, 30, 0)
    assert greedy_selection(tables * 3, y) == (1, 0, 0)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.safetensors"
    make_ensemble().save(path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelError, match="not a safetensors file, or a damaged one"):
        load_model(path)
