"""Names of columns that look the same are the same."""

from __future__ import annotations

from fastnet.data.tables.naming import plain_name, plain_names


def test_accents_are_composed_and_unseen_characters_at_the_ends_go() -> None:
    assert plain_name("Gro\u0308ße") == "Größe"
    assert plain_name("\ufeff\u200bage\u200e") == "age"
    assert plain_name("می\u200cخواهم") == "می\u200cخواهم"  # a joiner inside a word belongs to it


def test_names_that_would_be_the_same_stay_as_they_are() -> None:
    assert plain_names(["cafe\u0301", "x"]) == ("café", "x")
    assert plain_names(["cafe\u0301", "café"]) == ("cafe\u0301", "café")
