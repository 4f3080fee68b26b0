"""Settings as text: they read back as they were written, and unreadable ones are refused in one sentence."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.config.settings import is_tame, parse_settings, read_settings, suggestion, to_toml
from fastnet.errors import ConfigError

names = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), texts)


@given(st.dictionaries(names, values), st.dictionaries(names, texts))
def test_what_is_written_reads_back_as_the_same(plain, table):
    plain.pop("space", None)
    settings = {**plain, "space": table}
    content = to_toml(settings).encode()
    assert parse_settings(content, "here") == settings
    assert [type(value) for value in tomllib.loads(content.decode()).values()] == [*map(type, plain.values()), dict]


def test_a_table_is_written_last_and_nothing_for_none():
    text = to_toml({"space": {"a": "log:1:2"}, "jobs": None, "trials": 3})
    assert text == 'trials = 3\n\n[space]\na = "log:1:2"\n'


def test_json_and_toml_say_the_same():
    expected = {"learning_rate": 0.01, "hidden": "100x6", "epochs": 3}
    assert parse_settings(b' {"learning-rate": 0.01, "hidden": "100x6", "epochs": 3, "jobs": null}', "x") == expected
    assert parse_settings(b'\xef\xbb\xbflearning-rate = 0.01\r\nhidden = "100x6"\nepochs = 3', "x") == expected
    assert parse_settings(b"", "x") == {}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff\xfe1", "not UTF-8 text"),
        (b"trials", "cannot be read as TOML, such as trials = 100"),
        (b"trials = 1\ntrials = 2", "cannot be read as TOML"),
        (b"first-epochs = 1\nfirst_epochs = 2", "first_epochs is given twice; give it once"),
        (b"a = " + b"[" * 5000, "cannot be read as TOML"),
        (b'{"trials": 1', "cannot be read as one JSON object"),
        (b'{"trials": 1}\n{"trials": 2}', "cannot be read as one JSON object"),
        (b'{"trials": 1, "trials": 2}', "trials is given twice; give it once"),
        (b'{"a": ' + b"[" * 100_000, "cannot be read as one JSON object"),
        (
            b"learning_rate = 1" + b"0" * 400,
            "is a whole number of 1329 bits; no setting has more than 64",
        ),
        (b"seed = 0x1" + b"0" * 6000, "seed is a whole number of 24001 bits"),
        (b'{"space": {"a": [1, 1' + b"0" * 99 + b"]}}", "a is a whole number of 329 bits"),
        (b"trials = 1" + b"0" * 6000, "cannot be read as TOML"),
        (b"x." * 1500 + b"x = 1", "x is nested in more than 16 tables or lists; settings need one table"),
        (b"x = " + b"[" * 80 + b"]" * 80, "x is nested in more than 16 tables or lists"),
        (b'{"x": ' + b'[{"y":' * 80 + b"1" + b"}]" * 80 + b"}", "is nested in more than 16 tables or lists"),
    ],
)
def test_unreadable_settings_are_refused_in_one_sentence(content, sentence):
    with pytest.raises(ConfigError) as caught:
        parse_settings(content, "study.toml")
    assert str(caught.value).startswith("study.toml: ") and sentence in str(caught.value)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path):
    path = tmp_path / "large.toml"
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigError, match="larger than 1 MB"):
        read_settings(path)
    path.write_bytes(b"#" * 1_000_000)
    assert read_settings(path) == {}


def test_the_nearest_name_is_suggested():
    assert suggestion("weight-decy", ["momentum", "weight_decay"]) == "; did you mean weight_decay?"
    assert suggestion("lr", ["momentum", "weight_decay"]) == ""


def test_many_names_are_read_in_no_time():
    content = b"{" + b",".join(b'"n%d":1' % i for i in range(60_000)) + b"}"
    assert len(parse_settings(content, "x")) == 60_000


@pytest.mark.parametrize(
    ("value", "tame"), [(float("nan"), False), ({"a": ["\ud800"]}, False), (2**65, False), ({}, True)]
)
def test_what_of_json_can_be_written_again(value, tame):
    assert is_tame(value) is tame
    assert is_tame(float("inf"), finite=False)
