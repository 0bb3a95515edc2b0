"""Drivers that are wrong about transactions of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from asynctasq.driver_api import (
    EnqueueOutcome,
    InvalidArgument,
    NewTask,
    PayloadTooLarge,
    Settlement,
    SettleOutcome,
)
from asynctasq_conformance.mutants.mutant import mutant
from asynctasq_conformance.mutants.plain_driver import PlainDriver
from asynctasq_conformance.mutants.plain_features import GuestConnection, Outcomes, PlainBoundDriver, PlainTransactions
from asynctasq_conformance.mutants.plain_storage import LEASED, Space, Storage
from asynctasq_conformance.mutants.wrong_settling import task_of_any_receipt


class _Forgetting(PlainBoundDriver):
    async def enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        outcomes = await super().enqueue_many(tasks)
        for task in tasks:
            if self.connection.space is not None:
                self.connection.space.tasks.pop(task.id, None)
        return outcomes


class _ForgettingTransactions(PlainTransactions):
    bound_class = _Forgetting


@mutant("transactions", "TRA-1")
class GuestsTasksAreLost(PlainDriver):
    """What is enqueued in a transaction is answered, and not stored."""

    transactions_class = _ForgettingTransactions


class _Committing(PlainBoundDriver):
    async def step(self, change: Callable[[Space, int], Outcomes]) -> Outcomes:
        outcomes = await super().step(change)
        if self.connection.space is not None:
            self.driver.storage.space = self.connection.space
        return outcomes


class _CommittingTransactions(PlainTransactions):
    bound_class = _Committing


@mutant("transactions", "TRA-2", "TRA-3", "TRA-5")
class GuestCommits(PlainDriver):
    """The driver commits the caller's transaction."""

    transactions_class = _CommittingTransactions


class _Stubborn(PlainBoundDriver):
    async def enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        before: list[NewTask] = self.connection.__dict__.setdefault("before", [])
        outcomes = (await super().enqueue_many([*before, *tasks]))[len(before) :]
        before.extend(tasks)
        return outcomes


class _StubbornTransactions(PlainTransactions):
    bound_class = _Stubborn


@mutant("transactions", "TRA-4")
class SavepointsAreIgnored(PlainDriver):
    """Tasks are gathered in the driver, out of reach of the caller's savepoints."""

    transactions_class = _StubbornTransactions


class _SettlingOutside(PlainBoundDriver):
    async def settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        await super().settle_many(settlements)
        return self.driver.settle(self.driver.storage.space, settlements, self.driver.clock.read())


class _SettlingOutsideTransactions(PlainTransactions):
    bound_class = _SettlingOutside


@mutant("transactions", "TRA-5")
class GuestSettlesOutside(PlainDriver):
    """A settlement in a transaction takes effect at once."""

    transactions_class = _SettlingOutsideTransactions


class _Unfenced(PlainBoundDriver):
    async def settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        space = self.connection.space
        for settlement in settlements:
            stored = None if space is None else task_of_any_receipt(space, settlement.receipt)
            if stored is not None and stored.started_at is not None:
                stored.state, stored.receipt = LEASED, settlement.receipt
                stored.at = self.driver.clock.read() + 1
        return await super().settle_many(settlements)


class _UnfencedTransactions(PlainTransactions):
    bound_class = _Unfenced


@mutant("transactions", "TRA-6")
class GuestUnfenced(PlainDriver):
    """In a transaction a worker that lost its task can still settle it."""

    transactions_class = _UnfencedTransactions


class _Aborting(PlainBoundDriver):
    async def enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        outcomes = await super().enqueue_many(tasks)
        if not all(outcome.accepted for outcome in outcomes):
            self.connection.space = self.driver.storage.copy_of_space()
        return outcomes


class _AbortingTransactions(PlainTransactions):
    bound_class = _Aborting


@mutant("transactions", "TRA-7")
class DuplicateAbortsTheGuest(PlainDriver):
    """A duplicate undoes the caller's transaction."""

    transactions_class = _AbortingTransactions


class _Lenient(PlainTransactions):
    def on(self, connection: Any) -> PlainBoundDriver:
        if isinstance(connection, GuestConnection) and connection.space is None:
            connection.space = self.driver.storage.space
        return super().on(connection)


@mutant("transactions", "TRA-8")
class ConnectionNeedsNoTransaction(PlainDriver):
    """Without a transaction the driver works at once, outside any."""

    transactions_class = _Lenient


class _AnyConnection(PlainTransactions):
    def on(self, connection: Any) -> PlainBoundDriver:
        if not isinstance(connection, GuestConnection):
            connection = GuestConnection(Storage())
            connection.space = Space()
        return super().on(connection)


@mutant("transactions", "TRA-8")
class AnythingIsAConnection(PlainDriver):
    """Whatever is given for a connection is accepted."""

    transactions_class = _AnyConnection


class _Touchy(PlainBoundDriver):
    async def enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        try:
            return await super().enqueue_many(tasks)
        except (InvalidArgument, PayloadTooLarge):
            self.connection.space = self.driver.storage.copy_of_space()
            raise


class _TouchyTransactions(PlainTransactions):
    bound_class = _Touchy


@mutant("transactions", "TRA-9")
class RefusalUndoesTheGuest(PlainDriver):
    """A refused argument undoes the caller's transaction."""

    transactions_class = _TouchyTransactions


class _TimeOfBegin(PlainBoundDriver):
    async def step(self, change: Callable[[Space, int], Outcomes]) -> Outcomes:
        begun = self.connection.begun_at
        return await super().step(lambda space, now: change(space, begun or now))


class _TimeOfBeginTransactions(PlainTransactions):
    bound_class = _TimeOfBegin


@mutant("transactions", "TRA-10")
class DelaysCountFromTheBegin(PlainDriver):
    """In a transaction time stands still."""

    transactions_class = _TimeOfBeginTransactions


@mutant("transactions", "TRA-11")
class NobodyWaitsForTheGuest(PlainDriver):
    """Enqueueing outside does not wait for the transaction that has the same id."""

    async def writing(self) -> None:
        await self._now()


class _Silent(PlainBoundDriver):
    async def step(self, change: Callable[[Space, int], Outcomes]) -> Outcomes:
        outcomes = await super().step(change)
        if self.connection.space is not None:
            self.connection.space.signals = dict(self.driver.storage.space.signals)
        return outcomes


class _SilentTransactions(PlainTransactions):
    bound_class = _Silent


@mutant("transactions", "TRA-12")
class GuestWakesNobody(PlainDriver):
    """What comes out of a transaction wakes nobody."""

    transactions_class = _SilentTransactions
