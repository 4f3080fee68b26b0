"""The form of text files: recognised from the beginning, or refused in one sentence."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.data.tables import form as form_module
from fastnet.data.tables.form import Form, blocks_of, form_of
from fastnet.errors import DataError


def opening(data: bytes) -> Callable[[], BinaryIO]:
    return lambda: io.BytesIO(data)


def form(data: str | bytes) -> Form:
    return form_of(opening(data.encode() if isinstance(data, str) else data), "a.csv")


@pytest.mark.parametrize(
    ("text", "delimiter", "decimal", "names"),
    [
        ("a,b\n1.5,2\n", ",", ".", ("a", "b")),
        ("a;b\n1,5;2\n2,5;3\n", ";", ",", ("a", "b")),
        ("a\tb\nx, y\t2\n", "\t", ".", ("a", "b")),
        ("a|b\r\n1|2\r\n", "|", ".", ("a", "b")),
        ("# note, with a comma\n\na,b\n1,2\n", ",", ".", ("a", "b")),
        ("#a,b\n1,2\n", ",", ".", ("a", "b")),
        ('"a, or b",c\n1,2\n', ",", ".", ("a, or b", "c")),
        ('"two\nlines",c\n1,2\n', ",", ".", ("two\nlines", "c")),
        ("a,a,\n1,2,3\n", ",", ".", ("a", "a (2)", "column 3")),
        ("1.5,2\n2.5,3\n", ",", ".", ("column 1", "column 2")),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", ",", ".", ("column 1", "column 2", "column 3")),
        ("country,2020,2021\nAustria,1.5,2.5\n", ",", ".", ("country", "2020", "2021")),
        ("x,y\nred,blue\n", ",", ".", ("x", "y")),
        ("only\n1\n2\n", ",", ".", ("only",)),
    ],
)
def test_form_is_recognised(text: str, delimiter: str, decimal: str, names: tuple[str, ...]) -> None:
    found = form(text)
    assert (found.delimiter, found.decimal, found.names) == (delimiter, decimal, names)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_rows_of_values_begin_after_the_names_in_every_encoding(encoding: str) -> None:
    text = "größe,b\nä,2\nö,3\n"
    data = text.encode(encoding)
    found = form(data)
    assert found.names == ("größe", "b")
    assert b"".join(blocks_of(io.BytesIO(data), found)).decode() == "ä,2\nö,3\n"
    assert bool(found.notes) == (encoding == "cp1252")


def test_encoding_is_found_from_the_whole_file() -> None:
    data = b"a,b\n" + b"x,1\n" * 100_000 + "ä,1\n".encode("cp1252")
    assert form(data).encoding == "cp1252"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the file is empty"),
        (b" \n\n", "the file is empty"),
        (b"# a comment\n", "the file has no rows"),
        (b"a,b\n", "names of columns and no rows"),
        (b"a,b\n1,\0\n", "this is not a text file"),
        (b'a,b\n1,2\n3,"x\n4,5\n6,7\n', "line 3: a quote opens a value and is not closed"),
        (b'a,b\n1,"x\n2,"y"\n', "line 2: a quote opens a value"),
        (b'a,b\n1,"x" y\n', "line 2: a quote opens a value"),
        (b'# one\n# two\na,b\n"x\ny",2\n3,"x\n', "line 6: a quote opens a value"),
        (b'a,b\n1,"say \\"hi\\""\n', "write a quote inside a quoted value twice"),
    ],
)
def test_form_refuses(data: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says) as error:
        form(data)
    assert str(error.value).startswith("a.csv")


@pytest.mark.parametrize(
    "row", ['5" pipe,1', '"say ""hi""",1', '"a\nb",1', '"",1', '"a" ,1', '"a,b","c\r\nd"', '"x""",""""', "'it,1"]
)
def test_sound_quotes_are_accepted(row: str) -> None:
    assert form(f"name,b\n{row}\n").names == ("name", "b")


cells = st.text(st.sampled_from('ab",;\n\r '), max_size=6)


@given(rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=8), size=st.integers(1, 9), cut=st.integers(0, 60))
def test_quotes_are_judged_alike_in_blocks_of_any_size(rows: list[tuple[str, str]], size: int, cut: int) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(rows)
    whole = f"name,b\r\n{out.getvalue()}".encode()
    sound = Form("utf-8", ",", ".", ("name", "b"), 8, 1)

    def verdict(data: bytes, block: int) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(form_module, "BLOCK_BYTES", block)
            patch.setattr(form_module, "LONGEST", 1 << 20)
            try:
                form_module._check_quotes(opening(data), sound, "a.csv")
            except DataError as error:
                return str(error)
        return ""

    assert verdict(whole, size) == ""
    assert verdict(whole[: 8 + cut], size) == verdict(whole[: 8 + cut], 1 << 20)
