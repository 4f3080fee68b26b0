"""The figures of a study, for every object that is one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from fastnet.config.checks import check_choice, check_count
from fastnet.tuning.view import charts
from fastnet.tuning.view.columns import Viewed
from fastnet.tuning.view.spans import spans

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MEASURES = ("score", "loss")
"""What learning curves can show."""


class StudyFigures(ABC):
    """A study whose charts are figures of Plotly, for notebooks; they have the values of those of the report."""

    __slots__ = ()

    @abstractmethod
    def _viewed(self) -> AbstractContextManager[Viewed]:
        """Return the open study."""

    def plot_slices(self) -> Figure:
        """Draw the value of each trial over each hyperparameter, the 20 best marked.

        Of many trials the best and an evenly spaced selection of the others are drawn.

        Returns
        -------
        plotly.graph_objects.Figure
            With a sentence in it if there is nothing to draw; so are the others.

        Examples
        --------
        >>> import fastnet, tempfile
        >>> digits = fastnet.take_first(fastnet.load("mnist5k"), 100)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     space = {"learning_rate": "log:1e-3:1e-1"}
        ...     result = fastnet.search(space, digits, trials=4, study=folder, hidden="16", epochs=2, final=0)
        ...     result.plot_slices().layout.xaxis.title.text
        'learning rate'
        """
        from fastnet.plots.study import slices

        return slices(*self._drawn())

    def plot_coordinates(self) -> Figure:
        """Draw each trial that ran to its end as a line through its hyperparameters and its value."""
        from fastnet.plots.study import coordinates

        return coordinates(*self._drawn())

    def plot_history(self) -> Figure:
        """Draw the best value after each number of trials, and what other searches of these ranges would have found.

        Notes
        -----
        The band is where the best of n trials lies in nine of ten searches, estimated from the trials of each stage,
        see `fastnet.tuning.view.best_of.best_of`. Where it is flat, more trials would hardly help.
        """
        from fastnet.plots.study import history

        with self._viewed() as study:
            columns = study.columns()
        return history(charts.bands(columns), charts.best_so_far(columns), columns.metric)

    def plot_curves(self, n: int = charts.SHOWN, measure: str | None = None) -> Figure:
        """Draw the learning curves of the best trials, a chart each.

        Parameters
        ----------
        n : int
            Most trials to draw, from 1.
        measure : {"score", "loss"}, optional
            What to draw, by default what the trials were compared by.

        Raises
        ------
        ConfigError
            If an argument is none of these.
        """
        from fastnet.plots.curves import curves_of_trials

        check_count("n", n)
        if measure is not None:
            check_choice("measure", measure, MEASURES)
        with self._viewed() as study:
            best, metric, score = study.best(n), study.metric, study.score
        loss = measure == "loss" or (measure is None and metric == "loss")
        return curves_of_trials(charts.curves(best), "loss" if loss else score)

    def plot_importance(self) -> Figure:
        """Draw how much of the differences between the trials of the first stage each hyperparameter explains.

        Notes
        -----
        Shares of the variance of the rank of trials, estimated by a random forest, see
        `fastnet.tuning.view.importance.importance`. It needs at least 60 trials.
        """
        from fastnet.plots.bars import importance

        with self._viewed() as study:
            columns, spaces = study.columns(), _spaces(study)
        return importance(charts.importances(columns, spans(spaces[:1])), stages=len(spaces))

    def _drawn(self) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
        """Return the trials that are drawn one by one, their axes, and how they are compared."""
        with self._viewed() as study:
            columns, spaces, best = study.columns(), _spaces(study), study.best(charts.SHOWN)
        some = columns.take(charts.drawn(columns, columns.order()))
        return charts.points(some, best), charts.axes(spans(spaces)), columns.metric


def _spaces(study: Viewed) -> list[dict[str, str]]:
    """Return the space of each stage, as the report does: before the first stage is noted, that of the settings."""
    return [stage["space"] for stage in study.stages()] or [study.settings.get("space", {})]
