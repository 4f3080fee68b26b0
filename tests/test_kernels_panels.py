"""Panels of a product: they cover every column, no wider than the tile, and each is compiled once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.kernels import _jit, panels


@given(st.integers(1, 5000), st.integers(0, panels.N_PRODUCTS - 1))
def test_panels_cover_all_columns_in_nearly_equal_widths(n_vectors, product):
    n_panels, n_wide, wide = panels.widths(n_vectors, product)
    assert n_wide * wide + (n_panels - n_wide) * (wide - 1) == n_vectors
    assert 1 <= n_wide <= n_panels and 1 <= wide <= panels._LIMITS[product]
    assert n_panels == -(-n_vectors // panels._LIMITS[product]), "no more panels than needed"
    assert wide > 1 or n_wide == n_panels, "no panel is empty"


def test_a_panel_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [(panels.FORWARD, 1), (panels.WEIGHT_GRADIENT, 1)]
    panels.compile_panels(wanted)
    before = panels.TABLE.copy()
    assert all(before[product, vectors] != 0 for product, vectors in wanted)
    monkeypatch.setattr(_jit, "micro", None)
    panels.compile_panels(wanted)
    assert (before == panels.TABLE).all()


def test_every_product_has_its_microkernel() -> None:
    assert sorted(map(int, panels._SOURCES)) == list(range(panels.N_PRODUCTS)) and len(panels._LIMITS) == len(
        panels.TABLE
    )
    assert not panels.TABLE[:, 0].any(), "a panel has at least one vector"
