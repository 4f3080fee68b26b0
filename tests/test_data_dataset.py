from __future__ import annotations

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse import csr_array

from fastnet.data import Dataset, as_dataset, split, take_first
from fastnet.data.fields import Field
from fastnet.errors import ConfigError, DataError

LABELS = np.array([0, 1, 0, 1])


def table(**changes: object) -> np.ndarray:
    x = np.arange(8.0).reshape(4, 2)
    for place, value in changes.items():
        x[int(place[1]), int(place[2])] = value
    return x


def test_as_dataset_keeps_uint8_and_flattens_images() -> None:
    images = np.arange(4 * 6, dtype=np.uint8).reshape(4, 3, 2)
    data = as_dataset(images, LABELS)
    assert data.x.dtype == np.uint8
    assert data.x.shape == (4, 6)
    assert np.array_equal(data.x, images.reshape(4, 6))
    assert (data.n_samples, data.n_features, data.n_classes) == (4, 6, 2)
    assert data.x_test is None
    assert data.y_test is None


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8", ">f8", "g", "i1", "i8", ">i2", "u2", "u8", "?"])
def test_as_dataset_turns_other_numbers_into_float32(dtype: str) -> None:
    x = np.array([[0, 1], [1, 0], [1, 1], [0, 0]]).astype(dtype)
    data = as_dataset(x, LABELS)
    assert data.x.dtype == np.float32
    assert data.x.dtype.isnative
    assert data.x.flags.c_contiguous
    assert np.array_equal(data.x, x.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_as_dataset_makes_any_memory_order_contiguous(dtype: type) -> None:
    x = np.arange(48).astype(dtype).reshape(8, 6)
    for view in (np.asfortranarray(x), x[::2], x[:, ::-1], x.T):
        n = len(view)
        data = as_dataset(view, np.arange(n) % 2)
        assert data.x.flags.c_contiguous
        assert np.array_equal(data.x, view)


def test_as_dataset_neither_copies_a_good_array_nor_changes_it() -> None:
    x = table().astype(np.float32)
    data = as_dataset(x, LABELS)
    assert np.shares_memory(data.x, x)
    assert x.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        data.x[0, 0] = 1


@pytest.mark.parametrize(
    ("labels", "names", "indices"),
    [
        ([0, 1, 2, 1], ("0", "1", "2"), [0, 1, 2, 1]),
        ([7, -1, 7, 3], ("-1", "3", "7"), [2, 0, 2, 1]),
        ([1.0, 2.0, 1.0, 2.0], ("1", "2"), [0, 1, 0, 1]),
        (np.float16([1, 2, 1, 2]), ("1", "2"), [0, 1, 0, 1]),
        (np.uint64([5, 2, 5, 2]), ("2", "5"), [1, 0, 1, 0]),
        ([True, False, True, True], ("0", "1"), [1, 0, 1, 1]),
        (["oak", "elm", "ash", "oak"], ("ash", "elm", "oak"), [2, 1, 0, 2]),
        (np.array([b"b", b"a", b"b", b"a"]), ("a", "b"), [1, 0, 1, 0]),
        (np.array([[3], [4], [3], [4]]), ("3", "4"), [0, 1, 0, 1]),
    ],
)
def test_as_dataset_names_the_classes(labels: object, names: tuple[str, ...], indices: list[int]) -> None:
    data = as_dataset(table(), labels)  # type: ignore[arg-type]
    assert data.class_names == names
    assert data.y.dtype == np.int64
    assert data.y.tolist() == indices


def test_as_dataset_shares_classes_between_training_and_test() -> None:
    data = as_dataset(table(), ["b", "c", "b", "c"], x_test=table()[:2], y_test=["a", "c"])
    assert data.class_names == ("a", "b", "c")
    assert data.y.tolist() == [1, 2, 1, 2]
    assert data.y_test is not None
    assert data.y_test.tolist() == [0, 2]


def test_as_dataset_follows_given_class_names() -> None:
    by_index = as_dataset(table(), LABELS, class_names=["zebra", "ant", "bee"])
    by_name = as_dataset(table(), ["zebra", "ant", "zebra", "ant"], class_names=["zebra", "ant", "bee"])
    assert by_index.class_names == by_name.class_names == ("zebra", "ant", "bee")
    assert by_index.y.tolist() == by_name.y.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (table(p21=math.nan), r"x\[2, 1\] is nan"),
        (table(p30=math.inf, p31=math.nan), r"x\[3, 0\] is inf"),
        (table(p01=-math.inf).astype(np.float32), r"x\[0, 1\] is -inf"),
        (table(p01=1e39).astype("g") * np.longdouble(1e300), r"x\[0, 1\] is .*e\+338: too large for float64"),
        (np.array([[1, 2], [3, None], [1, 2], [1, 2]], dtype=object), r"x\[1, 1\] is nan"),
        (np.array([[1, 2], [3, "red"], [1, 2], [1, 2]], dtype=object), r"x\[1, 1\] is 'red': features must be numbers"),
        (np.array([["1", "2"]] * 4), "features must be numbers"),
        (np.zeros((4, 2), dtype=complex), "features must be numbers"),
        (np.zeros((4, 2), dtype="M8[s]"), "features must be numbers"),
        ([[1, 2], [3], [1, 2], [1, 2]], "not a regular array"),
        (np.ma.masked_equal(table(), 3.0), "masked"),
        (np.arange(4.0), r"shape \(4,\)"),
        (np.float32(3), r"shape \(\)"),
        (np.zeros((0, 2)), r"shape \(0, 2\)"),
        (np.zeros((4, 0)), r"shape \(4, 0\)"),
        (table()[:3], "x holds 3 samples but y holds 4 labels"),
    ],
)
def test_as_dataset_refuses_features(x: object, says: str) -> None:
    with pytest.raises(DataError, match=says):
        as_dataset(x, LABELS)  # type: ignore[arg-type]


