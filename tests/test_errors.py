"""The exceptions and warnings of fastnet, and the helpers that raise them."""

from __future__ import annotations

from fastnet import FastnetError, FastnetWarning


def test_a_failure_that_is_raised_leaves_no_doubt_what_it_is() -> None:
    assert issubclass(FastnetWarning, UserWarning) and not issubclass(FastnetWarning, FastnetError)
