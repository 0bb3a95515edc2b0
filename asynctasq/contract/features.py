"""Optional features of a driver: objects that are None when absent.

Never looked for with `hasattr`, never answered with `NotImplementedError`: a driver that has no push, no
transactions, no pausing or no worker reports leaves the attribute None, and the core does without.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from asynctasq.contract.envelopes import NewTask, WorkerReport
from asynctasq.contract.settlements import EnqueueOutcome, Settlement, SettleOutcome

FEATURE_NAMES = frozenset({"wake_ups", "transactions", "pausing", "worker_reports"})
"""The attributes of `Driver` that hold a feature, and the words that a `DriverSpec` advertises them with."""


class WakeUpStream(Protocol):
    """What `WakeUps.listen()` gives."""

    async def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds. True is a hint that work may be ready; False says nothing.

        Spurious hints are allowed, and several may be given as one. A hint that came between two calls of `wait`
        is not lost: the next call returns at once. Never a hint before the enqueue was committed.

        Raises:
            DriverUnavailable: the connection that carries the hints broke. Leave the stream and listen again.
        """
        ...


class WakeUps(Protocol):
    """Hints that work has become ready. A lost hint costs latency, never a task: the core polls as well."""

    def listen(self, queues: Sequence[str]) -> AbstractAsyncContextManager[WakeUpStream]:
        """Open a stream of hints for these queues.

        Once it is entered, an enqueue of ready work into one of them wakes at least one listener, unless the
        connection broke. A store without push may poll cheaply inside `wait`.

        Raises (here or when it is entered):
            InvalidArgument: a queue's name is out of bounds.
            DriverUnavailable: the connection that carries the hints can't be opened. Listen again.
        """
        ...


class BoundDriver(Protocol):
    """A driver's enqueueing and settling inside a transaction that its caller has open."""

    async def enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        """As `Driver.enqueue_many`; invisible until the caller commits, gone on rollback."""
        ...

    async def settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        """As `Driver.settle_many`; invisible until the caller commits, gone on rollback."""
        ...


class SyncBoundDriver(Protocol):
    """`BoundDriver` for a synchronous connection."""

    def enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        """As `Driver.enqueue_many`; invisible until the caller commits, gone on rollback."""
        ...

    def settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        """As `Driver.settle_many`; invisible until the caller commits, gone on rollback."""
        ...


class Transactions(Protocol):
    """Enqueue and settle on the user's own connection, inside the transaction that it has open."""

    def on(self, connection: Any) -> BoundDriver | SyncBoundDriver:
        """Bind to a connection of the user's.

        The driver never begins, commits, rolls back or closes, and retries nothing. A duplicate never aborts the
        transaction. Delays count from the call. Until the caller ends the transaction, other enqueues of the same
        id or dedupe key wait. After any error but `InvalidArgument` and `PayloadTooLarge` the caller rolls back.

        Raises (here or from the methods of what it returns):
            InvalidArgument: no transaction is open, its isolation level can't be served, or it is not a
                connection that this driver knows. The transaction is unharmed.
            TransactionAborted: the store itself ended the transaction.
        """
        ...


class Pausing(Protocol):
    """Queues from which nothing is delivered, although everything else goes on."""

    async def pause(self, queues: Sequence[str]) -> None:
        """Leave these queues out of every `reserve` from now on. Settling and extending go on. Idempotent.

        Raises:
            InvalidArgument: a queue's name is out of bounds. No queue is paused.
            DriverUnavailable: unknown which are paused. Send it again.
        """
        ...

    async def resume(self, queues: Sequence[str]) -> None:
        """Deliver from these queues again. Idempotent; a queue that is not paused is fine.

        Raises:
            InvalidArgument: a queue's name is out of bounds. No queue is resumed.
            DriverUnavailable: unknown which are resumed. Send it again.
        """
        ...

    async def paused_queues(self) -> frozenset[str]:
        """The names of all paused queues."""
        ...


class WorkerReports(Protocol):
    """Workers' own accounts of themselves: for people to look at, never part of delivery."""

    async def report(self, worker: str, data: bytes, *, ttl: float) -> None:
        """Store this worker's report in place of its last one; it is gone after `ttl` seconds.

        Raises:
            InvalidArgument: the worker's name or `ttl` is out of bounds.
            PayloadTooLarge: `data` is larger than `limits.max_payload_bytes`.
            DriverUnavailable: unknown whether stored. The next report replaces it.
        """
        ...

    async def reports(self) -> list[WorkerReport]:
        """All reports whose time has not run out."""
        ...