def test_as_dataset_names_the_pixel_of_a_bad_image() -> None:
    images = np.zeros((5000, 30, 40))
    images[4321, 12, 34] = math.nan
    with pytest.raises(DataError, match=r"x\[4321, 12, 34\] is nan"):
        as_dataset(images, np.arange(5000) % 2)


@pytest.mark.parametrize(
    ("y", "says"),
    [
        ([1.0, math.nan, 0.0, 1.0], r"y\[1\] is nan"),
        ([1.0, 0.0, 1e300, 1.0], r"y\[2\] is 1e\+300"),
        (np.array([1, 2**64 - 1, 1, 1], dtype=np.uint64), r"y\[1\] is 18446744073709551615"),
        (np.eye(4), "argmax"),
        (np.zeros((4, 1, 1)), r"shape \(4, 1, 1\)"),
        (3, r"shape \(\)"),
        ([], "empty"),
        ([7, 7, 7, 7], "all 4 labels of y are '7'"),
        (np.array(["a", 1, None, "b"], dtype=object), r"y\[2\] is None: every sample needs a label"),
        (np.array([b"\xff", b"a", b"a", b"a"]), "UTF-8"),
        (np.zeros(4, dtype="M8[s]"), "whole numbers or text"),
        (np.zeros(4, dtype=complex), "whole numbers or text"),
    ],
)
def test_as_dataset_refuses_labels(y: object, says: str) -> None:
    with pytest.raises(DataError, match=says):
        as_dataset(table(), y)  # type: ignore[arg-type]


def test_as_dataset_refuses_more_classes_than_a_network_can_have() -> None:
    with pytest.raises(DataError, match="70000 different labels"):
        as_dataset(np.zeros((70000, 1), dtype=np.uint8), np.arange(70000))


@pytest.mark.parametrize(
    ("y", "names", "says"),
    [
        ([0, 1, 2, 1], ("a", "b"), r"y\[2\] is 2: labels must be from 0 to 1"),
        ([0, -1, 0, 1], ("a", "b"), r"y\[1\] is -1"),
        (["a", "b", "c", "a"], ("a", "b"), r"y\[2\] is 'c': labels must be one of the class names"),
        (LABELS, ("a", "a"), "2 different names"),
        (LABELS, ("a",), "2 different names"),
        (LABELS, "ab", "2 different names"),
        (LABELS, (0, 1), "2 different names"),
    ],
)
def test_as_dataset_refuses_class_names(y: object, names: object, says: str) -> None:
    with pytest.raises(DataError, match=says):
        as_dataset(table(), y, class_names=names)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("x_test", "y_test", "says"),
    [
        (table(), None, "x_test is given without y_test"),
        (None, LABELS, "y_test is given without x_test"),
        (table()[:, :1], LABELS, "x has 2 features but x_test has 1"),
        (table()[:3], LABELS, "x_test holds 3 samples but y_test holds 4"),
        (table(p00=math.nan), LABELS, r"x_test\[0, 0\] is nan"),
        (table().astype(np.uint8), LABELS, "x is float32 but x_test is uint8"),
        (table(), ["a", "b", "a", "b"], "different kinds"),
    ],
)
def test_as_dataset_refuses_a_test_set(x_test: object, y_test: object, says: str) -> None:
    with pytest.raises(DataError, match=says):
        as_dataset(table(), LABELS, x_test=x_test, y_test=y_test)  # type: ignore[arg-type]


