"""What the author of a driver writes: one hook per public method of `Driver`, with an underscore.

A hook is called only on an open driver, with arguments that were checked (sequences are never empty, queue names are
unique), and its meaning is the docstring of the public method of the same name. Its own duties:

- It lets only `DriverError`s escape, with the native error as `__cause__`, and maps "no answer" to `DriverUnavailable`.
- It retries nothing, except a transaction that the server itself refused or rolled back before anything was reported.
- It is a checkpoint. Cancelled, it has applied each item fully or not at all (the whole batch, where the batch is the
  atomic unit), and its connection is usable afterwards or discarded.
"""

import abc
from collections.abc import Sequence
from datetime import datetime

from asynctasq.contract.envelopes import (
    Delivery,
    Finding,
    MaintenanceReport,
    NewTask,
    QueueStats,
    Receipt,
    TaskPage,
    TaskRecord,
    TaskState,
)
from asynctasq.contract.settlements import (
    CancelOutcome,
    EnqueueOutcome,
    ExtendOutcome,
    ReplayOutcome,
    Settlement,
    SettleOutcome,
)


class DriverHooks(abc.ABC):
    """The abstract half of `Driver`. Do not subclass it: subclass `Driver`."""

    @abc.abstractmethod
    async def _connect(self) -> None:
        """Open what the driver needs and set `traits` and the features. Leave nothing open when it raises."""

    @abc.abstractmethod
    async def _disconnect(self) -> None:
        """Close what `_connect` opened. No call is in flight."""

    @abc.abstractmethod
    async def _prepare_storage(self, *, dry_run: bool) -> list[str]:
        """Needs no open driver: it opens what it needs, and closes that again."""

    @abc.abstractmethod
    async def _enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]: ...

    @abc.abstractmethod
    async def _reserve(self, queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Delivery]: ...

    @abc.abstractmethod
    async def _settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]: ...

    @abc.abstractmethod
    async def _extend_many(self, receipts: Sequence[Receipt], *, lease: float) -> list[ExtendOutcome]: ...

    @abc.abstractmethod
    async def _cancel_many(self, ids: Sequence[str]) -> list[CancelOutcome]: ...

    @abc.abstractmethod
    async def _get_tasks(self, ids: Sequence[str]) -> dict[str, TaskRecord]: ...

    @abc.abstractmethod
    async def _list_tasks(
        self,
        *,
        queue: str | None,
        state: TaskState | None,
        name: str | None,
        correlation_id: str | None,
        older_than: float | None,
        limit: int,
        after: str | None,
    ) -> TaskPage:
        """Raises `InvalidArgument` for an `after` that no page of this driver gave."""

    @abc.abstractmethod
    async def _replay_many(self, ids: Sequence[str]) -> list[ReplayOutcome]: ...

    @abc.abstractmethod
    async def _delete_many(self, ids: Sequence[str]) -> list[bool]: ...

    @abc.abstractmethod
    async def _queue_stats(self, queues: Sequence[str] | None) -> dict[str, QueueStats]: ...

    @abc.abstractmethod
    async def _now(self) -> datetime: ...

    @abc.abstractmethod
    async def _maintain(self, *, limit: int) -> MaintenanceReport: ...

    @abc.abstractmethod
    async def _purge(self, queues: Sequence[str], *, states: Sequence[TaskState] | None) -> None: ...

    async def _diagnose(self) -> list[Finding]:
        return []
