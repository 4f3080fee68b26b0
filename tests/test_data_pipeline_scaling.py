from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastnet
from fastnet.data.pipeline.scaling import fit_scaler
from fastnet.errors import DataError

ALL = np.arange(4)


def test_scaler_of_images_is_one_over_255() -> None:
    x = np.arange(256, dtype=np.uint8).reshape(4, 64)
    scaler = fit_scaler(x, ALL)
    assert not scaler.offset.any()
    assert (scaler.scale == np.float32(1 / 255)).all()
    scaled = scaler.apply(x)
    assert scaled.dtype == np.float32
    assert scaled.flags.c_contiguous
    assert np.array_equal(scaled, x.astype(np.float32) * np.float32(1 / 255))


def test_scaler_of_images_ignores_the_rows() -> None:
    x = np.arange(256, dtype=np.uint8).reshape(4, 64)
    assert np.array_equal(fit_scaler(x, ALL[:1]).scale, fit_scaler(x, ALL).scale)


@given(
    x=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=40),
        elements=st.floats(-1000, 1000, width=16),
    )
)
def test_scaler_standardises_the_training_rows(x: np.ndarray) -> None:
    train = np.arange(0, len(x), 2)
    scaler = fit_scaler(x, train)
    scaled = scaler.apply(x)
    expected_mean = x[train].astype(np.float64).mean(axis=0)
    expected_deviation = x[train].astype(np.float64).std(axis=0)
    varies = x[train].min(axis=0) != x[train].max(axis=0)
    np.testing.assert_allclose(scaler.offset, expected_mean, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(scaler.scale[varies], 1 / expected_deviation[varies], rtol=1e-6)
    assert (scaler.scale[~varies] == 1).all()
    assert (np.abs(scaled[train][:, ~varies]) < 1e-3).all()


def test_scaler_knows_nothing_of_validation_rows() -> None:
    x = np.float32([[1, 5], [3, 5], [5, 9], [1e9, -1e9]])
    before = fit_scaler(x, np.array([0, 1, 2]))
    x[3] = -7
    after = fit_scaler(x, np.array([0, 1, 2]))
    assert np.array_equal(before.offset, after.offset)
    assert np.array_equal(before.scale, after.scale)


def test_scaler_leaves_constant_columns_at_zero() -> None:
    x = np.full((1000, 3), np.float32(0.1))
    scaler = fit_scaler(x, np.arange(1000))
    assert (scaler.scale == 1).all()
    assert not scaler.apply(x).any()


def test_scaler_does_the_same_in_one_block_and_in_many(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.Philox(key=1).random_raw(700).reshape(100, 7).astype(np.float32)
    train = np.arange(99, -1, -3)
    whole = fit_scaler(x, train)
    monkeypatch.setattr("fastnet.data.coerce.BLOCK_VALUES", 20)
    pieces = fit_scaler(x, train)
    np.testing.assert_allclose(pieces.scale, whole.scale, rtol=1e-6)
    np.testing.assert_allclose(pieces.offset, whole.offset, rtol=1e-6)
    rows = np.concatenate([whole.apply(x[i : i + 1]) for i in range(100)])
    assert np.array_equal(rows, whole.apply(x))


def test_scaler_accepts_other_numeric_types_and_orders() -> None:
    x = np.float32([[1, 5], [3, 6], [5, 9], [2, 2]])
    scaler = fit_scaler(x, ALL)
    for other in (x.astype(np.float64), x.astype(np.int64), np.asfortranarray(x)):
        assert np.array_equal(scaler.apply(other), scaler.apply(x))


@pytest.mark.parametrize("shape", [(4, 3), (4, 1), (4,), (2, 2, 2)])
def test_scaler_refuses_another_number_of_features(shape: tuple[int, ...]) -> None:
    scaler = fit_scaler(np.float32([[1, 5], [3, 6], [5, 9], [2, 2]]), ALL)
    with pytest.raises(DataError, match="samples of 2 features are needed"):
        scaler.apply(np.zeros(shape, dtype=np.float32))


def test_scaler_refuses_values_that_leave_float32() -> None:
    scaler = fit_scaler(np.float32([[0, 0], [0, 1e-30], [0, 0], [0, 0]]), ALL)
    with pytest.raises(DataError, match=r"x\[1, 1\] is 1e\+20: too far from the training samples"):
        scaler.apply(np.float32([[0, 0], [0, 1e20]]))


@pytest.mark.parametrize("column", [[0, 1e-45, 0, 0], [-3e38, 3e38, -3e38, 3e38]])
def test_fit_scaler_refuses_a_spread_that_float32_cannot_invert(column: list[float]) -> None:
    x = np.zeros((4, 2), dtype=np.float32)
    x[:, 1] = column
    with pytest.raises(DataError, match="feature 1 of x has a standard deviation of"):
        fit_scaler(x, ALL)


N = 60
Y = (np.arange(N) >= N // 2).astype(int)
STEPS = np.arange(float(N)).reshape(-1, 1)


@given(offset=st.floats(-1e12, 1e12), spread=st.floats(1e-3, 1e3), seed=st.integers(0, 1000))
def test_scaled_values_are_right_whatever_the_offset(offset: float, spread: float, seed: int) -> None:
    x = np.random.Generator(np.random.Philox(key=seed)).normal(offset, spread, (50, 1))
    data = fastnet.as_dataset(x, np.arange(50) % 2)
    if x.std() < 2**-40 * abs(offset):
        return  # there is no spread left in float64 either
    expected = (x - x.mean()) / x.std()
    found = fit_scaler(data.x, np.arange(50)).apply(data.x)
    # float32 where rounding moves a value by no more than 2**-16 of a deviation, its mean and its scale likewise
    np.testing.assert_allclose(found, expected, atol=2**-14 + 2**-50 * abs(offset) / x.std())


def test_features_that_are_constant_but_for_rounding_stay_constant() -> None:
    noise = np.hstack([np.full((N, 1), 0.1) + 1e-17 * STEPS, 1.7e9 + STEPS, np.full((N, 1), 1e9 / 3)])
    noise[::2, 0] = np.nextafter(0.1, 1)
    data = fastnet.as_dataset(noise, Y)
    scaler = fit_scaler(data.x, np.arange(N))
    assert data.x.dtype == np.float64 and scaler.scale[[0, 2]].tolist() == [1.0, 1.0]
    assert np.abs(scaler.apply(data.x)[:, [0, 2]]).max() < 1e-6
    assert fastnet.as_dataset(noise[:, [0, 2]], Y).x.dtype == np.float32


def test_a_feature_of_the_smallest_numbers_is_refused_without_a_warning():
    with pytest.raises(DataError, match="feature 0 of x has a standard deviation of"):
        fit_scaler(np.array([[0.0], [1e-320]]), np.arange(2))
