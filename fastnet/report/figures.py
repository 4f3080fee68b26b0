"""Pictures of learning curves, drawn with Matplotlib without a window or global state.

Matplotlib takes 0.7 s to import, so it is imported for the first picture, or earlier while compiled code runs, see
`preload`.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastnet.config.metric import METRICS, four_digits
from fastnet.errors import FastnetError
from fastnet.files import write_result
from fastnet.report import canvas
from fastnet.tuning.trial import CURVES, TrialResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastnet.model.scores import Score
    from fastnet.training.loop import LearningCurves

Curves: TypeAlias = "LearningCurves | TrialResult"

TRAINING_NAMES = {"exact": "training", "running": "training, mean over the epoch", "none": "training"}
"""What curves of the training samples are called, by how they were scored."""

GRID_COLUMNS, GRID_ROWS = 5, 4
N_TICKS = 6

VALIDATION: dict[str, Any] = {"color": canvas.BLUE, "linestyle": "-", "linewidth": 1.6, "zorder": 3}
TRAINING: dict[str, Any] = {"color": canvas.VERMILION, "linestyle": canvas.DASHED, "linewidth": 1.3, "zorder": 2}
FAINT: dict[str, Any] = {"linewidth": 0.7, "alpha": 0.35, "zorder": 1}
TOGETHER: dict[str, Any] = {"color": canvas.INK, "linestyle": canvas.DOTTED, "linewidth": 1.2, "zorder": 4}


def preload() -> threading.Thread:
    """Start importing what a picture needs in another thread; a picture drawn sooner waits for it."""
    thread = threading.Thread(target=_import_matplotlib, name="fastnet-figures")
    thread.start()
    return thread


def _import_matplotlib() -> None:
    with contextlib.suppress(Exception):  # drawing raises it again
        canvas.load()


def best20_figure(trials: Sequence[TrialResult], path: Path) -> None:
    """Draw the scores of up to 20 trials, best first, in five columns and four rows, and save them as PNG.

    Raises
    ------
    FastnetError
        If there is no trial, the picture cannot be drawn, or the file cannot be written.

    Notes
    -----
    The picture of section 6.5.3 of *Deep Learning from Scratch*: validation accuracy solid, training accuracy dashed,
    all axes from 0 to 1, epochs from left to right. Errors of numbers are drawn from 0 to the largest that the better
    half of the epochs of any trial has.
    """
    with canvas.drawing(path):
        _save(best20_canvas(trials), path)


def best20_canvas(trials: Sequence[TrialResult], title: str | None = None) -> Figure:
    """Return the drawing that `best20_figure` saves, by default with the name of the score as its title."""
    if not trials:
        raise FastnetError("no trial to draw: all diverged or none has finished; try lower learning rates")
    shown = list(trials)[: GRID_COLUMNS * GRID_ROWS]
    score = METRICS[shown[0].score]
    top = score.most if np.isfinite(score.most) else _top_of(shown)
    n_columns = min(GRID_COLUMNS, max(3, len(shown)))
    n_rows = -(-len(shown) // n_columns)
    width, height = 0.55 + 1.9 * n_columns, 0.95 + 1.75 * n_rows
    figure = canvas.blank(width, height)
    for place, trial in enumerate(shown):
        axes = figure.add_subplot(n_rows, n_columns, place + 1)
        _draw_best(axes, place + 1, trial, top, labelled=place % n_columns == 0)
    _head(figure, title or f"{score.title} after each epoch", 0.2)
    sides = {"left": 0.55 / width, "right": 1 - 0.12 / width, "top": 1 - 0.72 / height, "bottom": 0.22 / height}
    figure.subplots_adjust(**sides, wspace=0.1, hspace=0.34)
    return figure


def learning_curve_figure(result: Curves, path: Path, best_epoch: int | None = None) -> None:
    """Draw score and loss of one training side by side, mark the best epoch, and save the picture as PNG.

    The best epoch, counted from 1, is by default the first with the best score.

    Raises
    ------
    FastnetError
        If the picture cannot be drawn, or the file cannot be written.
    """
    with canvas.drawing(path):
        _save(_learning_curve(result, best_epoch), path)


def ensemble_curve_figure(members: Sequence[Curves], together: Score, path: Path) -> None:
    """Draw score and loss of each network of an ensemble, their mean and the ensemble's, and save them as PNG.

    The mean ends with the shortest training. `together` has the figures of the ensemble on the validation samples.

    Raises
    ------
    FastnetError
        If the picture cannot be drawn, or the file cannot be written.
    """
    with canvas.drawing(path):
        _save(_ensemble_curve(members, together), path)


def _learning_curve(result: Curves, best_epoch: int | None) -> Figure:
    figure = canvas.blank(10.0, 4.2)
    score, loss = _draw_training(figure, result)
    _set_heights(score, loss, [result])
    title = "No epoch ended with finite numbers"
    of = METRICS[result.score]
    finite = np.isfinite(result.validation_score)
    if finite.any():
        first = int(np.argmax(np.where(finite, of.sign * result.validation_score, -np.inf)))
        best = first if best_epoch is None else best_epoch - 1
        _mark(score, best + 1, result.validation_score[best])
        _mark(loss, best + 1, result.validation_loss[best])
        title = f"Best epoch {best + 1}: validation {of.name} {four_digits(float(result.validation_score[best]))}"
    _head(figure, title, 0.25)
    return figure


def _ensemble_curve(members: Sequence[Curves], together: Score) -> Figure:
    figure = canvas.blank(10.0, 4.2)
    mean = _mean_curves(members)
    score, loss = _draw_training(figure, mean)
    longest = max(len(member.validation_loss) for member in members)
    for member in members:
        _plot(score, member.validation_score, member.train_score, member.train_scored, faint=True)
        _plot(loss, member.validation_loss, member.train_loss, faint=True)
    for axes, value in ((score, together.value), (loss, together.loss)):
        canvas.set_epochs(axes, longest, ticks=10)
        if np.isfinite(value):
            axes.axhline(value, label=f"validation, together: {four_digits(value)}", **TOGETHER)
    _set_heights(score, loss, members)
    _head(figure, f"{len(members)} networks, thin, and their mean", 0.25)
    return figure


def _draw_training(figure: Figure, result: Curves) -> tuple[Axes, Axes]:
    """Draw score and loss side by side."""
    score, loss = figure.subplots(1, 2)
    of = METRICS[result.score]
    _draw_curves(score, of.title, result.validation_score, result.train_score, result.train_scored)
    of_loss = "Loss, of standardised targets" if of.in_units else "Loss (mean cross-entropy)"
    _draw_curves(loss, of_loss, result.validation_loss, result.train_loss)
    figure.subplots_adjust(left=0.05, right=0.985, top=0.82, bottom=0.13, wspace=0.13)
    return score, loss


def _mean_curves(members: Sequence[Curves]) -> LearningCurves:
    """Return the mean of the curves up to the end of the shortest."""
    from fastnet.training.loop import LearningCurves

    n = min(len(member.validation_loss) for member in members)
    curves = {name: np.array([getattr(member, name)[:n] for member in members], np.float64) for name in CURVES}
    means = {name: each.mean(axis=0).astype(np.float32) for name, each in curves.items()}
    return LearningCurves(**means, score=members[0].score, train_scored=members[0].train_scored)


def _set_heights(score: Axes, loss: Axes, results: Sequence[Curves]) -> None:
    """Choose y-axes with room for all curves."""
    scores = _finite(*(curve for each in results for curve in (each.validation_score, each.train_score)))
    if METRICS[results[0].score].in_units:
        score.set_ylim(0.0, 1.08 * float(np.max(scores, initial=0.0)) or 1.0)
    else:
        lowest = np.min(scores, initial=1.0)
        score.set_ylim(0.0 if lowest < 0.55 else np.floor(lowest * 20 - 0.5) / 20, 1.0)
    losses = _finite(*(curve for each in results for curve in (each.validation_loss, each.train_loss)))
    loss.set_ylim(0.0, 1.08 * float(np.max(losses, initial=0.0)) or 1.0)


def _head(figure: Figure, title: str, inches: float) -> None:
    """Write the title and the shared legend at the top, `inches` below the edge."""
    x, y = 0.12 / figure.get_figwidth(), 1 - inches / figure.get_figheight()
    figure.text(x, y, title, fontsize=12, va="center", weight="bold", color=canvas.INK)
    named = [line for line in figure.axes[0].get_lines() if not str(line.get_label()).startswith("_")]
    look: dict[str, Any] = {"frameon": False, "fontsize": 10, "labelcolor": canvas.INK}
    figure.legend(handles=named, loc="center right", bbox_to_anchor=(1.0, y), ncols=len(named), **look)


def _top_of(trials: Sequence[TrialResult]) -> float:
    """Return the end of the axis of errors: the largest of the better halves, so that first epochs do not hide all."""
    halves = [np.sort(_finite(trial.validation_score, trial.train_score)) for trial in trials]
    largest = max((float(half[(len(half) - 1) // 2]) for half in halves if len(half)), default=0.0)
    if not largest > 0.0:
        return 1.0
    step = 1.25 * largest / (N_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(step))
    return (N_TICKS - 1) * power * next(round for round in (1.0, 2.0, 2.5, 5.0, 10.0) if round * power >= step)


def _draw_best(axes: Axes, place: int, trial: TrialResult, top: float, *, labelled: bool) -> None:
    """Draw one cell. Only a labelled y-axis is created: the axes of 20 cells took most of a second."""
    from matplotlib.collections import LineCollection
    from matplotlib.ticker import NullLocator

    ticks = np.linspace(0.0, top, N_TICKS).tolist()
    axes.xaxis.set_major_locator(NullLocator())
    axes.xaxis.set_visible(False)
    axes.yaxis.set_visible(labelled)
    if labelled:
        axes.set_yticks(ticks)
        canvas.style_ticks(axes)
        axes.tick_params(axis="y", length=3)
    rules = [[(0.0, y), (1.0, y)] for y in ticks]
    axes.add_collection(
        LineCollection(rules, colors=canvas.LINES, linewidths=0.6, zorder=0.5, transform=axes.get_yaxis_transform()),
        autolim=False,
    )
    canvas.style_frame(axes)
    _plot(axes, trial.validation_score, trial.train_score, trial.train_scored, clipped=METRICS[trial.score].in_units)
    axes.set_title(f"Best-{place}", fontsize=10, pad=3, y=1.0, color=canvas.INK)  # without y it looks for free space
    axes.set_ylim(0.0, top)
    words = {"learning_rate": "lr", "weight_decay": "wd"}
    values = [f"{short} {trial.params[name]:.2g}" for name, short in words.items() if name in trial.params]
    value = f"val {four_digits(trial.value)}" if np.isfinite(trial.value) else trial.status
    note = "\n".join([value, *values])
    half = len(trial.validation_score) // 2
    low = np.min(_finite(trial.validation_score[half:]), initial=top) < 0.34 * top
    y, side = (0.97, "top") if low else (0.05, "bottom")  # the corner without curves
    axes.text(0.96, y, note, transform=axes.transAxes, fontsize=7, ha="right", va=side, color=canvas.INK, zorder=4)


def _draw_curves(
    axes: Axes, title: str, validation: NDArray[np.float32], train: NDArray[np.float32], scored: str = "exact"
) -> None:
    canvas.style(axes)
    _plot(axes, validation, train, scored)
    axes.set_title(title, fontsize=11, loc="left", color=canvas.INK)
    axes.set_xlabel("epoch", fontsize=10, color=canvas.INK)
    canvas.set_epochs(axes, len(validation), ticks=10)


def _plot(
    axes: Axes,
    validation: NDArray[np.float32],
    train: NDArray[np.float32],
    scored: str = "exact",
    *,
    faint: bool = False,
    clipped: bool = False,
) -> None:
    epochs = np.arange(1, len(validation) + 1)
    for curve, label, look in ((validation, "validation", VALIDATION), (train, TRAINING_NAMES[scored], TRAINING)):
        drawn = np.where(np.isfinite(curve), curve, np.float32(np.nan))
        # Not clipped at the frame, or a score of 1 would be drawn at half its width.
        look = {**look, **FAINT} if faint else {**look, "label": label}
        marks: dict[str, Any] = {"marker": ".", "markevery": alone} if (alone := canvas.lonely(epochs, drawn)) else {}
        axes.plot(epochs, drawn, clip_on=clipped, **marks, **look)


def _mark(axes: Axes, epoch: int, value: np.float32) -> None:
    axes.axvline(epoch, color=canvas.FRAME, linewidth=1.0, linestyle=(0, (1, 2)), zorder=1)
    look = {"markersize": 6, "color": VALIDATION["color"], "markeredgecolor": "white", "zorder": 5, "clip_on": False}
    axes.plot([epoch], [float(value)], "o", **look)


def _finite(*curves: NDArray[np.float32]) -> NDArray[np.float32]:
    values = np.concatenate(curves)
    return values[np.isfinite(values)]


def _save(figure: Figure, path: Path) -> None:
    """Render in memory and replace the file in one step."""
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=canvas.DPI, metadata={"Software": None})
    write_result(path, picture.getvalue(), "the picture cannot be written")
