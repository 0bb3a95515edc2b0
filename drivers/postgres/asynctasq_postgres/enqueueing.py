"""New tasks, from envelopes to the arrays that the functions in the database take."""

from collections.abc import Iterable, Sequence
from typing import Any

from asynctasq.driver_api import EnqueueOutcome, InvalidArgument, NewTask
from asynctasq_postgres.client import Connection, UniqueViolation
from asynctasq_postgres.database import Database
from asynctasq_postgres.steps import Step, Steps
from asynctasq_postgres.storage_names import StorageNames

ACCEPTED = EnqueueOutcome(accepted=True)

_REMEMBERED_BY_DEFAULT = 60.0


async def enqueue_in_own_transaction(database: Database, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
    """A plain batch of new ids by the fast statement, everything else by the general one."""
    if is_plain(tasks):
        statement = database.names.statement("enqueue_plain")
        arguments = plain_arguments(database.names, tasks)

        async def run(connection: Connection) -> bool:
            try:
                await connection.fetch(statement, *arguments)
            except UniqueViolation:
                return False
            return True

        if await database.run(run):
            return [ACCEPTED] * len(tasks)
    return await database.run_steps(lambda: enqueue(database.names, tasks, None))


def is_plain(tasks: Sequence[NewTask]) -> bool:
    """Whether these tasks differ in id, payload and correlation id alone, and ask for nothing special."""
    first = tasks[0]
    queue, name, priority = first.queue, first.name, first.priority
    delay, remember_for = first.delay, first.remember_for
    for task in tasks:
        if (
            task.queue != queue
            or task.name != name
            or task.priority != priority
            or task.delay != delay
            or task.remember_for != remember_for
            or task.dedupe_key is not None
            or task.expires_after is not None
            or task.keep_for
            or task.available_at is not None
        ):
            return False
    return True


def plain_arguments(names: StorageNames, tasks: Sequence[NewTask]) -> tuple[Any, ...]:
    """The arguments of `enqueue_plain`."""
    first = tasks[0]
    return (
        names.namespace,
        [task.id for task in tasks],
        [task.payload for task in tasks],
        [task.correlation_id for task in tasks],
        first.queue,
        names.line(first.queue, first.priority),
        first.name,
        first.priority,
        first.delay,
        stored_remember_for(first),
    )


def stored_remember_for(task: NewTask) -> float | None:
    """The default is stored as NULL, as is every other one that plain tasks have."""
    return None if task.remember_for == _REMEMBERED_BY_DEFAULT else task.remember_for


def columns(names: StorageNames, tasks: Sequence[NewTask]) -> tuple[Any, ...]:
    """The thirteen arrays of `enqueue` and of follow-ups."""
    return (
        [task.id for task in tasks],
        [task.payload for task in tasks],
        [task.correlation_id for task in tasks],
        [task.queue for task in tasks],
        [names.line(task.queue, task.priority) for task in tasks],
        [task.name for task in tasks],
        [task.priority for task in tasks],
        [float(task.delay) for task in tasks],
        [task.available_at for task in tasks],
        [task.dedupe_key for task in tasks] if any(task.dedupe_key is not None for task in tasks) else None,
        [None if task.expires_after is None else float(task.expires_after) for task in tasks],
        [float(task.keep_for) or None for task in tasks],
        [stored_remember_for(task) for task in tasks],
    )


NO_COLUMNS: tuple[Any, ...] = (None,) * 13


def enqueue(names: StorageNames, tasks: Sequence[NewTask], channels: list[str] | None) -> Steps[list[EnqueueOutcome]]:
    """Any batch. Usually one statement: an id that comes twice may ask for more."""
    outcomes = [ACCEPTED] * len(tasks)
    runs = runs_of(tasks)
    for run in runs:
        arguments = (names.namespace, *columns(names, [tasks[at] for at in run]), channels)
        rows = yield Step(names.statement("enqueue_many"), arguments, len(runs) == 1)
        for number, existing_id in rows:
            if number == 0:
                raise isolation_refused(existing_id)
            outcomes[run[number - 1]] = EnqueueOutcome(accepted=False, existing_id=existing_id)
    return outcomes


def isolation_refused(level: str | None = None) -> InvalidArgument:
    """At a stricter level a duplicate would abort the caller's transaction, with a serialization failure."""
    found = "not READ COMMITTED" if level is None else level.upper()
    return InvalidArgument(
        f"the transaction's isolation level is {found}; wanted READ COMMITTED, which is PostgreSQL's default"
    )


def runs_of(tasks: Sequence[NewTask]) -> list[list[int]]:
    """The places of the tasks, in runs that one statement each can judge.

    A repeated id is a duplicate of its first task, which is accepted or known, unless that one has a dedupe key: it
    may have been refused for that, and then the id is still free for the next one, which needs a run of its own.
    """
    runs: list[list[int]] = [[]]
    with_key: set[str] = set()
    for at, task in enumerate(tasks):
        if task.id in with_key:
            runs.append([])
            with_key.clear()
        runs[-1].append(at)
        if task.dedupe_key is not None:
            with_key.add(task.id)
    return runs


def queues_to_wake(tasks: Iterable[NewTask]) -> set[str]:
    """The queues that may have got ready work. Whether an `available_at` is due only the database's clock knows."""
    return {task.queue for task in tasks if not task.delay or task.available_at is not None}
