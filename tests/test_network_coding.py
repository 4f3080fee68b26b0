"""Codes of a table's samples: rows of the first layer's weights."""

from __future__ import annotations

import numpy as np
import pytest
from tables import FIELDS, draw_encoded, draw_table, table_of

from fastnet.data.fields import Field
from fastnet.data.pipeline.pipeline import fit_pipeline
from fastnet.data.pipeline.scaling import fit_scaler
from fastnet.data.pipeline.table import fit_table
from fastnet.kernels import layout
from fastnet.network.coding import code, code_samples, is_coded, nothing_coded


def written_out(coded, n_inputs: int) -> np.ndarray:
    """Inputs in full, as the kernels understand the codes: a row of ones before the place of a number."""
    out = np.zeros((len(coded.dense), n_inputs + 1), np.float32)
    out[:, : coded.n_dense] = coded.dense[:, : coded.n_dense]
    n_numbers = coded.fractions.shape[1]
    for place, (first, width) in enumerate(coded.columns.tolist()):
        for r, at in enumerate(coded.places[:, place].tolist()):
            if place < n_numbers:
                assert first <= at < first + width
                out[r, first:at] = 1.0
            out[r, at] = coded.fractions[r, place] if place < n_numbers else 1.0
    return out[:, :-1]


@pytest.mark.parametrize(
    ("n_dense", "n_bins", "n_levels"), [(7, [5, 1], [3]), (0, [], [2, 4]), (6, [3], []), (1, [2], [])]
)
def test_codes_stand_for_the_written_out_inputs(n_dense, n_bins, n_levels):
    encoded = draw_encoded(40, n_dense, n_bins, n_levels)
    coded = code(encoded)
    assert np.array_equal(written_out(coded, encoded.n_inputs), encoded.written_out())
    assert coded.columns.sum(axis=1).tolist()[-1] == encoded.n_inputs


def test_dense_inputs_are_padded_with_zeros():
    coded = code(draw_encoded(3, 5, [4], []))
    assert coded.dense.shape == (3, layout.leading(5)) and not coded.dense[:, 5:].any()


def test_unseen_levels_and_missing_values_have_codes():
    fitted = fit_pipeline(table_of(200), np.arange(150))
    x = draw_table(20, seed=4)
    x[0], x[1] = np.nan, -1
    coded = code_samples(x, fitted)
    assert np.array_equal(written_out(coded, fitted.n_inputs), fitted.apply(x))
    assert coded.places[1, -1] == fitted.n_inputs


def test_tables_without_an_encoded_column_and_images_have_no_codes():
    x = np.nan_to_num(draw_table(50))
    numbers = [0, 1, 5]
    plain = fit_table(x[:, numbers], np.arange(50), [FIELDS[place] for place in numbers], "standard")
    assert not is_coded(plain) and code_samples(x[:, numbers], plain) is None
    assert code_samples(x[:, :2], fit_scaler(x[:, :2], np.arange(50))) is None
    assert is_coded(fit_table(x[:, :1], np.arange(50), [Field("size", "number", "size")]))


def test_nothing_coded_has_no_columns():
    nothing = nothing_coded()
    assert nothing.places.size == nothing.fractions.size == len(nothing.columns) == 0
