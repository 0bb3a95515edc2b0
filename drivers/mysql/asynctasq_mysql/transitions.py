"""Tasks end, wait again, or go: collected here one by one, and written by a handful of statements for all.

Every task was locked by its caller, and `now` was read after that.
"""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct, field

from asynctasq_mysql.literals import Sql, optional_binary, optional_text, text
from asynctasq_mysql.rows import CANCELLED, COMPLETED, DEAD, LIVE, Fate, StoredTask
from asynctasq_mysql.storage_names import StorageNames

IDS_PER_ROW = 1000
"""Ids to forget that one row of the journal holds at most."""


class _Ended(Struct, gc=False):
    """What one queue's rows of the journal will hold."""

    completed: int = 0
    dead: int = 0
    retried: int = 0
    cancelled: int = 0
    forgotten: dict[int, list[StoredTask]] = field(default_factory=dict[int, list[StoredTask]])
    """By when to forget the ids of tasks that have no record any more."""


class Transitions:
    """What one call does to tasks."""

    def __init__(self, names: StorageNames, now: int) -> None:
        self.now = now
        self._names = names
        self._ends: list[str] = []
        self._waits: list[str] = []
        self._removed: list[int] = []
        self._agenda: dict[int, tuple[int, int]] = {}
        self._off_agenda: list[int] = []
        self._freed: list[StoredTask] = []
        self._journal: dict[str, _Ended] = {}

    def count_retry(self, queue: str) -> None:
        """A Retry applied, and the task waits again."""
        self._of(queue).retried += 1

    def wait(self, task: StoredTask, at: int, *, attempt: int, failures: bytes | None = None) -> None:
        """It waits again, due at `at`."""
        self._waits.append(f"({task.pk},'',{at},{attempt},{optional_binary(failures)})")

    def complete(self, task: StoredTask, result: bytes | None) -> None:
        """It is done. A record is kept if the task asks for it."""
        ended = self._of(task.queue)
        ended.completed += 1
        if task.keep_for:
            self._end(
                task, COMPLETED, self.now, drop_at=self.now + max(task.keep_for, task.remember_for), result=result
            )
            return
        self._removed.append(task.pk)
        self._let_go(task)
        ended.forgotten.setdefault(self.now + task.remember_for, []).append(task)

    def cancel(
        self, task: StoredTask, reason: str, at: int, *, attempt: int | None = None, failures: bytes | None = None
    ) -> None:
        """It ends as cancelled, at `at`."""
        self._of(task.queue).cancelled += 1
        drop_at = at + task.remember_for
        self._end(task, CANCELLED, at, drop_at=drop_at, reason=reason, attempt=attempt, failures=failures)

    def bury(
        self, task: StoredTask, reason: str, at: int, *, attempt: int | None = None, failures: bytes | None = None
    ) -> None:
        """It becomes a dead letter, at `at`."""
        self._of(task.queue).dead += 1
        self._end(task, DEAD, at, drop_at=at, reason=reason, attempt=attempt, failures=failures)

    def end_as_fated(self, task: StoredTask, ended: Fate) -> None:
        """Store how time ended it."""
        if ended.state == CANCELLED:
            self.cancel(task, ended.reason, ended.at)
        else:
            self.bury(task, ended.reason, ended.at)

    def count_fate(self, task: StoredTask, ended: Fate) -> None:
        """Time had ended it, and nobody has counted it yet."""
        if ended.state == CANCELLED:
            self._of(task.queue).cancelled += 1
        else:
            self._of(task.queue).dead += 1

    def remove(self, task: StoredTask) -> None:
        """It goes, whatever its state was, without being counted."""
        self._removed.append(task.pk)
        self._let_go(task)

    def look_again(self, task: StoredTask, at: int) -> None:
        """Time may do something to it at `at`."""
        self._agenda[task.pk] = (LIVE, at)

    def statements(self) -> list[str]:
        """What writes it all."""
        return [
            *self._bulk("tasks_end", self._ends),
            *self._bulk("tasks_wait", self._waits),
            *self._numbers("tasks_remove", self._removed),
            *self._freed_keys(),
            *self._agenda_changes(),
            *self._bulk("journal_add", self._journal_rows()),
        ]

    def _of(self, queue: str) -> _Ended:
        ended = self._journal.get(queue)
        if ended is None:
            ended = self._journal[queue] = _Ended()
        return ended

    def _end(
        self,
        task: StoredTask,
        state: int,
        at: int,
        *,
        drop_at: int,
        reason: str | None = None,
        attempt: int | None = None,
        failures: bytes | None = None,
        result: bytes | None = None,
    ) -> None:
        attempts = task.attempt if attempt is None else attempt
        self._ends.append(
            f"({task.pk},'',{state},{attempts},{at},{optional_text(reason)},"
            f"{optional_binary(failures)},{optional_binary(result)})"
        )
        self._agenda[task.pk] = (state, drop_at)
        if task.is_live and task.dedupe_key is not None:
            self._freed.append(task)

    def _let_go(self, task: StoredTask) -> None:
        if task.special or task.state != LIVE:
            self._off_agenda.append(task.pk)
        if task.is_live and task.dedupe_key is not None:
            self._freed.append(task)

    def _freed_keys(self) -> Iterator[str]:
        if self._freed:
            slots = [slot for task in self._freed if (slot := task.slot) is not None]
            yield self._names.statement("dedupe_free", slots=slots, pks=[task.pk for task in self._freed])

    def _agenda_changes(self) -> Iterator[str]:
        namespace = self._names.namespace
        yield from self._bulk(
            "agenda_set", [f"({namespace},{pk},{kind},{at})" for pk, (kind, at) in sorted(self._agenda.items())]
        )
        yield from self._numbers("agenda_remove", self._off_agenda)

    def _journal_rows(self) -> list[str]:
        return [row for queue, ended in self._journal.items() for row in self._rows_of(queue, ended)]

    def _rows_of(self, queue: str, ended: _Ended) -> Iterator[str]:
        totals = f"{ended.completed},{ended.dead},{ended.retried},{ended.cancelled}"
        begin = f"({self._names.namespace},{text(queue)}"
        if not ended.forgotten:
            yield f"{begin},{self.now},{totals},0,'','')"
        for forget_at, tasks in ended.forgotten.items():
            for first in range(0, len(tasks), IDS_PER_ROW):
                part = tasks[first : first + IDS_PER_ROW]
                pks = " ".join([str(task.pk) for task in part])
                ids = " ".join([task.id for task in part])
                yield f"{begin},{forget_at},{totals},{len(part)},'{pks}','{ids}')"
                totals = "0,0,0,0"

    def _bulk(self, statement: str, values: Sequence[str]) -> list[str]:
        return bulk(self._names, statement, values)

    def _numbers(self, statement: str, pks: Sequence[int]) -> Iterator[str]:
        if pks:
            yield self._names.statement(statement, pks=sorted(pks))


def bulk(names: StorageNames, statement: str, values: Iterable[str]) -> list[str]:
    """A statement with `VALUES :rows`, as often as it takes for all rows to fit."""
    statements: list[str] = []
    part: list[str] = []
    size = 0
    for value in values:
        if part and size + len(value) > names.statement_limit:
            statements.append(names.statement(statement, rows=Sql(",".join(part))))
            part, size = [], 0
        part.append(value)
        size += len(value) + 1
    if part:
        statements.append(names.statement(statement, rows=Sql(",".join(part))))
    return statements
