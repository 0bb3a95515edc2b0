"""Enqueueing and settling inside a transaction that the caller has open, on the caller's own connection."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import anyio.lowlevel

from asynctasq.driver_api import (
    BoundDriver,
    EnqueueOutcome,
    InvalidArgument,
    Limits,
    NewTask,
    Settlement,
    SettleOutcome,
    SyncBoundDriver,
    check_new_tasks,
    check_settlements,
)
from asynctasq_mysql.client import NATIVE_ERRORS, Result
from asynctasq_mysql.enqueueing import enqueue
from asynctasq_mysql.error_mapping import code_of, guest_error
from asynctasq_mysql.guests import AsyncGuest, SyncGuest, async_guest_of, sync_guest_of
from asynctasq_mysql.settling import settle
from asynctasq_mysql.steps import Steps
from asynctasq_mysql.storage_names import StorageNames

T = TypeVar("T")

_NO_TRANSACTION = "the connection has no transaction open; begin one first"


class MySQLTransactions:
    """The feature `transactions`, for connections of aiomysql, PyMySQL and SQLAlchemy 2."""

    def __init__(self, names: StorageNames, limits: Limits, check_open: Callable[[], None]) -> None:
        self._names = names
        self._limits = limits
        self._check_open = check_open

    def on(self, connection: Any) -> BoundDriver | SyncBoundDriver:
        """Bind to a connection, or to a session of SQLAlchemy. Synchronous ones give a synchronous driver.

        Any statement of the driver may change the session's `LAST_INSERT_ID()`.

        Raises:
            InvalidArgument: it is no connection that this driver knows.
        """
        self._check_open()
        calls = _Calls(self._names, self._limits, self._check_open)
        guest = async_guest_of(connection)
        if guest is not None:
            return _AsyncBound(calls, guest)
        return _SyncBound(calls, sync_guest_of(connection))


class _Calls:
    """What both kinds of connections have in common: a call as steps, the first of which looks at the session."""

    def __init__(self, names: StorageNames, limits: Limits, check_open: Callable[[], None]) -> None:
        self.names = names
        self._limits = limits
        self._check_open = check_open

    def enqueue(self, tasks: Sequence[NewTask]) -> Callable[[bool], Steps[list[EnqueueOutcome]]]:
        self._check_open()
        check_new_tasks(tasks, self._limits)
        return lambda sees_latest: enqueue(self.names, tasks, sees_latest=sees_latest)

    def settle(self, settlements: Sequence[Settlement]) -> Callable[[bool], Steps[list[SettleOutcome]]]:
        self._check_open()
        check_settlements(settlements, self._limits)
        return lambda sees_latest: settle(self.names, settlements, sees_latest=sees_latest)


def _sees_latest(session: Result) -> bool:
    """Whether plain reads of the transaction see what was committed last.

    Raises:
        InvalidArgument: the driver can't serve its isolation level.
    """
    isolation, snapshots = session.rows[0]
    if isolation == "READ-COMMITTED":
        return True
    if isolation == "REPEATABLE-READ" and not int(snapshots):
        return False
    found = f"{isolation}, with innodb_snapshot_isolation" if int(snapshots) else isolation
    raise InvalidArgument(
        f"the session's isolation level is {found}; wanted READ-COMMITTED"
        + ("" if int(snapshots) else " or REPEATABLE-READ")
    )


class _AsyncBound:
    """`BoundDriver` on a connection that awaits."""

    def __init__(self, calls: _Calls, guest: AsyncGuest) -> None:
        self._calls = calls
        self._guest = guest

    async def enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        """As `Driver.enqueue_many`; gone on rollback."""
        steps = self._calls.enqueue(tasks)
        return await self._run(steps) if tasks else await _nothing()

    async def settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        """As `Driver.settle_many`; gone on rollback."""
        steps = self._calls.settle(settlements)
        return await self._run(steps) if settlements else await _nothing()

    async def _run(self, make: Callable[[bool], Steps[T]]) -> T:
        guest = self._guest
        try:
            if not await guest.begun():
                raise InvalidArgument(_NO_TRANSACTION)
            steps = make(_sees_latest(await guest.run(self._calls.names.session_look)))
            step = next(steps)
            while True:
                results = [await guest.run(statement) for statement in step.statements]
                try:
                    step = steps.send(results)
                except StopIteration as end:
                    return end.value
        except Exception as error:
            raise _translated(error) from error


class _SyncBound:
    """`SyncBoundDriver` on a synchronous connection."""

    def __init__(self, calls: _Calls, guest: SyncGuest) -> None:
        self._calls = calls
        self._guest = guest

    def enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        """As `Driver.enqueue_many`; gone on rollback."""
        steps = self._calls.enqueue(tasks)
        return self._run(steps) if tasks else []

    def settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        """As `Driver.settle_many`; gone on rollback."""
        steps = self._calls.settle(settlements)
        return self._run(steps) if settlements else []

    def _run(self, make: Callable[[bool], Steps[T]]) -> T:
        guest = self._guest
        try:
            if not guest.begun():
                raise InvalidArgument(_NO_TRANSACTION)
            steps = make(_sees_latest(guest.run(self._calls.names.session_look)))
            step = next(steps)
            while True:
                results = [guest.run(statement) for statement in step.statements]
                try:
                    step = steps.send(results)
                except StopIteration as end:
                    return end.value
        except Exception as error:
            raise _translated(error) from error


def _translated(error: Exception) -> Exception:
    """The client library's error as the driver's own; SQLAlchemy's wrap one."""
    if isinstance(error, NATIVE_ERRORS) or code_of(error) is not None:
        return guest_error(error)
    return error


async def _nothing() -> list[Any]:
    await anyio.lowlevel.checkpoint()
    return []
