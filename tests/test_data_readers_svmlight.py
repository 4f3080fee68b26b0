"""Files of svmlight: read as scikit-learn reads them, or refused with the number of the line."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from fastnet.data.readers.svmlight import is_svmlight, read_svmlight, stem_of
from fastnet.errors import DataError

X = sparse.random_array((20, 9), density=0.3, format="csr", dtype=np.float32, random_state=2)
X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)  # older scikit-learn writes no others
GOOD = "1 2:0.5 4:1\n0 1:2 # why\n\n# nothing\n1\n"


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("zero_based", [True, False])
def test_columns_are_the_indices_of_the_file(tmp_path: Path, zero_based: bool) -> None:
    path = tmp_path / "a.svm"
    dump_svmlight_file(X, np.arange(20) % 3, str(path), zero_based=zero_based)
    found = read_svmlight(path)
    expected, y = load_svmlight_file(str(path), zero_based=True, dtype=np.float32)
    assert np.array_equal(found.x.toarray(), expected.toarray())
    assert found.y is not None
    assert found.y.dtype == np.int64
    assert np.array_equal(found.y, y)
    assert found.open_ended
    assert found.groups is None
    shift = 0 if zero_based else 1
    assert np.array_equal(found.x.toarray()[:, shift : 9 + shift], X.toarray()[:, : found.x.shape[1] - shift])


def test_comments_blank_lines_and_samples_without_values_are_read(tmp_path: Path) -> None:
    found = read_svmlight(written(tmp_path / "a.svm", GOOD))
    assert found.x.toarray().tolist() == [[0, 0, 0.5, 0, 1], [0, 2, 0, 0, 0], [0, 0, 0, 0, 0]]
    assert found.y is not None
    assert found.y.tolist() == [1, 0, 1]


def test_numbers_with_fractions_stay_numbers(tmp_path: Path) -> None:
    found = read_svmlight(written(tmp_path / "a.svm", "0.5 1:1\n2 1:2\n"))
    assert found.y is not None
    assert found.y.tolist() == [0.5, 2.0]


def test_qid_becomes_the_group(tmp_path: Path) -> None:
    found = read_svmlight(written(tmp_path / "a.svm", "1 qid:7 1:1\n0 qid:7 1:2\n1 qid:9 1:3\n"))
    assert found.groups is not None
    assert found.groups.tolist() == [7, 7, 9]


@pytest.mark.parametrize("first", ["1,3 1:1\n", "3 1:1\n1 1:1\n"])
def test_several_labels_become_columns(tmp_path: Path, first: str) -> None:
    found = read_svmlight(written(tmp_path / "a.svm", first + "3,1 2:1\n 2:4\n1 3:1\n"))
    assert found.names == ("1", "3")
    assert found.y is not None
    assert found.y[-3:].tolist() == [[1.0, 1.0], [0.0, 0.0], [1.0, 0.0]]


def test_compressed_files_are_read(tmp_path: Path) -> None:
    for name, packed in (("a.svm.gz", gzip.compress(GOOD.encode())), ("a.libsvm.bz2", bz2.compress(GOOD.encode()))):
        (tmp_path / name).write_bytes(packed)
        assert is_svmlight(tmp_path / name)
        assert stem_of(tmp_path / name) == "a"
        assert read_svmlight(tmp_path / name).x.shape == (3, 5)
        (tmp_path / name).write_bytes(packed[: len(packed) // 2])
        with pytest.raises(DataError, match="the file is truncated or damaged"):
            read_svmlight(tmp_path / name)
        (tmp_path / name).write_bytes(b"1 1:1\n")
        with pytest.raises(DataError, match=r"damaged|cannot be read"):
            read_svmlight(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no samples; each needs a line with a label and its values, such as '1 3:0.5 7:1.25'"),
        ("# nothing\n\n", "no samples"),
        ("1 1:1\n3:4 5:6\n", "line 2 begins with '3:4', where a label is needed, 0 if it is not known"),
        ("1 1:1\n\nyes 1:1\n", "line 3 has the label 'yes': labels must be finite numbers"),
        ("nan 1:1\n", "line 1 has the label 'nan': labels must be finite numbers"),
        ("1, 1:1\n", "line 1 has the label '': labels must be finite numbers"),
        ("1 1:1 x:2\n", "line 1 has 'x:2', where index:value with a finite number is needed"),
        ("1 1:1 2\n", "line 1 has '2', where index:value"),
        ("1 1:inf\n", "line 1 has '1:inf', where index:value with a finite number is needed"),
        ("1 1:1e300\n", "line 1 has '1:1e300', where index:value"),
        ("1 1:1;2\n", "line 1 has '1:1;2', where index:value"),
        ("1 -1:1\n", "line 1 has the index -1: must be from 0 to 4294967295, and ascend"),
        ("1 3:1 2:1\n", "line 1 has the index 2: must be from 0 to 4294967295, and ascend"),
        ("1 3:1 3:1\n", "line 1 has the index 3: must be from 0"),
        ("1 3:1 99999999999:1\n", "line 1 has the index 99999999999: must be from 0 to 4294967295"),
        ("1 qid:x 3:1\n", "line 1 has 'qid:x', where index:value"),
        ("a,b,c\n1,2,3\n", "line 1 has the label 'a': labels must be finite numbers"),
        ("1 " + "x" * 99 + "\n", f"line 1 has '{'x' * 30}...', where index:value"),
        ("\x00\x01\x02", "line 1 has the label '\\x00\\x01\\x02': labels"),
    ],
)
def test_the_first_line_that_cannot_be_read_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path / "a.svm", text)
    with pytest.raises(DataError) as raised:
        read_svmlight(path)
    assert str(raised.value).startswith(f"{path}: {message}")
    assert "\n" not in str(raised.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet="01.:,# -q\nidae", max_size=40))
def test_any_text_is_read_or_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    path = written(tmp_path / "a.svm", text)
    try:
        assert read_svmlight(path).x.shape[0] > 0
    except DataError as error:
        assert "\n" not in str(error)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_svmlight(tmp_path / "a.svm")
