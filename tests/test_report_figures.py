from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text

from fastnet import files
from fastnet.errors import FastnetError
from fastnet.model.scores import Score
from fastnet.report import best20_figure, ensemble_curve_figure, figures, learning_curve_figure
from fastnet.tuning.trial import TrialResult


def make_trial(number: int, accuracy: float = 0.8, epochs: int = 6, **params: float) -> TrialResult:
    rise = np.linspace(0.1, accuracy, epochs)
    curves = np.stack([2.3 - rise, np.minimum(rise * 1.2, 1.0), 2.4 - rise, rise]).astype(np.float32)
    curves[:, -1] = [0.5, 1.0, 0.75, accuracy]
    return TrialResult.from_curves(number, "done", params, curves, seconds=0.25)


def png_size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


@pytest.fixture
def drawn(monkeypatch):
    """Collect the figures instead of writing them."""
    collected = []
    monkeypatch.setattr(figures, "_save", lambda figure, path: collected.append(figure))
    return collected


@pytest.mark.parametrize(("n", "cells"), [(1, 1), (5, 5), (7, 7), (20, 20), (33, 20)])
def test_best20_figure_draws_one_cell_per_trial(drawn, n, cells):
    best20_figure([make_trial(i, learning_rate=0.01) for i in range(n)], Path("unused.png"))
    axes = drawn[0].axes
    assert [a.get_title() for a in axes] == [f"Best-{k + 1}" for k in range(cells)]
    assert [a.yaxis.get_visible() for a in axes] == [k % 5 == 0 for k in range(cells)]
    for cell in axes:
        assert cell.get_ylim() == (0.0, 1.0)
        assert len(cell.get_xticks()) == 0
        validation, training = cell.get_lines()
        assert (validation.get_label(), validation.get_linestyle()) == ("validation", "-")
        assert (training.get_label(), training.get_linestyle()) == ("training", "--")
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["validation", "training"]


def test_best20_figure_draws_the_curves_of_the_trials(drawn):
    trial = make_trial(3)
    best20_figure([trial], Path("unused.png"))
    validation, training = drawn[0].axes[0].get_lines()
    np.testing.assert_array_equal(validation.get_ydata(), trial.validation_score)
    np.testing.assert_array_equal(training.get_ydata(), trial.train_score)
    np.testing.assert_array_equal(validation.get_xdata(), np.arange(1, 7))


def test_best20_figure_writes_a_picture_and_no_other_file(tmp_path):
    path = tmp_path / "new" / "best20.png"
    best20_figure([make_trial(i, learning_rate=0.01, weight_decay=1e-6) for i in range(20)], path)
    width, height = png_size(path)
    assert 1400 < width < 1600
    assert 1100 < height < 1300
    assert [entry.name for entry in path.parent.iterdir()] == ["best20.png"]


