"""The bounds of the contract, checked once for every driver.

Each function raises `InvalidArgument` (or `PayloadTooLarge`) with what was found and what is wanted, and has no other
effect. The base class calls them before a hook of a driver runs; features and bound drivers call them themselves.
"""

import re
from collections.abc import Sequence
from datetime import timedelta

from asynctasq.contract.envelopes import Failure, NewTask
from asynctasq.contract.settlements import Bury, Cancel, Complete, Release, Retry, Settlement
from asynctasq.contract.traits import Limits
from asynctasq.errors import InvalidArgument, PayloadTooLarge

MAX_TEXT_BYTES = 200
MAX_FAILURE_BYTES = 8 * 1024
PRIORITIES = range(10)
DEFAULT_REMEMBER_FOR = 60.0

_is_identifier = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch
_NO_DELAY = timedelta(0)


def check_identifier(what: str, value: object) -> None:
    """`what` (an id, a queue, a namespace) matches `[A-Za-z0-9._-]{1,64}`."""
    if not isinstance(value, str) or _is_identifier(value) is None:
        raise InvalidArgument(f"{what} is {_shown(value)}; wanted 1 to 64 of the characters A-Z a-z 0-9 . _ -")


def check_identifiers(what: str, values: Sequence[str]) -> None:
    """Every one of `values` is an identifier. A bare string is refused: it would be taken for its letters."""
    if isinstance(values, str | bytes):
        raise InvalidArgument(f"{what}s is the single string {_shown(values)}; wanted a list of names")
    for value in values:
        check_identifier(what, value)


def check_text(what: str, value: object) -> None:
    """`value` is 1 to 200 bytes of UTF-8 without NUL."""
    if isinstance(value, str) and value and "\0" not in value:
        if len(value) <= MAX_TEXT_BYTES and value.isascii():
            return
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            size = MAX_TEXT_BYTES + 1  # a lone surrogate is not UTF-8
        if size <= MAX_TEXT_BYTES:
            return
    raise InvalidArgument(f"{what} is {_shown(value)}; wanted 1 to {MAX_TEXT_BYTES} bytes of UTF-8 without NUL")


def check_duration(what: str, value: object, limits: Limits, *, positive: bool = False) -> None:
    """`value` is a finite number of seconds, from 0 (exclusive if `positive`) to `limits.max_delay`."""
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value <= limits.max_delay  # which neither NaN nor infinity is
        and (value > 0 or not positive)
    ):
        return
    least = "more than 0" if positive else "0"
    raise InvalidArgument(f"{what} is {_shown(value)}; wanted a number of seconds from {least} to {limits.max_delay:g}")


