"""The choice of a pipeline for a data set."""

from dataclasses import replace

import numpy as np
import pytest
from tables import table_of

from fastnet.data import Scaler, as_dataset, fit_scaler
from fastnet.data.pipeline.pipeline import fit_pipeline, pipeline_from_parts
from fastnet.data.pipeline.table import TablePipeline
from fastnet.errors import ConfigError

DATA = as_dataset(np.random.default_rng(0).normal(size=(20, 3)), [0, 1] * 10)


@pytest.mark.parametrize("numbers", ["auto", "standard"])
def test_features_without_fields_are_scaled_as_ever(numbers):
    rows = np.arange(12)
    pipeline, scaler = fit_pipeline(replace(DATA, numbers=numbers), rows), fit_scaler(DATA.x, rows)
    assert isinstance(pipeline, Scaler) and (pipeline.n_fields, pipeline.n_inputs) == (3, 3)
    assert pipeline.apply(DATA.x).tobytes() == scaler.apply(DATA.x).tobytes()
    header, arrays = pipeline.to_parts()
    assert header == {} and sorted(arrays) == ["scaler.offset", "scaler.scale"]
    assert pipeline_from_parts(header, arrays).apply(DATA.x).tobytes() == scaler.apply(DATA.x).tobytes()
    assert len(pipeline.input_names) == 3


def test_tables_are_read_piecewise_unless_asked_otherwise():
    rows = np.arange(60)
    found = fit_pipeline(table_of(80), rows)
    assert isinstance(found, TablePipeline) and found.numbers == "piecewise" and not found.of_images
    assert found.n_fields == 6 and found.dtype == np.float32
    assert not fit_pipeline(table_of(80, numbers="robust"), rows).blocks[1]


def test_unknown_ways_and_ways_that_need_a_table_are_refused():
    with pytest.raises(ConfigError, match=r"numbers='linear': must be auto, piecewise, robust, standard or quantile"):
        fit_pipeline(replace(DATA, numbers="linear"), np.arange(9))
    with pytest.raises(ConfigError, match=r"numbers='robust': data is not a table with named columns"):
        fit_pipeline(replace(DATA, numbers="robust"), np.arange(9))
