"""What stands in for missing values."""

import numpy as np

from fastnet.data.pipeline.missing import fit_filling

KINDS = ["number", "ordered", "boolean", "category", "number", "number"]
NAN = np.nan


def test_medians_and_levels_stand_in_and_numbers_and_orders_have_indicators():
    x = np.float32([[1, 0, 1, 0, 3, NAN], [2, 1, NAN, NAN, 3, NAN], [NAN, -1, 0, 1, 3, NAN], [9, 2, 0, 1, 3, NAN]])
    filling = fit_filling(x, KINDS)
    assert filling.values.tolist() == [2, 1, 0.5, 0, 3, 0]
    assert filling.indicators.tolist() == [0, 1]  # the last column is missing throughout: no input would vary
    assert filling.missing(x)[2].tolist() == [True, True, False, False, False, True]
    assert fit_filling(x[[0, 3]], KINDS).values[1] == 1  # between two levels, the lower
