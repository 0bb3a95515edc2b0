"""New tasks are stored."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from asynctasq.driver_api import EnqueueOutcome, NewTask
from asynctasq_mysql.client import NATIVE_ERRORS, Connection
from asynctasq_mysql.clock import NEVER, microseconds, stored_moment
from asynctasq_mysql.database import Database
from asynctasq_mysql.dedupe_keys import Holder, claim_keys
from asynctasq_mysql.error_mapping import is_duplicate
from asynctasq_mysql.literals import Sql, binary, optional_text, text
from asynctasq_mysql.rows import LIVE, slot_of
from asynctasq_mysql.steps import Step, Steps
from asynctasq_mysql.storage_names import StorageNames

ACCEPTED = EnqueueOutcome(accepted=True)

_REMEMBERED_BY_DEFAULT = 60.0
_NTH_KEY = "LAST_INSERT_ID()+{}*@@auto_increment_increment"


async def enqueue_in_own_transaction(database: Database, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
    """Plain tasks with new ids in one round trip; everything else by looking first."""
    made = _simplest(tasks)
    if made is not None and await database.run(
        lambda connection: _enqueue_plain(connection, database.names, tasks, *made)
    ):
        return [ACCEPTED] * len(tasks)
    return await database.run_steps(lambda: enqueue(database.names, tasks, sees_latest=True))


MakeRow = Callable[[int, NewTask], str]


def _simplest(tasks: Sequence[NewTask]) -> tuple[str, MakeRow] | None:
    """The statement that stores such tasks in one go, if there is one, and what makes its rows.

    A column that has its default in all rows is left out: the server takes as long to read a row as to store it.
    """
    is_plain = True
    for task in tasks:
        if task.dedupe_key is not None or task.expires_after is not None or task.keep_for != 0.0:
            return None
        if task.correlation_id is not None or task.remember_for != _REMEMBERED_BY_DEFAULT:
            is_plain = False
    return ("enqueue_plain", _plain_row) if is_plain else ("enqueue_simple", _simple_row)


async def _enqueue_plain(
    connection: Connection, names: StorageNames, tasks: Sequence[NewTask], statement: str, row: MakeRow
) -> bool:
    """Whether they are stored. If not, one of the ids was known, and the transaction has been undone."""
    statements = ["START TRANSACTION", names.statement("set_now")]
    try:
        for part, rows in _parts(names, tasks, row):
            statements.append(names.statement(statement, rows=Sql(",".join(rows))))
            statements.append(names.statement("enqueue_known", count=len(part)))
            if len(part) == len(tasks):
                break
            await connection.run_all(statements)
            statements = []
        await connection.run_all([*statements, "COMMIT"])
    except NATIVE_ERRORS as error:
        if not is_duplicate(error):
            raise
        await connection.run("ROLLBACK")
        return False
    return True


def _known_rows(names: StorageNames, tasks: Sequence[NewTask]) -> Sql:
    namespace = names.namespace
    first, _, rest = _NTH_KEY.partition("{}")
    return Sql(",".join([f"({namespace},'{task.id}',{first}{nth}{rest})" for nth, task in enumerate(tasks)]))


def _parts(
    names: StorageNames, tasks: Sequence[NewTask], row: MakeRow
) -> Iterator[tuple[Sequence[NewTask], Sequence[str]]]:
    """Tasks and their rows, in parts that fit into a statement each. Rows are made as they are needed."""
    namespace = names.namespace
    begin, size = 0, 0
    rows: list[str] = []
    for place, task in enumerate(tasks):
        made = row(namespace, task)
        if rows and size + len(made) > names.statement_limit:
            yield tasks[begin:place], rows
            begin, size, rows = place, 0, []
        rows.append(made)
        size += len(made) + 120  # and a row of ids
    yield tasks[begin:], rows


def _plain_row(namespace: int, task: NewTask) -> str:
    return (
        f"({namespace},'{task.queue}',{9 - task.priority},{_due(task)},@asynctasq_now,'{task.id}',"
        f"{text(task.name)},{binary(task.payload)})"
    )


def _simple_row(namespace: int, task: NewTask) -> str:
    remember_for = microseconds(task.remember_for)
    return f"{_plain_row(namespace, task)[:-1]},{remember_for},{optional_text(task.correlation_id)})"


def _due(task: NewTask) -> str:
    if task.available_at is not None:
        return f"GREATEST(@asynctasq_now,{stored_moment(task.available_at)})"
    return f"@asynctasq_now+{microseconds(task.delay)}" if task.delay else "@asynctasq_now"


def _full_row(namespace: int, task: NewTask) -> str:
    expires_at = NEVER if task.expires_after is None else f"@asynctasq_now+{microseconds(task.expires_after)}"
    special = int(task.dedupe_key is not None or task.expires_after is not None or task.keep_for != 0.0)
    return (
        f"{_simple_row(namespace, task)[:-1]},{microseconds(task.keep_for)},{expires_at},"
        f"{optional_text(task.dedupe_key)},{special})"
    )


def enqueue(names: StorageNames, tasks: Sequence[NewTask], *, sees_latest: bool) -> Steps[list[EnqueueOutcome]]:
    """Any batch, so that a duplicate is no error: claim the ids, then the keys, then store what may be stored."""
    ids = sorted({task.id for task in tasks})
    namespace = names.namespace
    claims = Sql(",".join([f"({namespace},'{id}',0)" for id in ids]))
    claimed = yield Step([names.statement("known_claim", rows=claims), names.statement("known_claimed", ids=ids)])
    ours = {row[0] for row in claimed[-1].rows}
    slots = _slots(task for task in tasks if task.id in ours)
    held: dict[bytes, Holder] = {}
    if slots:
        held = yield from claim_keys(names, dict.fromkeys(slots, 0), sees_latest=sees_latest)
    accepted, outcomes = _judge(tasks, ours, held)
    release = _release(names, ours.difference(task.id for task in accepted), slots.difference(held, _slots(accepted)))
    if not accepted:
        yield Step(release or [names.statement("set_now")], is_last=True)
        return outcomes
    statements = [*release, names.statement("set_now")]
    for part, rows in _parts(names, accepted, _full_row):
        statements += _insert(names, part, rows)
        if len(part) < len(accepted):
            yield Step(statements)
            statements = []
    yield Step(statements or [names.statement("set_now")], is_last=True)
    return outcomes


def _release(names: StorageNames, ids: set[str], slots: set[bytes]) -> list[str]:
    """Give back what was claimed and is not needed."""
    statements: list[str] = []
    if ids:
        statements.append(names.statement("known_release", ids=sorted(ids)))
    if slots:
        statements.append(names.statement("dedupe_free", slots=sorted(slots), pks=[0]))
    return statements


def _slots(tasks: Iterable[NewTask]) -> set[bytes]:
    return {slot for task in tasks if (slot := _slot(task)) is not None}


def _slot(task: NewTask) -> bytes | None:
    return None if task.dedupe_key is None else slot_of(task.queue, task.dedupe_key.encode())


def _judge(
    tasks: Sequence[NewTask], ours: set[str], held: dict[bytes, Holder]
) -> tuple[list[NewTask], list[EnqueueOutcome]]:
    """Go through the batch in order: which tasks are stored, and what to say of each."""
    accepted: list[NewTask] = []
    outcomes: list[EnqueueOutcome] = []
    stored: set[str] = set()
    taken: dict[bytes, str] = {}
    for task in tasks:
        slot = _slot(task)
        if task.id not in ours or task.id in stored:
            outcomes.append(EnqueueOutcome(accepted=False, existing_id=task.id))
        elif slot is not None and slot in held:
            outcomes.append(EnqueueOutcome(accepted=False, existing_id=held[slot].id))
        elif slot is not None and slot in taken:
            outcomes.append(EnqueueOutcome(accepted=False, existing_id=taken[slot]))
        else:
            if slot is not None:
                taken[slot] = task.id
            stored.add(task.id)
            accepted.append(task)
            outcomes.append(ACCEPTED)
    return accepted, outcomes


def _insert(names: StorageNames, tasks: Sequence[NewTask], rows: Sequence[str]) -> Iterator[str]:
    namespace = names.namespace
    yield names.statement("enqueue", rows=Sql(",".join(rows)))
    yield names.statement("known_set", rows=_known_rows(names, tasks))
    keys = [(nth, slot) for nth, task in enumerate(tasks) if (slot := _slot(task)) is not None]
    if keys:
        held = [f"({namespace},{binary(slot)},{_NTH_KEY.format(nth)})" for nth, slot in keys]
        yield names.statement("dedupe_set", rows=Sql(",".join(held)))
    expiring = [(nth, task.expires_after) for nth, task in enumerate(tasks) if task.expires_after is not None]
    if expiring:
        due = [
            f"({namespace},{_NTH_KEY.format(nth)},{LIVE},@asynctasq_now+{microseconds(after)})"
            for nth, after in expiring
        ]
        yield names.statement("agenda_set", rows=Sql(",".join(due)))


def queues_to_wake(tasks: Iterable[NewTask]) -> set[str]:
    """The queues that may have got ready work. Whether an `available_at` is due only the server's clock knows."""
    return {task.queue for task in tasks if not task.delay or task.available_at is not None}
