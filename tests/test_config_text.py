"""The text forms of settings: one parser for each, used by the command line and by Python."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli

from fastnet.config.experiment import ExperimentConfig
from fastnet.config.searching import SearchConfig
from fastnet.config.settings import format_memory
from fastnet.config.text import (
    format_duration,
    parse_candidates,
    parse_count,
    parse_duration,
    parse_memory,
    seconds,
    whole_bytes,
)
from fastnet.config.training import TrainConfig
from fastnet.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1h30m5s", 5405), ("1h5s", 3605),
        ("0.5s", 0.5), ("1.5h", 5400), (" 2H ", 7200), ("8760h", 8760 * 3600),
    ],
)  # fmt: skip
def test_times(text: str, expected: float) -> None:
    assert parse_duration(text) == expected
    assert parse_duration(format_duration(expected)) == expected


@pytest.mark.parametrize(
    "text", ["", "m", "30 m", "5 minutes", "-5", "1m1h", "30mm", "1e3", "nan", "inf", "٣s", "1:30"]
)
def test_texts_that_are_not_times(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time: write 90 or 90s, 30m, 2h or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0", "0h0m", "9000h"])
def test_times_out_of_range(text: str) -> None:
    with pytest.raises(ValueError, match="must be greater than 0 and at most a year"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("512M", 2**29), ("2G", 2**31), ("2GiB", 2**31), ("2gb", 2**31), ("1.5g", 3 * 2**29), ("700", 700),
     ("64k", 2**16), ("1T", 2**40), ("700B", 700)],
)  # fmt: skip
def test_amounts_of_memory(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "G", "2 GB", "a lot", "-1G", "1e9", "2X", "2GG", "nan"])
def test_texts_that_are_not_amounts_of_memory(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount of memory: write 512M, 2G or 2GiB"):
        parse_memory(text)


@pytest.mark.parametrize("text", ["0", "0.5", "2000000T"])
def test_amounts_of_memory_out_of_range(text: str) -> None:
    with pytest.raises(ValueError, match="must be at least a byte"):
        parse_memory(text)


def test_memory_is_written_with_three_digits() -> None:
    sizes = [0, 999, 1023, 1024, 10_240, 1_000_000, 2**30 - 1, 2**41]
    assert [format_memory(size) for size in sizes] == [
        "0 B", "999 B", "1023 B", "1.00 KiB", "10.0 KiB", "977 KiB", "1.00 GiB", "2.00 TiB",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "0", "-1", "some", "1.5", "2147483648", "9" * 5000, "٣x"])
def test_texts_that_are_not_counts(text: str) -> None:
    with pytest.raises(ConfigError, match="is neither a number of samples from 1 to 2147483647 nor 'all'"):
        parse_count(text, "all", of="samples")


def test_counts() -> None:
    assert [parse_count(text, "all", of="samples") for text in ("1", " 20 ", "ALL")] == [1, 20, None]
    assert [parse_candidates(text) for text in ("1", "1000", "none")] == [1, 1000, 0]


# The same words from Python -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "plain"),
    [
        (lambda: TrainConfig(hidden="100x2,50"), lambda: TrainConfig(hidden=(100, 100, 50))),
        (lambda: TrainConfig(hidden="none"), lambda: TrainConfig(hidden=())),
        (lambda: TrainConfig(hidden="8-4", dropout="0,0.5"), lambda: TrainConfig(hidden=(8, 4), dropout=(0.0, 0.5))),
        (lambda: SearchConfig(final="none"), lambda: SearchConfig(final=0)),
        (lambda: SearchConfig(final="7"), lambda: SearchConfig(final=7)),
        (lambda: ExperimentConfig(test_samples="all"), lambda: ExperimentConfig(test_samples=None)),
    ],
)
def test_a_configuration_takes_the_words_of_the_command_line(config: Any, plain: Any) -> None:
    assert config() == plain()
    assert repr(config()) == repr(plain())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TrainConfig(hidden="many"), "hidden='many': write widths such as 100x6"),
        (lambda: TrainConfig(dropout="half"), "dropout='half': write a number such as 0.2"),
        (lambda: SearchConfig(final="all"), "'all' is neither a number of candidates from 1 to 1000 nor 'none'"),
        (lambda: seconds("soon"), "'soon' is not a time"),
        (lambda: whole_bytes("much"), "'much' is not an amount of memory"),
    ],
)
def test_a_wrong_word_is_refused_as_on_the_command_line(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_an_option_refuses_what_its_parser_refuses() -> None:
    result = CliRunner().invoke(cli, ["search", "--timeout", "soon"])
    assert result.exit_code == 2
    assert "Invalid value for '--timeout': 'soon' is not a time: write 90 or 90s, 30m, 2h or 1h30m." in result.stderr
