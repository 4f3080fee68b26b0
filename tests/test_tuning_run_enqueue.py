"""Points that a search tries first: read from anything, refused by row, and the first trials of a study."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from studies import make_study

import fastnet
from fastnet.config.searching import SearchConfig
from fastnet.config.training import TrainConfig
from fastnet.errors import ConfigError, StudyError
from fastnet.tuning import Study
from fastnet.tuning.run import enqueue
from fastnet.tuning.run.enqueue import BEST_POINTS, checked_points, read_points
from fastnet.tuning.run.resume import following
from fastnet.tuning.run.sampler import Enqueued, checked_space, preview_of, sampler_of
from fastnet.tuning.space.space import Space

SPACE = {"learning_rate": "log:1e-4:1e-1", "batch_size": "choice:20,50"}
POINTS: list[dict[str, Any]] = [{"learning_rate": 0.02}, {"batch_size": 50, "learning_rate": 0.005}]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.json", json.dumps(POINTS), POINTS),
        ("a.json", json.dumps(POINTS[0]), POINTS[:1]),
        ("a.json", json.dumps(POINTS, indent=2), POINTS),
        ("a.jsonl", "".join(f"{json.dumps(point)}\n" for point in POINTS), POINTS),
        (
            "a.jsonl",
            '\ufeff{"batch_size": 20, "learning_rate": null}\n\n{"batch_size": 50}',
            [{"batch_size": 20}, {"batch_size": 50}],
        ),
        (
            "a.csv",
            "learning_rate,batch_size\n0.02,\n0.005,50\n",
            [{"learning_rate": "0.02"}, {"learning_rate": "0.005", "batch_size": "50"}],
        ),
        ("a.csv", 'hidden, batch-size\r\n"100,50",20\r\n', [{"hidden": "100,50", "batch-size": "20"}]),
        ("a.csv", "learning_rate\n", []),
    ],
)
def test_a_file_is_read_by_its_content(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert list(read_points(tmp_path / name)) == list(read_points(str(tmp_path / name))) == expected


def test_points_are_given_as_objects_or_text():
    assert read_points(None) == ()
    assert read_points(POINTS[0]) == (POINTS[0],)
    assert read_points(POINTS) == read_points(json.dumps(POINTS)) == tuple(POINTS)


@pytest.mark.parametrize("given", [7, object()])
def test_what_holds_no_points_is_refused(given):
    with pytest.raises(ConfigError, match="give a path, a mapping, or a list of mappings"):
        read_points(given)


def test_the_best_trials_of_a_study_are_points(tmp_path):
    make_study(tmp_path / "s", 40)
    points = read_points(tmp_path / "s")
    with Study.read(tmp_path / "s") as study:
        assert list(points) == [trial.params for trial in study.best(BEST_POINTS)]
    assert read_points(tmp_path / "s" / "study.sqlite") == points and len(points) == BEST_POINTS


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "cannot be read as JSON"),
        (b'[{"learning_rate": 0.1}, 7]', "point 2 is '7'; write a JSON object"),
        (b'{"learning_rate": 0.1}\n{"learning_rate": 0.1\n', "line 2 cannot be read as JSON"),
        (b'{"learning_rate": 0.1}\n7\n', "point 2 is '7'"),
        (b'{"learning_rate": NaN}', "NaN is not a finite number"),
        (b'{"learning_rate": 1e999}', "too large"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b"", "the first line must name each column once"),
        (b"a,a\n1,2\n", "the first line must name each column once"),
        (b"learning_rate\n0.1\n0.2,3\n", "line 3 has 2 values for 1 columns"),
        (b'a\n"' + b"x" * 200_000, "line 2 cannot be read as CSV"),
        (b"\xff\xfe", "not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, content, sentence):
    (tmp_path / "points").write_bytes(content)
    with pytest.raises(ConfigError, match=f"enqueue: .*points: .*{sentence}|enqueue: .*points: {sentence}"):
        read_points(tmp_path / "points")


def test_a_missing_or_huge_file_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"enqueue: .*none\.csv: No such file or directory; give a file"):
        read_points(tmp_path / "none.csv")
    with pytest.raises(StudyError, match="no study found"):
        read_points(tmp_path)
    monkeypatch.setattr(enqueue, "MAX_BYTES", 4)
    (tmp_path / "a.csv").write_text("learning_rate\n")
    with pytest.raises(ConfigError, match=r"a\.csv: larger than"):
        read_points(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"enqueue": [{}, {"learning_rate": 2}]}, "enqueue, point 2: learning_rate=2 is not in log:0.0001:0.1"),
        ({"enqueue": [{"momentum": 0.9}]}, "enqueue, point 1: momentum is not searched"),
        ({"enqueue": [{}], "sampler": "grid"}, "enqueue: a grid has points of its own"),
        ({"enqueue": [{}] * 4, "stages": 3, "trials": 9}, "enqueue: 4 points are more than the 3 trials of the first"),
    ],
)
def test_points_that_do_not_suit_the_search_are_refused(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        checked_space(SearchConfig(space=SPACE, **settings))


@pytest.mark.parametrize("sampler", ["random", "sobol", "tpe"])
def test_the_first_trials_are_the_points_and_the_others_unchanged(sampler):
    config = SearchConfig(space=SPACE, sampler=sampler, metric="accuracy", train=TrainConfig(seed=3))
    space, ids = Space.parse(SPACE), np.array([5, 1, 0, 2])
    plain = sampler_of(config).draw(space, ids, ())
    drawn = sampler_of(with_points(config)).draw(space, ids, ())
    assert drawn[0] == plain[0] and drawn[3] == plain[3]
    assert drawn[1] == {"batch_size": 50, "learning_rate": 0.005}
    assert drawn[2] == {**plain[2], "learning_rate": 0.02}
    assert sampler_of(with_points(config)).generation == sampler_of(config).generation
    assert preview_of(with_points(config)) == sampler_of(with_points(config))


def with_points(config):
    return SearchConfig(**{name: getattr(config, name) for name in config.__dataclass_fields__} | {"enqueue": POINTS})


def test_points_have_the_types_of_the_space():
    config = SearchConfig(space=SPACE, enqueue=[{"batch-size": "20", "learning_rate": np.float64(0.01)}])
    [point] = checked_points(config, Space.parse(SPACE))
    assert point == {"batch_size": 20, "learning_rate": 0.01} and type(point["batch_size"]) is int
    assert isinstance(sampler_of(config), Enqueued)


@pytest.mark.core
@pytest.mark.parametrize("more", [{}, {"pruning": "halving", "pack_size": 9, "first_epochs": 1}, {"stages": 2}])
def test_a_search_with_points_is_the_same_over_threads_and_interruptions(digits, tmp_path, more):
    few = fastnet.take_first(digits, 100)
    how = {"sampler": "tpe", "hidden": "8", "epochs": 3, "final": 0, "optimizer": "adam", **more}
    path = tmp_path / "points.json"
    path.write_text(json.dumps(POINTS))
    whole = fastnet.search(SPACE, few, trials=40, study=tmp_path / "a", jobs=2, enqueue=path, **how)
    assert whole.trials[1].params == {"batch_size": 50, "learning_rate": 0.005}
    assert whole.trials[0].params["learning_rate"] == 0.02

    def stop(progress):
        if progress.done >= 15:
            raise KeyboardInterrupt

    fastnet.search(
        SPACE, few, trials=40, study=tmp_path / "b", jobs=1, on_progress=stop, interrupt="return", enqueue=POINTS, **how
    )
    path.unlink()
    resumed = fastnet.search(None, few, study=tmp_path / "b", trials=40, jobs=1)
    assert [one.params for one in whole.trials] == [one.params for one in resumed.trials]
    for one, other in zip(whole.trials, resumed.trials, strict=True):
        np.testing.assert_array_equal(one.curves, other.curves)
    with Study.read(tmp_path / "a") as one, Study.read(tmp_path / "b") as other:
        assert one.settings_sha256 == other.settings_sha256 and one.settings["enqueue"] == POINTS


def test_a_study_keeps_its_points_and_the_next_round_has_none(digits, tmp_path):
    few = fastnet.take_first(digits, 60)
    how = {"hidden": "8", "epochs": 1, "final": 0}
    fastnet.search(SPACE, few, trials=12, study=tmp_path / "a", enqueue=POINTS, **how)
    with pytest.raises(StudyError, match=r"other settings \(enqueue 2 points \(\w{12}\) -> 1 points \(\w{12}\)\)"):
        fastnet.search(SPACE, few, trials=12, study=tmp_path / "a", enqueue=POINTS[:1], **how)
    assert following(tmp_path / "a").config.enqueue == ()


def test_a_study_without_points_has_the_settings_it_always_had(digits, tmp_path):
    few = fastnet.take_first(digits, 60)
    fastnet.search(SPACE, few, trials=2, study=tmp_path, hidden="8", epochs=1, final=0, enqueue=[])
    with Study.read(tmp_path) as study:
        assert "enqueue" not in study.settings
