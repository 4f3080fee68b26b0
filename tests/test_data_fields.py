"""What a column of a table's features holds."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from fastnet.data.fields import Field


def test_a_field_is_a_value_that_compares_and_does_not_change():
    one, same = Field("size", "number", "size"), Field("size", "number", "size")
    assert one == same
    assert one != Field("size", "number", "size", offset=1.0)
    with pytest.raises(FrozenInstanceError):
        one.kind = "category"
