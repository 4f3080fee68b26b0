from __future__ import annotations

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from fastnet.data import Dataset, as_dataset, take_first
from fastnet.data.fields import Field
from fastnet.errors import DataError

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
