"""Group commit: the calls that wait share one transaction, one sync of the disk, and one hop to the thread.

An aiosqlite connection has a thread, and its `commit()` runs there. The connections of this driver have a `commit()`
that takes every waiting call, runs them all in one transaction and commits it. Whoever calls first leads: it awaits
that `commit()`. Those who come meanwhile only wait for their outcome; one of them leads next.

No `await` lies inside a transaction, so a cancelled call is dropped if its transaction has not begun; otherwise it is
applied as a whole, and the caller hears of the cancellation just after. There are no savepoints: the calls run together
optimistically, and if one of them fails, everything is rolled back and each runs in a transaction of its own, so that
an error stays its own call's.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

import anyio

from asynctasq.driver_api import DriverClosed, DriverError, DriverUnavailable
from asynctasq_sqlite.connection import patiently, roll_back
from asynctasq_sqlite.error_mapping import driver_error, primary_code
from asynctasq_sqlite.session import Session, session_on

LARGEST_GROUP = 256

T = TypeVar("T")
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

Work = Callable[[Session], T]
BatchWork = Callable[[Session, Sequence[Item]], list[Outcome]]


class CallConnection(sqlite3.Connection):
    """A connection whose `commit()` carries out the calls that wait."""

    carry_out: Callable[[], None] | None = None

    def commit(self) -> None:
        """Run by aiosqlite on the connection's thread."""
        if self.carry_out is not None:
            self.carry_out()


class Committing(Protocol):
    """What is needed of an aiosqlite connection."""

    def commit(self) -> Awaitable[None]: ...


class _Call:
    """One call: what to do, and what became of it."""

    __slots__ = ("begun", "done", "dropped", "error", "finished", "items", "turn", "value", "work")

    def __init__(self, work: Callable[..., Any], items: Sequence[Any] | None) -> None:
        self.work = work
        self.items = items
        """For work on a batch: neighbours with the same work are run as one batch."""
        self.turn: asyncio.Future[bool] | None = None
        """Of a call that waits for another's lead: True when it is to lead itself, False when it is done."""
        self.finished: asyncio.Future[None] | None = None
        """Of a call that was cancelled after it had begun."""
        self.value: Any = None
        self.error: BaseException | None = None
        # The event loop sets `dropped` and then reads `begun`, the thread sets `begun` and then reads `dropped`: so a
        # call that was dropped before it began is never carried out.
        self.begun = False
        self.dropped = False
        self.done = False


