"""Results of a search or a training as pictures, lists and rows."""

from fastnet.report.figures import best20_figure, ensemble_curve_figure, learning_curve_figure
from fastnet.report.listing import format_best, to_rows

__all__ = ["best20_figure", "ensemble_curve_figure", "format_best", "learning_curve_figure", "to_rows"]