def test_fingerprint_sees_every_array_and_nothing_else(tiny_dataset: Dataset) -> None:
    x, y = np.array(tiny_dataset.x), np.array(tiny_dataset.y)
    plain = as_dataset(x, y)
    assert plain.fingerprint() == as_dataset(x.copy(), y, name="b", class_names=("p", "q", "r")).fingerprint()
    changed = x.copy()
    changed[3, 3] ^= 1
    others = [
        as_dataset(changed, y),
        as_dataset(x, (y + 1) % 3),
        as_dataset(x.astype(np.float32), y),
        as_dataset(x, y, x_test=x, y_test=y),
        as_dataset(x[:-1], y[:-1]),
        take_first(plain, 50),
    ]
    assert len({data.fingerprint() for data in [plain, *others]}) == 1 + len(others)
    assert len(plain.fingerprint()) == 64


def test_the_training_part_has_the_fingerprint_that_it_has_alone(tiny_dataset: Dataset) -> None:
    assert tiny_dataset.x_test is not None
    x, y, n = tiny_dataset.x, tiny_dataset.y, len(tiny_dataset.y)
    weighted = as_dataset(x, y, x_test=x[:9], y_test=y[:9], weights=np.arange(n), weights_test=np.arange(9.0))
    grouped = as_dataset(csr_array(x), y, x_test=csr_array(x[:9]), y_test=y[:9], groups=np.arange(n) // 3)
    for whole in (tiny_dataset, weighted, grouped):
        alone = replace(whole.without_test())
        expected = replace(alone).fingerprint()
        assert alone.fingerprint() == expected != whole.fingerprint()
        assert whole.without_test()._fingerprint == whole.without_test().fingerprint() == expected


def test_fingerprint_is_computed_once(tiny_dataset: Dataset) -> None:
    assert tiny_dataset.fingerprint() is tiny_dataset.fingerprint()


def test_dataset_survives_pickling(tiny_dataset: Dataset) -> None:
    copy = pickle.loads(pickle.dumps(tiny_dataset))
    assert copy.fingerprint() == tiny_dataset.fingerprint()
    assert repr(copy) == "Dataset('tiny': 90 samples, 12 features, 3 classes, 30 test samples)"


def test_take_first_takes_the_first_and_keeps_the_rest(tiny_dataset: Dataset) -> None:
    few = take_first(tiny_dataset, 10)
    assert np.array_equal(few.x, tiny_dataset.x[:10])
    assert np.array_equal(few.y, tiny_dataset.y[:10])
    assert few.x_test is tiny_dataset.x_test
    assert few.class_names == tiny_dataset.class_names
    assert take_first(tiny_dataset, 90) is tiny_dataset


@pytest.mark.parametrize("n", [0, -3, 91, 2.0, True, "10", None])
def test_take_first_refuses(tiny_dataset: Dataset, n: int) -> None:
    with pytest.raises(DataError, match="tiny has 90 training samples; take a whole number from 1 to 90"):
        take_first(tiny_dataset, n)


label_arrays = hnp.arrays(np.int64, st.integers(2, 200), elements=st.integers(0, 6))
fractions = st.floats(0.01, 0.99)
seeds = st.integers(0, 2**64 - 1)


@given(y=label_arrays, fraction=fractions, seed=seeds)
def test_split_is_disjoint_complete_and_exact(y: np.ndarray, fraction: float, seed: int) -> None:
    parts = split(y, fraction=fraction, seed=seed)
    assert parts.train.dtype == parts.validation.dtype == np.int64
    assert sorted([*parts.train, *parts.validation]) == list(range(len(y)))
    assert len(parts.validation) == min(max(round(fraction * len(y)), 1), len(y) - 1)


@given(y=label_arrays, fraction=fractions, seed=seeds)
def test_split_is_stratified_within_one(y: np.ndarray, fraction: float, seed: int) -> None:
    parts = split(y, fraction=fraction, seed=seed)
    share = len(parts.validation) / len(y)
    for label in np.unique(y):
        exact = share * np.count_nonzero(y == label)
        assert abs(np.count_nonzero(y[parts.validation] == label) - exact) < 1


@given(y=label_arrays, fraction=fractions, seed=seeds)
def test_split_leaves_a_class_out_only_when_there_is_no_room(y: np.ndarray, fraction: float, seed: int) -> None:
    parts = split(y, fraction=fraction, seed=seed)
    n_validation = len(parts.validation)
    counts = np.unique(y, return_counts=True)[1]
    spare = n_validation - int(sum(c * n_validation // len(y) for c in counts))
    rare = [label for label in np.unique(y) if (c := np.count_nonzero(y == label)) >= 2 and c * n_validation < len(y)]
    absent = [label for label in rare if label not in y[parts.validation]]
    assert len(absent) == max(0, len(rare) - spare)


@given(y=label_arrays, fraction=fractions, seed=seeds)
def test_split_follows_from_its_seed_and_only_from_classes(y: np.ndarray, fraction: float, seed: int) -> None:
    once = split(y, fraction=fraction, seed=seed)
    again = split(y * 10 - 3, fraction=fraction, seed=seed)
    assert np.array_equal(once.train, again.train)
    assert np.array_equal(once.validation, again.validation)


def test_split_differs_between_seeds_and_shuffles() -> None:
    y = np.arange(1000) % 10
    validations = [split(y, seed=seed).validation for seed in (0, 1, 2**63, 2**64 - 1)]
    assert len({tuple(v) for v in validations}) == 4
    assert not np.array_equal(validations[0], np.sort(validations[0]))


@pytest.mark.parametrize("seed", [0, 1, 5000])
def test_split_mixes_the_classes_from_the_first_sample_to_the_last(seed: int) -> None:
    y = np.repeat(np.arange(10), 500)
    parts = split(y, seed=seed)
    for part in (parts.train, parts.validation):
        for start in range(0, len(part), 500):
            assert np.bincount(y[part[start : start + 500]], minlength=10).min() > 25


def test_split_draws_every_sample_equally_often() -> None:
    y = np.array([0] * 12 + [1] * 8)
    drawn = np.zeros(20)
    places = np.zeros(20)
    for seed in range(400):
        parts = split(y, fraction=0.25, seed=seed)
        drawn[parts.validation] += 1
        places[np.concatenate([parts.train, parts.validation])] += np.arange(20)
    assert np.abs(drawn / 400 - 0.25).max() < 0.1
    assert np.abs(places / 400 - 9.5).max() < 1.5


def test_split_never_changes() -> None:
    parts = split(np.arange(20) % 4, fraction=0.2, seed=7)
    assert parts.validation.tolist() == [3, 6, 8, 1]
    assert parts.train.tolist() == [14, 17, 9, 13, 18, 5, 2, 11, 10, 0, 16, 4, 12, 15, 19, 7]


def test_split_of_the_book() -> None:
    y = np.repeat(np.arange(10), 50)
    parts = split(y)
    assert (len(parts.train), len(parts.validation)) == (400, 100)
    assert np.bincount(y[parts.validation]).tolist() == [10] * 10


def test_split_prefers_rare_classes_and_keeps_single_samples_for_training() -> None:
    y = np.array([0] * 12 + [1] * 2 + [2] * 2 + [3])
    parts = split(y, fraction=0.2)
    assert np.bincount(y[parts.validation], minlength=4).tolist() == [2, 1, 0, 0]
    parts = split(y, fraction=0.25)
    assert np.bincount(y[parts.validation], minlength=4).tolist() == [2, 1, 1, 0]


def test_split_copes_with_nothing_but_single_samples() -> None:
    parts = split(np.arange(10), fraction=0.3)
    assert (len(parts.train), len(parts.validation)) == (7, 3)


@pytest.mark.parametrize("fraction", [0, 1, 0.0, 1.0, -0.1, 20, math.nan, math.inf, True, "0.2", None])
def test_split_refuses_a_fraction(fraction: float) -> None:
    with pytest.raises(ConfigError, match=r"must be in \(0, 1\)"):
        split(LABELS, fraction=fraction)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, True, "1", None])
def test_split_refuses_a_seed(seed: int) -> None:
    with pytest.raises(ConfigError, match="must be a whole number"):
        split(LABELS, seed=seed)


def test_split_refuses_a_single_sample() -> None:
    with pytest.raises(DataError, match=r"a split needs at least 2 samples, .* and has 1"):
        split([0])


def test_without_test_hides_the_test_set():
    data = as_dataset([[1.0], [2.0]], [0, 1], x_test=[[3.0]], y_test=[1])
    hidden = data.without_test()
    assert hidden.x_test is None and hidden.y_test is None and hidden.x is data.x


def test_take_first_and_the_fingerprint_carry_what_belongs_to_each_sample():
    plain = as_dataset([[0.0], [1.0], [2.0]], [0, 1, 0])
    weighted = replace(plain, weights=np.float32([1, 2, 3]), groups=np.array([5, 5, 6]), times=np.arange(3.0))
    first = take_first(weighted, 2)
    assert first.weights.tolist() == [1, 2]
    assert first.groups.tolist() == [5, 5]
    assert first.times.tolist() == [0, 1]
    assert weighted.fingerprint() != plain.fingerprint()
    named = replace(plain, fields=(Field("a", "number", "a"),))
    assert len({plain.fingerprint(), named.fingerprint(), replace(named, numbers="standard").fingerprint()}) == 3