def test_pictures_are_the_same_bytes_each_time(tmp_path):
    for name in ("a.png", "b.png"):
        best20_figure([make_trial(0)], tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_best20_figure_refuses_to_draw_nothing(tmp_path):
    with pytest.raises(FastnetError, match="no trial to draw"):
        best20_figure([], tmp_path / "best20.png")


def test_a_picture_that_cannot_be_written_is_one_sentence_and_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "best20.png"
    path.write_bytes(b"old")

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(FastnetError, match=r"best20\.png: the picture cannot be written \(No space left"):
        best20_figure([make_trial(0)], path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["best20.png"]


def test_a_picture_below_a_file_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FastnetError, match="the picture cannot be written"):
        learning_curve_figure(make_trial(0), tmp_path / "file" / "curve.png")


def test_learning_curve_figure_marks_the_first_best_epoch(drawn):
    curves = np.array([[2, 1, 0.5, 0.4], [0.5, 0.7, 0.8, 0.9], [2, 1.5, 1.4, 1.6], [0.4, 0.7, 0.7, 0.6]], np.float32)
    learning_curve_figure(TrialResult.from_curves(0, "done", {}, curves, seconds=0.0), Path("unused.png"))
    accuracy, loss = drawn[0].axes
    assert accuracy.get_title(loc="left") == "Accuracy"
    assert loss.get_title(loc="left") == "Loss (mean cross-entropy)"
    for axes, value in ((accuracy, np.float32(0.7)), (loss, np.float32(1.5))):
        dot = axes.get_lines()[-1]
        assert (list(dot.get_xdata()), list(dot.get_ydata())) == ([2], [value])
    assert drawn[0].texts[0].get_text() == "Best epoch 2: validation accuracy 0.7"


def test_learning_curve_figure_marks_the_epoch_that_is_kept(drawn):
    learning_curve_figure(make_trial(0), Path("unused.png"), best_epoch=3)
    assert [list(axes.get_lines()[-1].get_xdata()) for axes in drawn[0].axes] == [[3], [3]]


def errors_of(errors: list[float], number: int = 0) -> TrialResult:
    curves = np.stack([np.linspace(0.5, 0.1, len(errors)), errors, np.linspace(0.6, 0.2, len(errors)), errors])
    trial = TrialResult.from_curves(number, "done", {}, curves.astype(np.float32), seconds=0.1, metric="rmse")
    return replace(trial, settings={"objective": "squared-error"})


def test_errors_are_drawn_from_zero_and_the_lowest_is_marked(drawn):
    trial = errors_of([90_000.0, 3000.0, 1200.0, 1500.0])
    best20_figure([trial, errors_of([2000.0, 1900.0, 1800.0, 1700.0], 1)], Path("unused.png"))
    first = drawn[0].axes[0]
    low, high = first.get_ylim()
    assert low == 0.0 and 1500 < high < 5000, "the first epoch does not decide"
    assert all(line.get_clip_on() for line in first.get_lines())
    assert drawn[0].axes[1].get_ylim() == (low, high) and len(first.get_yticks()) == 6
    assert "val 1500" in first.texts[0].get_text() and drawn[0].texts[0].get_text() == "RMSE after each epoch"
    learning_curve_figure(trial, Path("unused.png"))
    score, loss = drawn[1].axes
    assert score.get_title(loc="left") == "RMSE" and loss.get_title(loc="left") == "Loss, of standardised targets"
    assert list(score.get_lines()[-1].get_ydata()) == [1200.0] and score.get_ylim()[1] > 90_000
    assert drawn[1].texts[0].get_text() == "Best epoch 3: validation rmse 1200"


@pytest.mark.parametrize("errors", [[0.0, 0.0], [np.nan, np.nan], [1e-12, 2e-12], [3e15, 1e15]])
def test_errors_of_any_size_are_drawn(errors, tmp_path):
    best20_figure([errors_of(errors)], tmp_path / "best20.png")
    assert png_size(tmp_path / "best20.png")[0] > 500


@pytest.mark.parametrize("epochs", [1, 2, 200])
def test_learning_curve_figure_takes_any_number_of_epochs(tmp_path, epochs):
    learning_curve_figure(make_trial(0, epochs=epochs), tmp_path / "curve.png")
    assert png_size(tmp_path / "curve.png") == (1500, 630)


@pytest.mark.parametrize("first_bad", [0, 1, 3])
def test_learning_curve_figure_draws_a_training_that_diverged(tmp_path, first_bad):
    curves = make_trial(0).curves.copy()
    curves[:, first_bad:] = np.nan
    curves[0, first_bad] = np.inf
    trial = TrialResult.from_curves(0, "diverged", {}, curves, seconds=0.0)
    learning_curve_figure(trial, tmp_path / "curve.png")
    best20_figure([trial], tmp_path / "best20.png")
    assert png_size(tmp_path / "curve.png") == (1500, 630)


def test_ensemble_curve_figure_draws_every_member_their_mean_and_all_together(drawn):
    members = [make_trial(0, 0.7, epochs=4), make_trial(1, 0.9, epochs=6)]
    ensemble_curve_figure(members, Score(value=0.95, loss=0.25), Path("unused.png"))
    accuracy, loss = drawn[0].axes
    validation, training, *thin, together = accuracy.get_lines()
    np.testing.assert_allclose(
        validation.get_ydata(), (members[0].validation_score + members[1].validation_score[:4]) / 2
    )
    assert len(training.get_ydata()) == 4 and len(thin) == 4
    assert [len(line.get_ydata()) for line in thin] == [4, 4, 6, 6]
    assert all(line.get_linewidth() < 1 < validation.get_linewidth() and line.get_alpha() < 0.5 for line in thin)
    assert list(together.get_ydata()) == [0.95, 0.95] and list(loss.get_lines()[-1].get_ydata()) == [0.25, 0.25]
    assert accuracy.get_xlim() == loss.get_xlim() == (1, 6)
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == [
        "validation",
        "training",
        "validation, together: 0.95",
    ]
    assert drawn[0].texts[0].get_text() == "2 networks, thin, and their mean"


SPARSE = {
    "one epoch": [[0.5], [0.8], [0.6], [0.7]],
    "equal": [[0.5] * 5, [0.8] * 5, [0.5] * 5, [0.8] * 5],
    "zeros": [[0.0] * 5] * 4,
    "ones": [[1.0] * 5] * 4,
    "NaN": [[np.nan] * 5] * 4,
    "infinite": [[np.inf] * 5, [0.1] * 5, [np.inf] * 5, [0.1] * 5],
    "NaN after the first epoch": [[0.5, np.nan, np.nan]] * 4,
    "huge": [[3e38] * 3, [0.1] * 3, [3.4e38] * 3, [0.1] * 3],
    "no epoch": [[]] * 4,
}


@pytest.mark.parametrize("name", SPARSE)
def test_curves_of_one_equal_or_no_values_are_drawn(drawn, tmp_path, name):
    curves = np.array(SPARSE[name], np.float32)
    trial = TrialResult.from_curves(0, "done", {}, curves, seconds=0.1)
    together = Score(value=float(curves[1].mean()) if curves.size else np.nan, loss=np.nan)
    learning_curve_figure(trial, tmp_path / "curve.png")
    ensemble_curve_figure([trial, trial], together, tmp_path / "curve.png")
    best20_figure([trial] * 3, tmp_path / "best20.png")
    finite = np.isfinite(curves[[3, 1]])
    for figure in drawn:
        figure.draw_without_rendering()
        assert "nan" not in " ".join(text.get_text() for text in figure.findobj(Text))
        for axes in figure.axes:
            assert axes.get_xlim()[1] - axes.get_xlim()[0] > 0.1 and axes.get_ylim()[1] - axes.get_ylim()[0] > 0.04
        for line, seen in zip(figure.axes[0].get_lines(), finite, strict=False):
            assert line.get_marker() == ("." if seen.sum() == 1 else "None")


def test_ensemble_curve_figure_takes_one_epoch(tmp_path):
    members = [make_trial(i, epochs=1) for i in range(3)]
    ensemble_curve_figure(members, Score(value=0.5, loss=1.0), tmp_path / "curve.png")
    assert png_size(tmp_path / "curve.png") == (1500, 630)


def test_pictures_need_no_pyplot(tmp_path):
    loaded_before = "matplotlib.pyplot" in sys.modules
    learning_curve_figure(make_trial(0), tmp_path / "curve.png")
    assert ("matplotlib.pyplot" in sys.modules) == loaded_before


def test_preload_leaves_nothing_to_import():
    code = """
import sys
from pathlib import Path
import numpy as np
from fastnet.report import figures
from fastnet.tuning import TrialResult

assert "matplotlib" not in sys.modules
figures.preload().join()
before = {name for name in sys.modules if name.partition(".")[0] in ("matplotlib", "PIL")}
trial = TrialResult.from_curves(0, "done", {}, np.full((4, 2), 0.5, np.float32), seconds=0.1)
figures.best20_figure([trial], Path(sys.argv[1]))
print(*sorted({name for name in sys.modules if name.partition(".")[0] in ("matplotlib", "PIL")} - before))
"""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", code, f"{folder}/a.png"], capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr
