"""Deliveries end. Every settlement is fenced by its receipt: it applies to a live lease, or not at all."""

from collections.abc import Sequence
from itertools import islice

import msgspec

from asynctasq.driver_api import Bury, Complete, Failure, NewTask, Release, Retry, Settlement, SettleOutcome
from asynctasq_mysql.client import NATIVE_ERRORS, Connection
from asynctasq_mysql.clock import microseconds
from asynctasq_mysql.database import Database
from asynctasq_mysql.enqueueing import enqueue
from asynctasq_mysql.error_mapping import is_null_refused
from asynctasq_mysql.literals import Sql
from asynctasq_mysql.receipts import read_receipts
from asynctasq_mysql.rows import CANCEL_REQUESTED, CANCELLED_REASON, EXPIRED_REASON, StoredTask, slot_of, stored_tasks
from asynctasq_mysql.steps import Step, Steps
from asynctasq_mysql.storage_names import StorageNames
from asynctasq_mysql.transitions import IDS_PER_ROW, Transitions

FAILURES_KEPT = 10

StoredFailure = tuple[str, str, str, int, str, int]
"""Type, message, traceback, attempt, worker, and when."""

read_failures = msgspec.msgpack.Decoder(list[StoredFailure]).decode
_write_failures = msgspec.msgpack.Encoder().encode


async def settle_in_own_transaction(database: Database, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
    """Plain completions in one round trip; everything else by looking first."""
    receipts = read_receipts([settlement.receipt for settlement in settlements])
    if all(map(_may_be_plain, settlements)):
        known = {receipt[0]: receipt[1] for receipt in receipts if receipt is not None}
        if len(known) == len(settlements) <= IDS_PER_ROW:
            sql = _plain_statement(database.names, known)
            if await database.run(lambda connection: _settle_plain(connection, sql)):
                return [SettleOutcome.APPLIED] * len(settlements)
    return await database.run_steps(lambda: settle(database.names, settlements, sees_latest=True))


def _may_be_plain(settlement: Settlement) -> bool:
    return type(settlement) is Complete and not settlement.follow_ups


def _plain_statement(names: StorageNames, tokens: dict[str, str]) -> str:
    pks = sorted(tokens, key=int)
    pairs = ",".join([f"({pk},{tokens[pk]})" for pk in pks])
    return names.statement(
        "settle_plain",
        pks=Sql(f"({','.join(pks)})"),
        receipts=Sql(f"({pairs})"),
        count=len(pks),
        pk_list=Sql(f"'{' '.join(pks)}'"),
    )


async def _settle_plain(connection: Connection, sql: str) -> bool:
    """Whether all applied. If not, nothing did."""
    try:
        await connection.run(sql)
    except NATIVE_ERRORS as error:
        if not is_null_refused(error):
            raise
        await connection.run("ROLLBACK")
        return False
    return True


def settle(names: StorageNames, settlements: Sequence[Settlement], *, sees_latest: bool) -> Steps[list[SettleOutcome]]:
    """Any settlements: lock the tasks, decide in order, write in bulk, and then store the follow-ups."""
    receipts = read_receipts([settlement.receipt for settlement in settlements])
    pks = sorted({int(receipt[0]) for receipt in receipts if receipt is not None})
    outcomes = [SettleOutcome.STALE] * len(settlements)
    if not pks:
        yield Step([names.statement("now")], is_last=True)
        return outcomes
    locked, clock = yield Step([names.statement("lock_by_pk", pks=pks), names.statement("now")])
    now: int = clock.rows[0][0]
    tasks = {(str(task.pk), str(task.token)): task for task in stored_tasks(locked.rows) if task.is_leased(now)}
    transitions = Transitions(names, now)
    settled: list[tuple[Settlement, StoredTask]] = []
    for place, (settlement, receipt) in enumerate(zip(settlements, receipts, strict=True)):
        task = None if receipt is None else tasks.pop(receipt, None)  # the second of two equal receipts is stale
        if task is not None:
            outcomes[place] = SettleOutcome.APPLIED
            _apply(transitions, task, settlement)
            settled.append((settlement, task))
    statements = transitions.statements() or [names.statement("now")]
    follow_ups = _follow_ups(settled)
    yield Step(statements, is_last=not follow_ups)
    if follow_ups:
        yield from enqueue(names, follow_ups, sees_latest=sees_latest)
    return outcomes


def _follow_ups(settled: Sequence[tuple[Settlement, StoredTask]]) -> list[NewTask]:
    """The follow-ups in order, without those whose dedupe key a task held that ends later in the batch."""
    follow_ups: list[NewTask] = []
    for place, (settlement, _) in enumerate(settled):
        if not isinstance(settlement, Complete) or not settlement.follow_ups:
            continue
        if all(task.dedupe_key is None for task in settlement.follow_ups):
            follow_ups += settlement.follow_ups
            continue
        still_held = {later.slot for _, later in islice(settled, place + 1, None)}
        for task in settlement.follow_ups:
            if task.dedupe_key is None or slot_of(task.queue, task.dedupe_key.encode()) not in still_held:
                follow_ups.append(task)
    return follow_ups


def _apply(transitions: Transitions, task: StoredTask, settlement: Settlement) -> None:
    now = transitions.now
    if isinstance(settlement, Complete):
        transitions.complete(task, settlement.result)
    elif isinstance(settlement, Retry):
        failures = _with_failure(task, settlement.failure, now)
        if _wait_again(transitions, task, settlement.delay, attempt=task.attempt, failures=failures):
            transitions.count_retry(task.queue)
    elif isinstance(settlement, Release):
        _wait_again(transitions, task, settlement.delay, attempt=task.attempt - 1)
    elif isinstance(settlement, Bury):
        transitions.bury(task, settlement.reason, now, failures=_with_failure(task, settlement.failure, now))
    else:
        transitions.cancel(task, settlement.reason, now)


def _wait_again(
    transitions: Transitions, task: StoredTask, delay: float, *, attempt: int, failures: bytes | None = None
) -> bool:
    """Whether it does: a requested cancellation, or else an expiry, ends it instead."""
    now = transitions.now
    if task.state == CANCEL_REQUESTED:
        transitions.cancel(task, CANCELLED_REASON, now, attempt=attempt, failures=failures)
        return False
    if task.expires_at <= now:
        transitions.bury(task, EXPIRED_REASON, now, attempt=attempt, failures=failures)
        return False
    transitions.wait(task, now + microseconds(delay), attempt=attempt, failures=failures)
    return True


def _with_failure(task: StoredTask, failure: Failure, now: int) -> bytes:
    failures: list[StoredFailure] = [] if task.failures is None else read_failures(task.failures)
    worker = "" if task.worker is None else task.worker.decode()
    failures.append((failure.type, failure.message, failure.traceback, task.attempt, worker, now))
    return _write_failures(failures[-FAILURES_KEPT:])


def applied_follow_ups(settlements: Sequence[Settlement], outcomes: Sequence[SettleOutcome]) -> list[NewTask]:
    """The follow-ups that were stored, or were duplicates."""
    return [
        task
        for settlement, outcome in zip(settlements, outcomes, strict=True)
        if isinstance(settlement, Complete) and settlement.follow_ups and outcome is SettleOutcome.APPLIED
        for task in settlement.follow_ups
    ]
