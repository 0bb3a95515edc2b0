"""Tasks are stored. A plain one costs two rows; what only some have is stored beside, in bulk."""

from collections.abc import Sequence
from typing import Any

from asynctasq.driver_api import EnqueueOutcome, NewTask
from asynctasq_sqlite.clock import milliseconds, milliseconds_at
from asynctasq_sqlite.rows import KeyHolder, key_holders, seq_list
from asynctasq_sqlite.session import Session, numbers, to_json
from asynctasq_sqlite.statements import with_rows
from asynctasq_sqlite.time_ends import end_what_time_ended

_CHUNKS = (200, 100, 50, 10, 1)
"""Rows per INSERT: few sizes, so that every statement is prepared once."""

_ACCEPTED = EnqueueOutcome(accepted=True)


def enqueue(session: Session, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
    """Store a batch as a whole."""
    special = False
    keyed = False
    for task in tasks:
        if task.dedupe_key is not None:
            special = keyed = True
        elif task.expires_after is not None or task.keep_for:
            special = True
    if keyed and len({task.id for task in tasks}) < len(tasks):
        # Whether the second of two equal ids is known depends on what becomes of the first one's key.
        return [outcome for task in tasks for outcome in _enqueue_batch(session, [task], special=True)]
    return _enqueue_batch(session, tasks, special=special)


def _enqueue_batch(session: Session, tasks: Sequence[NewTask], *, special: bool) -> list[EnqueueOutcome]:
    first = session.value("enqueue_sequence") + 1
    stored: Sequence[int | None]
    if _insert(session, tasks, first) == len(tasks):
        stored = range(first, first + len(tasks))
    else:
        inserted = set(seq_list(session.value("enqueue_inserted", first)))
        stored = [seq if seq in inserted else None for seq in range(first, first + len(tasks))]
    if not special:
        session.run("enqueue_waiting", first)
        if isinstance(stored, range):
            return [_ACCEPTED] * len(tasks)
        return [_ACCEPTED if seq is not None else _duplicate(task) for task, seq in zip(tasks, stored, strict=True)]
    holders = _store_extra(session, tasks, stored)
    session.run("enqueue_waiting_special", first)
    return [
        _duplicate(task) if seq is None else holders.get(seq, _ACCEPTED)
        for task, seq in zip(tasks, stored, strict=True)
    ]


def _duplicate(task: NewTask) -> EnqueueOutcome:
    return EnqueueOutcome(accepted=False, existing_id=task.id)


def _insert(session: Session, tasks: Sequence[NewTask], seq: int) -> int:
    """Insert the rows of `task` with running seqs; gives how many ids were new."""
    now = session.now
    sql = session.sql("enqueue")
    inserted = start = 0
    while start < len(tasks):
        size = next(size for size in _CHUNKS if size <= len(tasks) - start)
        parameters: list[Any] = []
        for task in tasks[start : start + size]:
            if task.available_at is not None:
                at = max(now, milliseconds_at(task.available_at))
            else:
                at = now + milliseconds(task.delay) if task.delay else now
            if at == now:
                session.ready_queues.add(task.queue)
            parameters += (
                seq, task.id, task.queue, 9 - task.priority, at, now, milliseconds(task.remember_for), task.name,
                task.correlation_id, task.payload,
            )  # fmt: skip
            seq += 1
        inserted += session.run_sql(with_rows(sql, size), parameters).rowcount
        start += size
    return inserted


def _store_extra(session: Session, tasks: Sequence[NewTask], stored: Sequence[int | None]) -> dict[int, EnqueueOutcome]:
    """Store what only special tasks have, and take their keys.

    Tasks whose key is held are removed again; gives their outcomes by seq.
    """
    extra: list[tuple[int, str | None, int | None, int | None, int]] = []
    keys: list[tuple[str, str, int]] = []
    for task, seq in zip(tasks, stored, strict=True):
        if seq is None:
            continue
        if task.dedupe_key is not None:
            keys.append((task.queue, task.dedupe_key, seq))
        elif task.expires_after is None and not task.keep_for:
            continue
        expires_after = None if task.expires_after is None else milliseconds(task.expires_after)
        expires_at = None if expires_after is None else session.now + expires_after
        extra.append((seq, task.dedupe_key, expires_after, expires_at, milliseconds(task.keep_for)))
    if extra:
        session.run("enqueue_extra", to_json(extra))
    if not keys or session.run("enqueue_dedupe", to_json(keys)).rowcount == len(keys):
        return {}
    lost = take_keys(session, keys)
    rejected = numbers(lost)
    session.run("extra_remove", rejected)
    session.run("tasks_remove", rejected)
    return {seq: EnqueueOutcome(accepted=False, existing_id=id) for seq, id in lost.items()}


def take_keys(session: Session, keys: Sequence[tuple[str, str, int]]) -> dict[int, str]:
    """Take those of `keys` (queue, key, seq) that are not taken for their seq yet, in order.

    A holder that time has ended gives way. Gives the seqs that could not take theirs, and the holder's id.
    """
    found = _holders(session, keys)
    newcomers = {seq for _, _, seq in keys}  # not stored completely yet; they came earlier in the batch
    others = [holder.seq for holder in found if holder.seq is not None and holder.seq not in newcomers]
    ended = end_what_time_ended(session, others)
    if ended:
        session.run("enqueue_dedupe", to_json(keys))
        found = _holders(session, keys)
    return {
        seq: holder.id
        for (_, _, seq), holder in zip(keys, found, strict=True)
        if holder.seq != seq and holder.id is not None
    }


def _holders(session: Session, keys: Sequence[tuple[str, str, int]]) -> list[KeyHolder]:
    return key_holders(session.value("dedupe_holders", to_json(keys)))
