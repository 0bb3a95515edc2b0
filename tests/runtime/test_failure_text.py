"""Exceptions as the text that is stored of them."""

import pytest

from asynctasq.contract.checks import MAX_FAILURE_BYTES, check_failure
from asynctasq.errors import TaskFailed
from asynctasq.runtime.failure_text import as_exception, bounded_text, failure_of


class CustomError(Exception):
    pass


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_notes_and_causes_survive() -> None:
    """An exception's notes and its chain of causes are part of the stored failure."""
    try:
        try:
            raise KeyError("the cause")
        except KeyError as cause:
            error = CustomError("the error")
            error.add_note("order 4711")
            raise error from cause
    except CustomError as caught:
        failure = failure_of(caught)
    assert failure.type == f"{__name__}.CustomError"
    assert failure.message == "the error"
    for part in ("KeyError: 'the cause'", "order 4711", "direct cause", "CustomError: the error", __file__):
        assert part in failure.traceback


def test_built_in_exceptions_have_their_plain_name() -> None:
    """A ValueError is stored as ValueError."""
    assert failure_of(raised(ValueError("x"))).type == "ValueError"


@pytest.mark.parametrize(
    "text", ["a\0b", "\ud800", "é" * 50_000, "\0" * 50_000, "\ud800" * 50_000, "x" * 5_000_000, "𝄞" * 9000]
)
def test_every_text_fits_every_store(text: str) -> None:
    """NUL and lone surrogates are replaced, and all texts together have at most 8 KiB."""
    failure = failure_of(raised(CustomError(text)))
    check_failure(failure)
    sizes = [len(part.encode()) for part in (failure.type, failure.message, failure.traceback)]
    assert sum(sizes) <= MAX_FAILURE_BYTES
    assert failure.message


def test_a_long_traceback_keeps_its_start_and_its_end() -> None:
    """What is too long is cut in the middle: the first cause and the last error both survive."""
    error = raised(CustomError("head " + "x" * 20_000 + " tail"))
    text = failure_of(error).message
    assert text.startswith("head ")
    assert text.endswith(" tail")
    assert "cut" in text


def test_an_exception_that_has_no_text_is_no_problem() -> None:
    """An exception whose str() raises is stored all the same."""
    assert "RuntimeError" in failure_of(raised(Unprintable())).message


def test_redaction_hook_sees_every_text_and_its_failure_hides_the_text() -> None:
    """Error text passes the redaction hook; if the hook breaks, the text is not stored."""

    def redact(text: str) -> str:
        return text.replace("hunter2", "***")

    def broken(text: str) -> str:
        raise KeyError(text)

    error = raised(ValueError("password hunter2"))
    failure = failure_of(error, redact)
    assert "hunter2" not in failure.message + failure.traceback
    assert failure.message == "password ***"
    failure = failure_of(error, broken)
    assert "hunter2" not in failure.message + failure.traceback


@pytest.mark.parametrize("most", [0, 5, 14, 15, 100])
def test_bounded_text_is_never_longer_than_asked(most: int) -> None:
    """A bound of any size holds, in bytes."""
    assert len(bounded_text("äöü" * 1000, most).encode()) <= most


def test_what_is_no_exception_becomes_one() -> None:
    """failed() and should_retry() get an Exception also for a SystemExit."""
    error = as_exception(raised(SystemExit(3)))
    assert isinstance(error, TaskFailed)
    assert error.type_name == "SystemExit"
    assert isinstance(error.__cause__, SystemExit)
