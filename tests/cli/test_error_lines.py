"""Errors as two lines and an exit code."""

import errno

import pytest

from asynctasq.cli.error_lines import error_lines
from asynctasq.cli.exit_codes import ExitCode
from asynctasq.errors import (
    ConfigurationError,
    DriverUnavailable,
    InvalidArgument,
    PluginLoadFailed,
    StorageMissing,
    StorageTooNew,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), ExitCode.NOT_LOADABLE),
        (PluginLoadFailed("x"), ExitCode.NOT_LOADABLE),
        (DriverUnavailable("x"), ExitCode.UNREACHABLE),
        (StorageMissing("x"), ExitCode.STORAGE),
        (StorageTooNew("x"), ExitCode.STORAGE),
        (InvalidArgument("x"), ExitCode.USAGE),
        (OSError("x"), ExitCode.FAILED),
        (ValueError("x"), ExitCode.FAILED),
    ],
)
def test_the_exit_code_says_what_kind_of_trouble(error: Exception, code: ExitCode) -> None:
    """Process managers and scripts decide by the exit code; every kind has a cure line."""
    lines = error_lines(error)
    assert lines.exit_code is code
    assert lines.cure


def test_the_cure_is_the_end_of_our_messages() -> None:
    """Messages say what was found, what was wanted, what to do: the last part is the cure line."""
    lines = error_lines(ConfigurationError("--lease is 'x'; wanted a number above 0. Take 30"))
    assert error_lines(InvalidArgument("id is 'a b'; wanted letters")).cure == "wanted letters"
    assert lines == ("--lease is 'x'; wanted a number above 0", "Take 30", ExitCode.NOT_LOADABLE)


def test_a_full_stop_in_a_list_of_characters_ends_no_sentence() -> None:
    """Where the characters of an id are listed, the list stays in one piece."""
    error = InvalidArgument("id is 'a b'; wanted 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    assert error_lines(error)[:2] == ("id is 'a b'", "wanted 1 to 64 of the characters A-Z a-z 0-9 . _ -")


def test_a_full_disk_is_not_a_matter_of_permissions() -> None:
    """What cures `No space left on device` is room."""
    assert "room" in error_lines(OSError(errno.ENOSPC, "No space left on device")).cure
    assert "permissions" in error_lines(PermissionError(errno.EACCES, "Permission denied")).cure


def test_each_is_one_line() -> None:
    """Multi-line texts of backends don't tear the two lines apart."""
    assert error_lines(DriverUnavailable("no\n  answer\r\n")).cause == "no answer"


def test_the_error_inside_a_group_counts() -> None:
    """Task groups wrap errors; what is told is the one of ours, wherever it is."""
    group = ExceptionGroup("x", [ValueError("odd"), ExceptionGroup("y", [DriverUnavailable("away")])])
    assert error_lines(group) == error_lines(DriverUnavailable("away"))


def test_an_unexpected_error_is_called_a_bug() -> None:
    """What nobody foresaw is named with its type, and how to report it."""
    lines = error_lines(KeyError("x"))
    assert lines.cause == "KeyError: 'x'"
    assert "--debug" in lines.cure
