"""The range that contains those of all stages."""

from __future__ import annotations

import pytest

from fastnet.tuning.view.spans import spans


@pytest.mark.parametrize(
    ("name", "texts", "whole"),
    [
        ("dropout", ["uniform:0:0.5", "uniform:0.2:0.9"], "uniform:0:0.9"),
        ("batch_size", ["int:4:8", "int:2:6", "int:7:9"], "int:2:9"),
        ("learning_rate", ["log:1e-3:1e-1"], "log:0.001:0.1"),
    ],
)
def test_a_span_contains_the_ranges_of_all_stages(name: str, texts: list[str], whole: str) -> None:
    assert {name: str(span) for name, span in spans([{name: text} for text in texts]).items()} == {name: whole}
