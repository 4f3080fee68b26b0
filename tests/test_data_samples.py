"""Samples for an existing model."""

from __future__ import annotations

import numpy as np

from fastnet.data.registry import load_samples


def test_samples_of_a_set_by_name() -> None:
    samples = load_samples("digits", part="train")
    assert samples.part == "train" and samples.labels is not None and samples.labels.dtype == np.int64
