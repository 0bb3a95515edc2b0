"""An error as the terminal shows it: one line for the cause, one for the cure, and an exit code."""

import errno
import re
from collections.abc import Iterator
from typing import NamedTuple, cast

from asynctasq.cli.exit_codes import ExitCode
from asynctasq.errors import (
    AsyncTasqError,
    ConfigurationError,
    DefinitionError,
    DriverUnavailable,
    InvalidArgument,
    StorageMissing,
    StorageTooNew,
)

_SENTENCE_END = re.compile(r"(?<=\S)[;.] ")
"""A stop after a word: one that stands alone is a character of a list, as in `0-9 . _ -`."""
_CURES: tuple[tuple[type[BaseException], str], ...] = (
    (StorageMissing, "run: asynctasq migrate"),
    (StorageTooNew, "upgrade asynctasq and its driver: the storage was written by a newer version"),
    (DriverUnavailable, "start the server, or say where it is: --url, or ASYNCTASQ_URL"),
    (ConfigurationError, "see what is configured, and where: asynctasq config show"),
    (DefinitionError, "change the task's definition"),
    (AsyncTasqError, "run it again with --debug to see where it comes from"),
    (OSError, "check the path and its permissions"),
    (Exception, "this is a bug in asynctasq or a plugin: --debug shows the traceback to report"),
)


class ErrorLines(NamedTuple):
    """What an error comes to for whoever typed the command."""

    cause: str
    cure: str
    exit_code: ExitCode


def error_lines(error: BaseException) -> ErrorLines:
    """The lines for an error; of a group of errors, those of the first that is ours."""
    error = _most_telling(error)
    cause = _one_line(_message(error))
    cure = next((cure for kind, cure in _CURES if isinstance(error, kind)), "")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        cure = "make room there, or write to another place"
    if isinstance(error, (ConfigurationError, DefinitionError, InvalidArgument, StorageMissing, StorageTooNew)):
        cause, cure = _split_off_cure(cause, cure)
    return ErrorLines(cause, cure, _exit_code(error))


def _most_telling(error: BaseException) -> BaseException:
    leaves = list(_leaves(error))
    return next((leaf for leaf in leaves if isinstance(leaf, AsyncTasqError)), leaves[0])


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(each)
    else:
        yield error


def _message(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, AsyncTasqError | OSError):
        return text or type(error).__name__
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _split_off_cure(message: str, default: str) -> tuple[str, str]:
    """Our messages end with what to do: the part after the last `; ` or `. `."""
    ends = list(_SENTENCE_END.finditer(message))
    if not ends:
        return message.removesuffix("."), default
    return message[: ends[-1].start()], message[ends[-1].end() :].removesuffix(".")


def _exit_code(error: BaseException) -> ExitCode:
    if isinstance(error, StorageMissing | StorageTooNew):
        return ExitCode.STORAGE
    if isinstance(error, DriverUnavailable):
        return ExitCode.UNREACHABLE
    if isinstance(error, ConfigurationError | DefinitionError):
        return ExitCode.NOT_LOADABLE
    return ExitCode.USAGE if isinstance(error, InvalidArgument) else ExitCode.FAILED
