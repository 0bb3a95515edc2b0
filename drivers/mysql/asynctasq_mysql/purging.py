"""Whole queues, or some states of them, are emptied: a slice per transaction, and never what came in meanwhile."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from asynctasq.driver_api import TaskState
from asynctasq_mysql.clock import NEVER
from asynctasq_mysql.database import Database
from asynctasq_mysql.maintenance import end_what_time_ended, forget, forget_ids
from asynctasq_mysql.reserving import LINES
from asynctasq_mysql.rows import CANCEL_REQUESTED, CANCELLED, COMPLETED, DEAD, LIVE, public_state, stored_tasks
from asynctasq_mysql.steps import Step, Steps
from asynctasq_mysql.storage_names import StorageNames
from asynctasq_mysql.transitions import Transitions

SLICE = 2000
"""Tasks that one transaction removes."""


class _Part(Struct, frozen=True):
    """Rows of one stored state, of which `begin` and `end` bound the time, and `waiting` says which ones."""

    state: int
    begin: int = 0
    end: int = NEVER
    waiting: tuple[int, ...] = (0, 1)


async def purge(database: Database, queues: Sequence[str], states: Sequence[TaskState] | None) -> None:
    """Remove the tasks of these queues that are in one of these states."""
    while await end_what_time_ended(database, SLICE):
        pass
    newest, now = map(int, (await database.fetch("purge_newest"))[0])  # COALESCE makes decimals of unsigned numbers
    wanted = frozenset(TaskState if states is None else states)
    for queue in queues:
        for part in _parts(wanted, now):
            for line in range(LINES):
                await _purge_line(database, queue, line, part, newest, wanted)
    if TaskState.COMPLETED in wanted:
        await _let_forget(database, queues)
        while (await forget_ids(database, SLICE))[1]:
            pass


async def _let_forget(database: Database, queues: Sequence[str]) -> None:
    """Have the ids of these queues that are known without a record forgotten next."""
    while found := await database.fetch("purge_remembered_find", queues=list(queues), limit=SLICE):
        await database.execute("purge_remembered", pks=sorted(row[0] for row in found))


def _parts(wanted: frozenset[TaskState], now: int) -> Iterator[_Part]:
    if {TaskState.READY, TaskState.SCHEDULED, TaskState.LEASED} <= wanted:
        yield _Part(LIVE)
        yield _Part(CANCEL_REQUESTED)
    else:
        if TaskState.READY in wanted:
            yield _Part(LIVE, end=now)
        if TaskState.SCHEDULED in wanted:
            yield _Part(LIVE, begin=now + 1, waiting=(1,))
        if TaskState.LEASED in wanted:
            yield _Part(LIVE, begin=now + 1, waiting=(0,))
            yield _Part(CANCEL_REQUESTED, begin=now + 1)
    for state, stored in (
        (TaskState.DEAD, DEAD),
        (TaskState.COMPLETED, COMPLETED),
        (TaskState.CANCELLED, CANCELLED),
    ):
        if state in wanted:
            yield _Part(stored)


async def _purge_line(
    database: Database, queue: str, line: int, part: _Part, newest: int, wanted: frozenset[TaskState]
) -> None:
    while True:
        found = await database.fetch(
            "purge_find",
            queue=queue,
            line=line,
            state=part.state,
            begin=part.begin,
            end=part.end,
            waiting=part.waiting,
            newest=newest,
            limit=SLICE,
        )
        if not found:
            return
        pks = sorted(row[0] for row in found)
        removed = await database.run_steps(lambda pks=pks: _remove(database.names, pks, wanted))
        if len(found) < SLICE or not removed:
            return


def _remove(names: StorageNames, pks: Sequence[int], wanted: frozenset[TaskState]) -> Steps[int]:
    """Lock them, and remove those that are in one of the states still."""
    locked, clock = yield Step([names.statement("lock_by_pk", pks=pks), names.statement("now")])
    now: int = clock.rows[0][0]
    tasks = [
        task
        for task in stored_tasks(locked.rows)
        if public_state(task.state, task.at, task.token, task.expires_at, now) in wanted
    ]
    transitions = Transitions(names, now)
    for task in tasks:
        transitions.remove(task)
    yield Step(transitions.statements() + forget(names, tasks), is_last=True)
    return len(tasks)
