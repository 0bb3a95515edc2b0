"""The care that some worker takes now and then: what time ended is stored, and what is due is forgotten."""

from collections.abc import Sequence

from asynctasq.driver_api import MaintenanceReport
from asynctasq_mysql.client import Row
from asynctasq_mysql.clock import microseconds
from asynctasq_mysql.database import Database
from asynctasq_mysql.literals import Sql, text
from asynctasq_mysql.rows import CANCELLED, COMPLETED, DEAD, LIVE, StoredTask, fate_of, stored_tasks
from asynctasq_mysql.steps import Step, Steps
from asynctasq_mysql.storage_names import StorageNames
from asynctasq_mysql.transitions import Transitions

JOURNAL_SLICE = 250
"""Rows of the journal that one call adds up at most."""


async def maintain(database: Database, limit: int) -> MaintenanceReport:
    """One bounded round."""
    more = await end_what_time_ended(database, limit)
    removed, more_records = await _drop_records(database, limit)
    forgotten, more_ids = await forget_ids(database, limit)
    await database.execute("reports_forget")
    return MaintenanceReport(removed=removed + forgotten, more=more or more_records or more_ids)


async def end_what_time_ended(database: Database, limit: int) -> bool:
    """Store what time has ended; whether there may be more of it."""
    due = await database.fetch("agenda_due", kind=LIVE, ago=0, limit=limit)
    if due:
        pks = sorted(row[0] for row in due)
        await database.run_steps(lambda: _end(database.names, pks))
    return len(due) == limit


def _end(names: StorageNames, pks: Sequence[int]) -> Steps[None]:
    locked, clock = yield Step([names.statement("lock_idle_by_pk", pks=pks), names.statement("now")])
    transitions = Transitions(names, clock.rows[0][0])
    for task in stored_tasks(locked.rows):
        ended = fate_of(task, transitions.now)
        if ended is not None:
            transitions.end_as_fated(task, ended)
        elif task.is_leased(transitions.now):
            transitions.look_again(task, task.at)  # time ends no task while its lease is live
    yield Step(transitions.statements() or [names.statement("now")], is_last=True)


async def _drop_records(database: Database, limit: int) -> tuple[int, bool]:
    """Remove records whose time is over; how many, and whether there may be more."""
    ages = {COMPLETED: 0, CANCELLED: 0}
    if database.settings.dead_retention is not None:
        ages[DEAD] = microseconds(database.settings.dead_retention)
    removed = 0
    more = False
    for state, ago in ages.items():
        due = await database.fetch("agenda_due", kind=state, ago=ago, limit=limit)
        more |= len(due) == limit
        if due:
            pks = sorted(row[0] for row in due)
            removed += await database.run_steps(lambda pks=pks, state=state: _drop(database.names, pks, state))
    return removed, more


def _drop(names: StorageNames, pks: Sequence[int], state: int) -> Steps[int]:
    locked, clock = yield Step([names.statement("lock_idle_by_pk", pks=pks), names.statement("now")])
    tasks = [task for task in stored_tasks(locked.rows) if task.state == state]
    transitions = Transitions(names, clock.rows[0][0])
    for task in tasks:
        transitions.remove(task)
    yield Step(transitions.statements() + forget(names, tasks), is_last=True)
    return len(tasks)


def forget(names: StorageNames, tasks: Sequence[StoredTask]) -> list[str]:
    """Forget the ids of these tasks."""
    if not tasks:
        return [names.statement("now")]
    return [
        names.statement("known_remove", ids=sorted(task.id for task in tasks), pks=sorted(task.pk for task in tasks))
    ]


async def forget_ids(database: Database, limit: int) -> tuple[int, bool]:
    """Forget ids without records, and add up totals; how many were forgotten, and whether there may be more."""
    due = await database.fetch("journal_due", limit=JOURNAL_SLICE)
    taken: list[int] = []
    ids = 0
    for pk, remembered in due:
        if ids >= limit:
            break
        taken.append(pk)
        ids += remembered
    if not taken:
        return 0, False
    forgotten, is_cut = await database.run_steps(lambda: _forget(database.names, sorted(taken), limit))
    return forgotten, is_cut or len(taken) < len(due) or len(due) == JOURNAL_SLICE


def _forget(names: StorageNames, rows: Sequence[int], limit: int) -> Steps[tuple[int, bool]]:
    [found] = yield Step([names.statement("journal_take", pks=rows)])
    totals: dict[str, list[int]] = {}
    done: list[int] = []
    ids: list[str] = []
    pks: set[int] = set()
    statements: list[str] = []
    is_cut = False
    for row in found.rows:
        known = row[7].split()
        room = limit - len(ids)
        if room <= 0 and known:
            is_cut = True
            break
        _add_up(totals, row)
        ids += known[:room]
        pks.update(map(int, row[6].split()))
        if len(known) > room:
            is_cut = True
            rest = Sql(f"'{' '.join(known[room:])}'")
            cut = names.statement("journal_cut", pk=row[0], ids=rest, remembered=len(known) - room)
            statements.append(cut)
            break
        done.append(row[0])
    statements += _forgotten(names, done, ids, pks, totals)
    yield Step(statements or [names.statement("now")], is_last=True)
    return len(ids), is_cut


def _add_up(totals: dict[str, list[int]], row: Row) -> None:
    sums = totals.setdefault(row[1], [0, 0, 0, 0])
    for place, count in enumerate(row[2:6]):
        sums[place] += count


def _forgotten(
    names: StorageNames, rows: Sequence[int], ids: Sequence[str], pks: set[int], totals: dict[str, list[int]]
) -> list[str]:
    statements: list[str] = []
    if ids:
        statements.append(names.statement("known_remove", ids=sorted(ids), pks=sorted(pks)))
    if totals:
        values = [
            f"({names.namespace},{text(queue)},{','.join(map(str, sums))})" for queue, sums in sorted(totals.items())
        ]
        statements.append(names.statement("totals_add", rows=Sql(",".join(values))))
    if rows:
        statements.append(names.statement("journal_remove", pks=sorted(rows)))
    return statements
