"""The inputs that a table becomes."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import FIELDS, draw_table, table_of

from fastnet.data.fields import Field
from fastnet.data.pipeline.pipeline import fit_pipeline, pipeline_from_parts
from fastnet.data.pipeline.table import NUMBERS, fit_table
from fastnet.errors import DataError

ROWS = np.arange(0, 400, 2)


def fitted(numbers="piecewise", n=400, rows=ROWS):
    return fit_table(draw_table(n), rows, FIELDS, numbers)


def test_inputs_are_written_out_in_order_and_each_has_a_name():
    pipeline = fitted()
    n_dense, n_bins, n_levels = pipeline.blocks
    names = pipeline.input_names
    assert len(names) == len(set(names)) == pipeline.n_inputs == n_dense + sum(n_bins) + sum(n_levels)
    assert names[:9] == (
        "size", "when", "rank", "size missing", "grade missing", "rank missing", "new", "grade", names[8]
    )  # fmt: skip
    assert names[8].startswith("size from ") and "grade from bad to fair" in names
    assert names[-3:] == ("colour = red", "colour = green", "colour = blue")
    assert fitted(rows=np.arange(400)).input_names[-1] == "colour = grey"
    assert [name for name in names if name.startswith("when from 20")]


@pytest.mark.parametrize("numbers", NUMBERS)
def test_written_out_inputs_follow_from_the_definition(numbers):
    pipeline, x = fitted(numbers), draw_table(60, seed=1)
    found = dict(zip(pipeline.input_names, pipeline.apply(x).T, strict=True))
    training = draw_table(400)[ROWS]
    for place, name in ((0, "size"), (1, "when"), (5, "rank")):
        known = training[:, place][~np.isnan(training[:, place])].astype(np.float64)
        value = np.where(np.isnan(x[:, place]), np.median(known), x[:, place].astype(np.float64))
        first, third = np.quantile(known, [0.25, 0.75])
        z = (value - np.median(known)) / (third - first)
        z /= np.sqrt(1 + (z / 3) ** 2)
        if numbers == "standard":
            z = (value - known.mean()) / known.std()
        if numbers != "quantile":
            np.testing.assert_allclose(found[name], z, rtol=1e-5, atol=1e-6)
        bins = [found[one] for one in found if one.startswith(f"{name} from ")]
        assert (len(bins) > 0) == (numbers == "piecewise")
        if bins:
            edges = pipeline.edges[pipeline.encoded.tolist().index(place)]
            expected = [np.clip((value - a) / (b - a), 0, 1) for a, b in pairwise(edges)]
            np.testing.assert_allclose(bins, expected, rtol=1e-6, atol=1e-6)
    assert (found["size missing"] == np.isnan(x[:, 0])).all()
    assert (found["grade missing"] == (np.isnan(x[:, 3]) | (x[:, 3] < 0))).all()
    assert (found["new"] == np.where(np.isnan(x[:, 4]), 0, 2 * x[:, 4] - 1)).all()
    assert (found["colour = green"] == (x[:, 2] == 1)).all()


def test_quantile_scaling_makes_the_training_rows_normal():
    pipeline = fit_table(draw_table(4000), np.arange(4000), FIELDS, "quantile")
    values = pipeline.apply(draw_table(4000))[:, :2]
    assert np.abs(values.mean(axis=0)).max() < 0.05 and np.abs(values.std(axis=0) - 1).max() < 0.1
    assert np.isfinite(pipeline.apply(np.float32([[3e38, -3e38, 0, 0, 0, 0]]))).all()


@pytest.mark.parametrize("numbers", NUMBERS)
@given(seed=st.integers(0, 99), n=st.integers(1, 50))
def test_the_short_form_is_the_written_out_one(numbers, seed, n):
    pipeline, x = fitted(numbers), draw_table(n, seed)
    short = pipeline.encode(x)
    assert short.written_out().tobytes() == pipeline.apply(x).tobytes()
    assert (short.bins < short.n_bins).all() and (short.levels <= short.n_levels).all()
    assert ((short.fractions >= 0) & (short.fractions <= 1)).all()
    assert (short.dense.shape[1], tuple(short.n_bins), tuple(short.n_levels)) == pipeline.blocks


def test_blocks_change_nothing(monkeypatch):
    pipeline, x = fitted(), draw_table(50)
    whole = pipeline.apply(x)
    monkeypatch.setattr("fastnet.data.coerce.BLOCK_VALUES", 200)
    assert pipeline.apply(x).tobytes() == whole.tobytes()


@pytest.mark.parametrize("numbers", NUMBERS)
def test_rows_outside_the_training_rows_have_no_influence(numbers):
    x = draw_table(400)
    others = x.copy()
    others[1::2] = np.float32([1e30, -1e30, 3, 0, 1, 9])
    assert fit_table(x, ROWS, FIELDS, numbers).apply(x).tobytes() == fitted(numbers).apply(x).tobytes()
    first, second = (fit_table(values, ROWS, FIELDS, numbers).to_parts() for values in (x, others))
    assert first[0] == second[0]
    assert all(first[1][name].tobytes() == second[1][name].tobytes() for name in first[1])


@pytest.mark.parametrize("numbers", NUMBERS)
def test_parts_bring_it_back_to_the_last_bit(numbers):
    pipeline, x = fit_pipeline(table_of(400, numbers=numbers), ROWS), draw_table(99, seed=3)
    header, arrays = pipeline.to_parts()
    again = pipeline_from_parts(json.loads(json.dumps(header)), arrays)
    assert again.apply(x).tobytes() == pipeline.apply(x).tobytes()
    assert again.input_names == pipeline.input_names and again.to_parts()[0] == header


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("value", [np.nan, 5.0, 0.0])
def test_constant_and_empty_columns_become_finite_inputs(numbers, value):
    x = np.full((30, 6), value, np.float32)
    x[:, 2:5] = np.nan if np.isnan(value) else 1.0
    pipeline = fit_table(x, np.arange(30), FIELDS, numbers)
    assert np.isfinite(pipeline.apply(draw_table(20))).all() and np.isfinite(pipeline.apply(x)).all()
    assert pipeline.blocks[1] == ()


def test_a_value_that_was_never_missing_is_filled_with_the_median():
    x = np.float32([[1], [2], [9], [3], [5]])
    pipeline = fit_table(x, np.arange(5), [Field("a", "number", "a")])
    assert pipeline.blocks[0] == 1
    assert pipeline.apply(np.float32([[np.nan]])).tobytes() == pipeline.apply(np.float32([[3]])).tobytes()


def test_a_table_without_inputs_of_one_kind_is_read():
    x = draw_table(40)
    for places in ([2], [3], [4], [0, 1]):
        fields = [FIELDS[place] for place in places]
        pipeline = fit_table(np.ascontiguousarray(x[:, places]), np.arange(40), fields)
        assert pipeline.apply(x[:, places]).shape == (40, pipeline.n_inputs)
        assert pipeline_from_parts(*pipeline.to_parts()).apply(x[:, places]).shape == (40, pipeline.n_inputs)


def test_wide_ranges_stay_finite_and_other_widths_are_refused():
    x = np.float32([[-3e38], [0], [3e38], [1e-38]])
    for numbers in NUMBERS:
        assert np.isfinite(fit_table(x, np.arange(4), FIELDS[:1], numbers).apply(x)).all()
    with pytest.raises(DataError, match=r"x has shape \(4, 2\): samples of 1 features are needed"):
        fit_table(x, np.arange(4), FIELDS[:1]).apply(np.zeros((4, 2), np.float32))
    narrow = fit_table(np.float32([[0], [1e-30]]), np.arange(2), FIELDS[:1], "standard")
    with pytest.raises(DataError, match="row 1 of column size is 1e"):
        narrow.apply(np.float32([[0], [1e20]]))
