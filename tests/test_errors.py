"""The exceptions and warnings of fastnet, and the helpers that raise them."""

from __future__ import annotations

import warnings

import pytest

import fastnet
from fastnet import ConfigError, DataError, FastnetError, FastnetWarning, ModelError, StudyError
from fastnet.errors import failure_as_sentence, failure_as_warning


def test_warnings_and_errors_are_different_families() -> None:
    assert issubclass(FastnetWarning, UserWarning) and not issubclass(FastnetWarning, FastnetError)


def test_every_error_is_of_one_family_and_a_value_error() -> None:
    for kind in (ConfigError, DataError, StudyError, ModelError):
        assert issubclass(kind, FastnetError) and issubclass(kind, ValueError)


def test_a_warning_points_at_the_line_that_called_fastnet() -> None:
    data = fastnet.take_first(fastnet.as_dataset([[0.0]] * 12, ["a"] * 6 + ["b"] * 6), 6)
    with pytest.warns(FastnetWarning, match="no training sample") as caught:
        fastnet.train(data, fastnet.TrainConfig(hidden=(), epochs=1))
    assert [warning.filename for warning in caught] == [__file__] * len(caught)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ZeroDivisionError("division by zero"), "it failed (ZeroDivisionError: division by zero)"),
        (ValueError("one line\nand another"), "it failed (ValueError: one line)"),
        (KeyError(), "it failed (KeyError)"),
        (ImportError("No module named 'x'"), "it failed (No module named 'x')"),
        (OSError(28, "No space left", "/dev/x"), "it failed (No space left); make room and try again"),
        (OSError(), "it failed (OSError)"),
    ],
)
def test_any_exception_becomes_one_sentence_with_its_reason(error: Exception, says: str) -> None:
    with pytest.raises(FastnetError) as caught, failure_as_sentence("it failed"):
        raise error
    assert str(caught.value) == says and caught.value.__cause__ is error


def test_an_error_that_is_a_sentence_already_is_passed_on() -> None:
    own = ModelError("m: no such file")
    with pytest.raises(ModelError) as caught, failure_as_sentence("it failed"):
        raise own
    assert caught.value is own


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_a_request_to_end_is_never_turned_into_a_sentence(end: type[BaseException]) -> None:
    with pytest.raises(end), failure_as_sentence("it failed"):
        raise end


def test_a_failed_extra_of_a_result_is_a_warning() -> None:
    with pytest.warns(FastnetWarning, match=r"^the picture \(MemoryError\)$"), failure_as_warning("the picture"):
        raise MemoryError
    with pytest.warns(FastnetWarning, match="^m: no such file$"), failure_as_warning("the picture"):
        raise ModelError("m: no such file")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with failure_as_warning("the picture"):
            pass