def check_limit(what: str, value: object, limits: Limits) -> None:
    """`value` is a whole number from 1 to `limits.max_batch`."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= limits.max_batch:
        raise InvalidArgument(f"{what} is {_shown(value)}; wanted a whole number from 1 to {limits.max_batch}")


def check_batch(what: str, size: int, limits: Limits) -> None:
    """A batch has at most `limits.max_batch` items; it is never split in silence."""
    if size > limits.max_batch:
        raise InvalidArgument(f"{size} {what} in one call; at most {limits.max_batch} fit. Send them in several calls")


def check_payload(what: str, value: object, limits: Limits) -> None:
    """`value` is bytes, at most `limits.max_payload_bytes` of them."""
    if not isinstance(value, bytes):
        raise InvalidArgument(f"{what} is of type {type(value).__name__}; wanted bytes")
    if len(value) > limits.max_payload_bytes:
        raise PayloadTooLarge(
            f"{what} has {len(value)} bytes; at most {limits.max_payload_bytes} fit. "
            "Store the data elsewhere and pass a reference"
        )


def check_priority(value: object) -> None:
    """`value` is a whole number from 0 to 9."""
    if not isinstance(value, int) or isinstance(value, bool) or value not in PRIORITIES:
        raise InvalidArgument(f"priority is {_shown(value)}; wanted a whole number from 0 to 9 (9 first)")


def check_new_tasks(tasks: Sequence[NewTask], limits: Limits) -> None:
    """Every task of a batch is within the bounds, and the batch is not too large."""
    check_batch("tasks", len(tasks), limits)
    for task in tasks:
        check_new_task(task, limits)


def check_new_task(task: NewTask, limits: Limits) -> None:
    """One task is within the bounds."""
    check_identifier("id", task.id)
    check_identifier("queue", task.queue)
    check_text("name", task.name)
    check_payload("payload", task.payload, limits)
    check_priority(task.priority)
    if task.correlation_id is not None:
        check_text("correlation_id", task.correlation_id)
    if task.dedupe_key is not None:
        check_text("dedupe_key", task.dedupe_key)
    if task.delay != 0.0:  # a default is within every bound; most tasks have nothing but defaults
        check_duration("delay", task.delay, limits)
    if task.keep_for != 0.0:
        check_duration("keep_for", task.keep_for, limits)
    if task.remember_for != DEFAULT_REMEMBER_FOR:
        check_duration("remember_for", task.remember_for, limits)
    if task.expires_after is not None:
        check_duration("expires_after", task.expires_after, limits)
    if task.available_at is not None:
        if task.delay:
            raise InvalidArgument("both delay and available_at are given; wanted one of them")
        if task.available_at.utcoffset() != _NO_DELAY:
            raise InvalidArgument(f"available_at is {task.available_at!r}; wanted an aware datetime in UTC")


def check_settlements(settlements: Sequence[Settlement], limits: Limits) -> None:
    """Every settlement of a batch is within the bounds; follow-ups count as items of the batch."""
    size = len(settlements)
    for settlement in settlements:
        if isinstance(settlement, Complete):
            if settlement.result is not None:
                check_payload("result", settlement.result, limits)
            if settlement.follow_ups:
                size += len(settlement.follow_ups)
                for task in settlement.follow_ups:
                    check_new_task(task, limits)
        else:
            _check_no_completion(settlement, limits)
        check_receipt(settlement.receipt)
    check_batch("settlements, with their follow-ups,", size, limits)


def _check_no_completion(settlement: object, limits: Limits) -> None:
    if isinstance(settlement, Retry):
        check_failure(settlement.failure)
        check_duration("delay", settlement.delay, limits)
    elif isinstance(settlement, Release):
        check_duration("delay", settlement.delay, limits)
    elif isinstance(settlement, Bury):
        check_failure(settlement.failure)
        check_text("reason", settlement.reason)
    elif isinstance(settlement, Cancel):
        check_text("reason", settlement.reason)
    else:
        raise InvalidArgument(f"{_shown(settlement)} is no settlement; wanted Complete, Retry, Release, Bury or Cancel")


def check_receipt(receipt: object) -> None:
    """Any string is a legal receipt."""
    if not isinstance(receipt, str):
        raise InvalidArgument(f"receipt is {_shown(receipt)}; wanted a string")


def check_receipts(receipts: Sequence[str], limits: Limits) -> None:
    """A batch of receipts."""
    if isinstance(receipts, str):
        raise InvalidArgument("receipts is a single string; wanted a list of receipts")
    check_batch("receipts", len(receipts), limits)
    for receipt in receipts:
        check_receipt(receipt)


def check_failure(failure: Failure) -> None:
    """A failure's texts have at most 8 KiB in all, without NUL and lone surrogates."""
    texts = (("type", failure.type), ("message", failure.message), ("traceback", failure.traceback))
    size = sum(_size_of_text(f"the failure's {what}", text) for what, text in texts)
    if size > MAX_FAILURE_BYTES:
        raise InvalidArgument(f"the failure's texts have {size} bytes; at most {MAX_FAILURE_BYTES} fit in all")


def _size_of_text(what: str, text: object) -> int:
    if not isinstance(text, str) or "\0" in text:
        raise InvalidArgument(f"{what} is {_shown(text)}; wanted text without NUL")
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"{what} has a lone surrogate; wanted text that UTF-8 can carry") from error


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
