"""An exception as text: what is stored of it, bounded, and fit for every store."""

import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from asynctasq.contract.checks import MAX_FAILURE_BYTES
from asynctasq.contract.envelopes import Failure
from asynctasq.errors import Discard, TaskFailed


class FailedInChild(TaskFailed):
    """A failure in another process: what crossed is its text."""


Redact = Callable[[str], str]
"""Takes a text that is about to be stored or shown, and gives it back without what must not be in it."""

_TYPE_BYTES = 200
_MESSAGE_BYTES = 2048
_REASON_BYTES = 200
_CUT = "\n[... cut ...]\n"
_OWN_FOLDER = str(Path(__file__).parent)


def failure_of(error: BaseException, redact: Redact | None = None) -> Failure:
    """The failure that an exception is stored as.

    The traceback has the notes of the exception and the chain of its causes; frames of the worker itself are left out.
    What is too long is cut in its middle: the first cause and the last error both survive.
    """
    if isinstance(error, FailedInChild):
        kind, message, trace = error.type_name, message_of(error), error.traceback
    else:
        kind, message, trace = type_name(error), message_of(error), traceback_of(error)
    if redact is not None:
        message, trace = _redacted(redact, message), _redacted(redact, trace)
    return text_failure(kind, message, trace)


def text_failure(kind: str, message: str, trace: str = "") -> Failure:
    """A failure from texts of any length and content."""
    kind = bounded_text(kind, _TYPE_BYTES) or "Exception"
    message = bounded_text(message, _MESSAGE_BYTES)
    left = MAX_FAILURE_BYTES - len(kind.encode()) - len(message.encode())
    return Failure(type=kind, message=message, traceback=bounded_text(trace, left))


def as_exception(error: BaseException) -> Exception:
    """What `should_retry()` and `failed()` get: an `Exception` also for a `SystemExit` or a cancellation."""
    if isinstance(error, Exception):
        return error
    failure = failure_of(error)
    failed = TaskFailed(f"{failure.type}: {failure.message}", type_name=failure.type, traceback=failure.traceback)
    failed.__cause__ = error
    return failed


def discard_reason(signal: Discard) -> str:
    """Why a task was discarded, fit for every store, whatever the task gave as the reason."""
    try:
        reason = str(signal.reason)
    except Exception:
        return "discarded"
    return bounded_text(reason, _REASON_BYTES) or "discarded"


def type_name(error: BaseException) -> str:
    """`ValueError`, or `package.module.Class` for what is not built in."""
    if isinstance(error, FailedInChild):
        return error.type_name
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def message_of(error: BaseException) -> str:
    """`str(error)`, whatever its author made of `__str__`."""
    try:
        return str(error)
    except Exception as broken:
        return f"<str() of the exception raised {type(broken).__name__}>"


def traceback_of(error: BaseException) -> str:
    """The traceback with notes and causes, from the task's first frame on."""
    try:
        return "".join(traceback.format_exception(type(error), error, _without_own_frames(error.__traceback__)))
    except Exception as broken:
        return f"<the traceback can't be formatted: {type(broken).__name__}>"


def bounded_text(text: str, most_bytes: int) -> str:
    """The text without NUL and lone surrogates, cut in its middle to at most this many bytes of UTF-8."""
    # Cut by characters first: a character has at least one byte, and nobody wants to encode a gigabyte.
    if len(text) > most_bytes:
        half = most_bytes // 2 + 1
        text = text[:half] + text[-half:]
        shortened = True
    else:
        shortened = False
    encoded = text.replace("\0", "\ufffd").encode("utf-8", "replace")
    if not shortened and len(encoded) <= most_bytes:
        return encoded.decode()
    kept = max(most_bytes - len(_CUT), 0)
    head, tail = encoded[: kept // 2], encoded[len(encoded) - (kept - kept // 2) :]
    return head.decode("utf-8", "ignore") + _CUT[: most_bytes - kept] + tail.decode("utf-8", "ignore")


def for_the_log(error: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """An exception as `exc_info`, from the task's first frame on."""
    return type(error), error, _without_own_frames(error.__traceback__)


def _without_own_frames(trace: TracebackType | None) -> TracebackType | None:
    """Skip the frames at the start that are the worker's; keep them all if there is nothing else."""
    start = trace
    while start is not None and start.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
        start = start.tb_next
    return start if start is not None else trace


def _redacted(redact: Redact, text: str) -> str:
    try:
        return redact(text)
    except Exception as broken:
        return f"<redaction raised {type(broken).__name__}>"
