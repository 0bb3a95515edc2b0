"""What `transactions.on()` returns, for connections that await and for those that don't."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from asynctasq.driver_api import (
    DriverError,
    EnqueueOutcome,
    Limits,
    NewTask,
    Settlement,
    SettleOutcome,
    check_new_tasks,
    check_settlements,
)
from asynctasq_postgres.enqueueing import enqueue, queues_to_wake
from asynctasq_postgres.error_mapping import guest_error
from asynctasq_postgres.guests.guest import AsyncGuest, SyncGuest
from asynctasq_postgres.settling import follow_ups_of, settle
from asynctasq_postgres.steps import Step, Steps, run_steps, run_steps_synchronously
from asynctasq_postgres.storage_names import StorageNames


class Binding(Struct, frozen=True):
    """What a bound driver has from the driver that it was made by."""

    names: StorageNames
    limits: Limits
    check_open: Callable[[], None]
    notify: bool

    def enqueue(self, tasks: Sequence[NewTask]) -> Steps[list[EnqueueOutcome]]:
        """The steps of an enqueue, checked."""
        self.check_open()
        check_new_tasks(tasks, self.limits)
        return enqueue(self.names, tasks, self._channels(tasks)) if tasks else _nothing()

    def settle(self, settlements: Sequence[Settlement]) -> Steps[list[SettleOutcome]]:
        """The steps of a settlement, checked."""
        self.check_open()
        check_settlements(settlements, self.limits)
        if not settlements:
            return _nothing()
        return settle(self.names, settlements, self._channels(follow_ups_of(settlements)))

    def _channels(self, tasks: Sequence[NewTask]) -> list[str] | None:
        """NOTIFY is part of the caller's transaction, and so is heard when that commits, and only then."""
        return [self.names.channel(queue) for queue in sorted(queues_to_wake(tasks))] if self.notify else None


class BoundPostgresDriver:
    """Enqueues and settles inside the transaction of an asynchronous connection."""

    def __init__(self, binding: Binding, guest: AsyncGuest) -> None:
        self._binding = binding
        self._guest = guest

    async def enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        """As `Driver.enqueue_many`; invisible until the caller commits, gone on rollback."""
        steps = self._binding.enqueue(tasks)
        return await self._run(steps)

    async def settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        """As `Driver.settle_many`; invisible until the caller commits, gone on rollback."""
        steps = self._binding.settle(settlements)
        return await self._run(steps)

    async def _run(self, steps: Steps[Any]) -> Any:
        try:
            await self._guest.enter()
            return await run_steps(steps, self._fetch)
        except DriverError:
            raise
        except Exception as error:
            raise guest_error(error) from error

    async def _fetch(self, step: Step) -> Sequence[Sequence[Any]]:
        return await self._guest.fetch(step.statement, step.arguments)


class SyncBoundPostgresDriver:
    """Enqueues and settles inside the transaction of a synchronous connection."""

    def __init__(self, binding: Binding, guest: SyncGuest) -> None:
        self._binding = binding
        self._guest = guest

    def enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        """As `Driver.enqueue_many`; invisible until the caller commits, gone on rollback."""
        return self._run(self._binding.enqueue(tasks))

    def settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        """As `Driver.settle_many`; invisible until the caller commits, gone on rollback."""
        return self._run(self._binding.settle(settlements))

    def _run(self, steps: Steps[Any]) -> Any:
        try:
            self._guest.enter()
            return run_steps_synchronously(steps, self._fetch)
        except DriverError:
            raise
        except Exception as error:
            raise guest_error(error) from error

    def _fetch(self, step: Step) -> Sequence[Sequence[Any]]:
        return self._guest.fetch(step.statement, step.arguments)


def _nothing() -> Steps[list[Any]]:
    return []
    yield  # makes it a generator, of no steps