class CallQueue:
    """The calls of one connection. All public methods belong to the event loop that it was made on."""

    def __init__(
        self,
        raw: CallConnection,
        connection: Committing,
        namespace: str,
        *,
        writes: bool,
        busy_timeout: float,
        command_timeout: float,
        on_ready: Callable[[frozenset[str]], None] | None = None,
    ) -> None:
        self._raw = raw
        self._connection = connection
        self._namespace = namespace
        self._begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
        self._busy_timeout = busy_timeout
        self._command_timeout = command_timeout
        self._on_ready = on_ready
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Call] = deque()
        self._is_led = False
        raw.carry_out = self._carry_out

    # -- on the event loop

    async def run(self, work: Work[T]) -> T:
        """Run `work` in a transaction, and give what it gives once that is committed.

        Raises:
            DriverError: nothing was applied; or `DriverUnavailable`: unknown whether.
        """
        return await self._submit(_Call(work, None))

    async def run_batch(self, work: BatchWork[Item, Outcome], items: Sequence[Item]) -> list[Outcome]:
        """As `run`, for work that gives one outcome per item: equal work of several calls is done as one batch."""
        return await self._submit(_Call(work, items))

    async def _submit(self, call: _Call) -> Any:
        self._waiting.append(call)
        try:
            async with asyncio.timeout(self._command_timeout):
                if not self._is_led or await self._wait_for_turn(call):
                    await self._lead(call)
        except TimeoutError as error:
            call.dropped = True
            raise DriverUnavailable(
                f"no answer from the database within command_timeout ({self._command_timeout:g} s)"
            ) from error
        except asyncio.CancelledError:
            call.dropped = True
            if call.begun:
                await self._wait_until_finished(call)
            raise
        except BaseException:
            call.dropped = True
            raise
        if call.error is not None:
            if isinstance(call.error, DriverError):
                raise call.error
            raise driver_error(call.error) from call.error
        return call.value

    async def _wait_for_turn(self, call: _Call) -> bool:
        call.turn = self._loop.create_future()
        if call.done:  # carried out since it stood in the line: the thread may have seen no turn to answer
            return False
        try:
            return await call.turn
        except asyncio.CancelledError:
            if call.turn.done() and not call.turn.cancelled() and call.turn.result():
                call.dropped = True
                self._hand_over()
            raise

    async def _wait_until_finished(self, call: _Call) -> None:
        """Whoever cancels a call finds it applied or not afterwards, never still at it. The lock is held already, so
        this is short."""
        call.finished = self._loop.create_future()
        if not call.done:
            with anyio.CancelScope(shield=True):
                await call.finished

    async def _lead(self, call: _Call) -> None:
        """Have the waiting calls carried out, this one among them, and hand the lead over, whatever happens.

        The call may be done already: then its turn to lead came while an abandoned leader's hop carried it out.
        """
        self._is_led = True
        try:
            while not call.done:
                await self._connection.commit()
        except ValueError as error:  # aiosqlite's word for a connection that is closed
            raise DriverClosed("the driver was disconnected before this call began") from error
        finally:
            self._hand_over()

    def _hand_over(self) -> None:
        for call in list(self._waiting):  # the thread may take some meanwhile
            if call.turn is not None and not call.turn.done() and not call.dropped:
                call.turn.set_result(True)
                return
        self._is_led = False

    def _deliver(self, calls: Sequence[_Call], ready_queues: frozenset[str]) -> None:
        for call in calls:
            if call.turn is not None and not call.turn.done():
                call.turn.set_result(False)
            if call.finished is not None and not call.finished.done():
                call.finished.set_result(None)
        if ready_queues and self._on_ready is not None:
            self._on_ready(ready_queues)

    # -- on the connection's thread

    def _carry_out(self) -> None:
        calls: list[_Call] = []
        while self._waiting and len(calls) < LARGEST_GROUP:
            call = self._waiting.popleft()
            if not call.dropped:
                calls.append(call)
        if not calls:
            return
        ready_queues = self._run_group(calls)
        for call in calls:
            call.done = True
        followers = [call for call in calls if call.turn is not None or call.finished is not None]
        if followers or (ready_queues and self._on_ready is not None):
            try:
                self._loop.call_soon_threadsafe(self._deliver, followers, frozenset(ready_queues))
            except RuntimeError:  # the loop is closed: nobody waits any more
                return

    def _run_group(self, calls: Sequence[_Call]) -> set[str]:
        try:
            session = self._open_session()
        except Exception as error:
            for call in calls:
                call.error = error
            return set()
        for call in calls:
            call.begun = True
        calls = [call for call in calls if not call.dropped]  # some may have given up while the lock was waited for
        try:
            _run_calls(session, calls)
            session.finish()
        except Exception as error:
            roll_back(self._raw)
            return self._run_alone(calls, error)
        try:
            self._raw.execute("COMMIT")
        except sqlite3.Error as error:
            roll_back(self._raw)
            if primary_code(error) == sqlite3.SQLITE_FULL:
                return self._run_alone(calls, error)
            for call in calls:
                call.error = DriverUnavailable(f"the commit failed: {error}")
                call.error.__cause__ = error
            return set()
        return session.ready_queues

    def _run_alone(self, calls: Sequence[_Call], error: Exception) -> set[str]:
        """After a failure that was rolled back: a call that was alone has its error, of several each tries alone."""
        if len(calls) == 1:
            calls[0].error = error
            return set()
        return set[str]().union(*[self._run_group([call]) for call in calls])

    def _open_session(self) -> Session:
        def begin() -> Session:
            self._raw.execute(self._begin)
            try:
                return session_on(self._raw, self._namespace)
            except BaseException:
                roll_back(self._raw)
                raise

        return patiently(begin, self._busy_timeout)


def _run_calls(session: Session, calls: Sequence[_Call]) -> None:
    """Run the calls in order; neighbours that do the same work on batches become one batch."""
    index = 0
    while index < len(calls):
        call = calls[index]
        if call.items is None:
            call.value = call.work(session)
            index += 1
            continue
        end = index + 1
        while end < len(calls) and calls[end].work is call.work and calls[end].items is not None:
            end += 1
        _run_as_one(session, calls[index:end])
        index = end


def _run_as_one(session: Session, calls: Sequence[_Call]) -> None:
    if len(calls) == 1:
        calls[0].value = calls[0].work(session, calls[0].items)
        return
    outcomes = calls[0].work(session, [item for call in calls for item in call.items or ()])
    start = 0
    for call in calls:
        size = len(call.items or ())
        call.value = outcomes[start : start + size]
        start += size
