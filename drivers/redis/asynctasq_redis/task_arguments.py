"""Tasks and settlements as arguments of the scripts: the fields in the order of `accept.lua` and `settle.lua`."""

from collections.abc import Sequence

import msgspec

from asynctasq.driver_api import Bury, Cancel, Complete, Failure, NewTask, Release, Retry, Settlement
from asynctasq_redis.receipts import key_and_nonce
from asynctasq_redis.task_keys import key_of
from asynctasq_redis.ticks import moment_ticks, ticks_of

Argument = bytes | str | int

_NOT_SET = ""
_encode_msgpack = msgspec.msgpack.Encoder().encode


def enqueue_arguments(tasks: Sequence[NewTask]) -> list[Argument]:
    """Their number, their keys, and the runs.

    Raises:
        InvalidArgument: a due time is too far away.
    """
    arguments: list[Argument] = [len(tasks)]
    arguments += [key_of(task.id) for task in tasks]
    _append_runs(arguments, tasks)
    return arguments


def plain_task_arguments(task: NewTask) -> tuple[Argument, ...] | None:
    """The arguments of `enqueue_plain.lua`, or None if the task has something that this script does not know."""
    if task.dedupe_key is not None or task.available_at is not None or task.expires_after is not None or task.keep_for:
        return None
    delay = ticks_of(task.delay) if task.delay else 0
    return key_of(task.id), task.queue, task.priority, delay, ticks_of(task.remember_for), _body(task)


def settle_arguments(settlements: Sequence[Settlement]) -> list[Argument]:
    """Their number, the keys of their tasks, and each one's kind, receipt and details.

    Plain completions in a row that came from one delivery have their kind, receipt and number once.

    Raises:
        InvalidArgument: a follow-up's due time is too far away.
    """
    keys: list[Argument] = [len(settlements)]
    details: list[Argument] = []
    completed, run = "", 0
    for settlement in settlements:
        key, nonce = key_and_nonce(settlement.receipt)
        keys.append(key)
        is_plain = isinstance(settlement, Complete) and settlement.result is None and not settlement.follow_ups
        if run and not (is_plain and nonce == completed):
            details += ("C", completed, run)
            run = 0
        if is_plain:
            completed = nonce
            run += 1
        elif isinstance(settlement, Complete):
            _append_rich_completion(details, nonce, settlement)
        else:
            details += _other_details(settlement, nonce)
    if run:
        details += ("C", completed, run)
    keys += details
    return keys


def _append_rich_completion(details: list[Argument], nonce: str, settlement: Complete) -> None:
    result, follow_ups = settlement.result, settlement.follow_ups
    details += ("R", nonce, _NOT_SET if result is None else "1", result or b"", len(follow_ups))
    details += [key_of(task.id) for task in follow_ups]
    _append_runs(details, follow_ups)


def _other_details(settlement: Retry | Release | Bury | Cancel, nonce: str) -> tuple[Argument, ...]:
    match settlement:
        case Retry():
            return "T", nonce, ticks_of(settlement.delay), _failure_bytes(settlement.failure)
        case Release():
            return "L", nonce, ticks_of(settlement.delay)
        case Bury():
            return "B", nonce, settlement.reason, _failure_bytes(settlement.failure)
        case Cancel():
            return "X", nonce, settlement.reason


def _failure_bytes(failure: Failure) -> bytes:
    return _encode_msgpack((failure.type, failure.message, failure.traceback))


def _append_runs(arguments: list[Argument], tasks: Sequence[NewTask]) -> None:
    """Tasks that are alike but for id, name, correlation id and payload share one header."""
    shape: tuple[object, ...] | None = None
    start, length = 0, 0
    for task in tasks:
        its_shape = (
            task.queue,
            task.priority,
            task.delay,
            task.available_at,
            task.expires_after,
            task.keep_for,
            task.remember_for,
            task.dedupe_key,
        )
        if its_shape != shape:
            if length:
                arguments[start] = length
            shape, start, length = its_shape, len(arguments), 0
            arguments += _run_header(task)
        length += 1
        arguments.append(_body(task))
    if length:
        arguments[start] = length


def _run_header(task: NewTask) -> tuple[Argument, ...]:
    return (
        0,
        task.queue,
        task.priority,
        ticks_of(task.delay),
        _NOT_SET if task.available_at is None else moment_ticks(task.available_at),
        _NOT_SET if task.expires_after is None else ticks_of(task.expires_after),
        ticks_of(task.keep_for),
        ticks_of(task.remember_for),
        task.dedupe_key or _NOT_SET,
    )


def _body(task: NewTask) -> bytes:
    name = task.name.encode()
    correlation_id = b"" if task.correlation_id is None else task.correlation_id.encode()
    return b"%c%b%c%b%b" % (len(name), name, len(correlation_id), correlation_id, task.payload)
