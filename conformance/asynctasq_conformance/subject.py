"""The driver under test in one fresh namespace, with what example tests say again and again."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import anyio

from asynctasq.driver_api import (
    FEATURE_NAMES,
    Delivery,
    Driver,
    DriverError,
    Failure,
    NewTask,
    QueueStats,
    Receipt,
    Settlement,
    SettleOutcome,
    TaskRecord,
    TaskState,
)
from asynctasq_conformance.harness import DriverHarness
from asynctasq_conformance.pace import Pace

FAILURE = Failure(type="ValueError", message="no such thing", traceback="line 1")
NEVER_ISSUED = Receipt("never-issued")
QUEUE = "q"
MAINTENANCE_CALLS = 200
"""More calls than any example needs until `maintain` reports `more=False`."""


def new_id() -> str:
    """An id that no task has."""
    return uuid.uuid4().hex


def new_task(**fields: Any) -> NewTask:
    """A task with a fresh id, in the queue of the example."""
    defaults: dict[str, Any] = {"id": new_id(), "queue": QUEUE, "name": "tests.task", "payload": b"payload"}
    return NewTask(**defaults | fields)


@contextmanager
def raises(*expected: type[Exception], names: str = "") -> Generator[None]:
    """The block raises one of `expected`, and its message contains `names`."""
    wanted = " or ".join(kind.__name__ for kind in expected)
    try:
        yield
    except expected as error:
        message = str(error)
    except Exception as error:
        raise AssertionError(f"raised {error!r}; wanted {wanted}") from error
    else:
        raise AssertionError(f"nothing was raised; wanted {wanted}")
    assert names in message, f"the message {message!r} does not name {names!r}"


@dataclass
class Span:
    """The backend's time before and after a block."""

    slack: timedelta
    before: datetime
    after: datetime

    def has(self, when: datetime | None, plus: float = 0.0) -> bool:
        """`when` lies `plus` seconds after some moment of the block, give or take the clock's resolution."""
        if when is None or when.utcoffset() != timedelta(0):
            return False
        later = timedelta(seconds=plus)
        return self.before + later - self.slack <= when <= self.after + later + self.slack

    def __str__(self) -> str:
        return f"{self.before:%H:%M:%S.%f} to {self.after:%H:%M:%S.%f}"


def rounded_up(shown: float | None, wanted: float | None, resolution: float) -> bool:
    """A duration that a driver shows is the one that was wanted, or that one rounded up to the driver's time
    resolution (both in seconds); None is None."""
    if shown is None or wanted is None:
        return shown is wanted
    return -1e-6 <= shown - wanted <= resolution + 2e-6


class Subject:
    """One example's driver. Everything here asserts what the contract lets it assert, and no more."""

    def __init__(self, harness: DriverHarness, namespace: str, driver: Driver, pace: Pace | None = None) -> None:
        self.harness = harness
        self.namespace = namespace
        self.driver = driver
        self.pace = pace or Pace()
        self._opened: list[Driver] = []

    # -- what the driver and the harness can do

    @property
    def resolution(self) -> float:
        """Seconds: the driver's time resolution."""
        return self.driver.traits.limits.time_resolution

    @property
    def slack(self) -> float:
        """Seconds by which two readings of one moment may differ."""
        return self.resolution + 2e-6

    def rounded_up(self, shown: float | None, wanted: float | None) -> bool:
        """A duration that the driver shows is the one that was wanted, perhaps rounded up to its time resolution."""
        return rounded_up(shown, wanted, self.resolution)

    @property
    def brief(self) -> float:
        """Seconds that an example lets pass: short if it really has to wait."""
        return min(30.0 if self.harness.can_move_time else self.pace.brief(self.resolution), self.long / 10)

    @property
    def long(self) -> float:
        """Seconds that never pass within an example."""
        return min(3600.0, self.driver.traits.limits.max_delay)

    @property
    def patience(self) -> float:
        """Seconds that a hint or a reply may take before it counts as lost."""
        return self.harness.patience

    @property
    def features(self) -> frozenset[str]:
        """The optional features that the driver has."""
        return frozenset(name for name in FEATURE_NAMES if getattr(self.driver, name) is not None)

    @property
    def guarantees(self) -> frozenset[str]:
        """The guarantees that the driver claims, by name."""
        return frozenset(guarantee.value for guarantee in self.driver.traits.guarantees)

    def missing(self, wanted: Iterable[str]) -> list[str]:
        """Those of `wanted` that neither the driver nor its harness has."""
        had = self.features | self.guarantees
        return [
            name for name in wanted if name not in had and not (hasattr(self.harness, name) and self.harness.has(name))
        ]

    # -- drivers and time

    async def open(self, namespace: str | None = None) -> Driver:
        """One more driver, connected; the example's end disconnects it."""
        driver = await self.harness.open_driver(namespace or self.namespace)
        await driver.connect()
        self._opened.append(driver)
        return driver

    async def let_pass(self, seconds: float) -> None:
        """Let at least `seconds` pass on the backend's clock."""
        self.pace.waits(seconds + self.slack)
        await self.harness.advance(seconds + self.slack)

    @asynccontextmanager
    async def timed(self) -> AsyncGenerator[Span]:
        """The backend's time around the block."""
        before = await self.driver.now()
        span = Span(timedelta(seconds=self.slack), before, before)
        yield span
        span.after = await self.driver.now()

    async def close(self) -> None:
        """Disconnect everything and remove what is stored."""
        for driver in self._opened:
            await driver.disconnect()
        if not self.harness.has("drop"):
            await self.driver.connect()
            pausing = self.driver.pausing
            if pausing is not None and (paused := await pausing.paused_queues()):
                await pausing.resume(sorted(paused))
            await self.driver.purge([*await self.driver.queue_stats()])
        await self.driver.disconnect()
        if self.harness.has("drop"):
            await self.harness.drop(self.namespace)

    # -- tasks

    async def put(self, **fields: Any) -> str:
        """Enqueue one task, which must be accepted; its id."""
        task = new_task(**fields)
        await self.accept(task)
        return task.id

    async def put_many(self, count: int, **fields: Any) -> list[str]:
        """Enqueue several tasks one by one, in order; their ids."""
        return [await self.put(**fields) for _ in range(count)]

    async def accept(self, *tasks: NewTask) -> None:
        """Enqueue a batch, of which every task must be accepted."""
        outcomes = await self.driver.enqueue_many(tasks)
        assert [o.accepted for o in outcomes] == [True] * len(tasks), f"not all were accepted: {outcomes}"

    async def duplicate_of(self, task: NewTask) -> str | None:
        """Enqueue a task that must be a duplicate; the id of the task that it duplicates."""
        [outcome] = await self.driver.enqueue_many([task])
        assert not outcome.accepted, f"the duplicate was accepted: {outcome}"
        return outcome.existing_id

    async def take(
        self, limit: int = 1, *, queues: Sequence[str] = (QUEUE,), lease: float | None = None, worker: str = "worker"
    ) -> list[Delivery]:
        """Reserve up to `limit` tasks; again while calls return some, and once more after maintenance."""
        found: list[Delivery] = []
        maintained = False
        while len(found) < limit:
            batch = await self.driver.reserve(queues, limit=limit - len(found), lease=lease or self.long, worker=worker)
            assert len(batch) <= limit - len(found), f"{len(batch)} deliveries; the limit was {limit - len(found)}"
            found += batch
            if not batch and maintained:
                break
            if not batch:
                await self.maintain()
                maintained = True
        return found

    async def take_one(
        self, *, queue: str = QUEUE, lease: float | None = None, worker: str = "worker", id: str | None = None
    ) -> Delivery:
        """Reserve one task, which must be there, and must be `id` if that is given."""
        found = await self.take(1, queues=(queue,), lease=lease, worker=worker)
        assert found, f"nothing was delivered from {queue!r}"
        assert id in (None, found[0].id), f"{found[0].id} was delivered; wanted {id}"
        return found[0]

    async def take_ids(self, limit: int, *, queues: Sequence[str] = (QUEUE,)) -> list[str]:
        """Reserve up to `limit` tasks; their ids in the order of delivery."""
        return [delivery.id for delivery in await self.take(limit, queues=queues)]

    async def nothing_to_take(self, *, queue: str = QUEUE) -> None:
        """No task of the queue is eligible."""
        found = await self.take(1, queues=(queue,))
        assert not found, f"delivered, though nothing is eligible: {found}"

    async def apply(self, *settlements: Settlement) -> None:
        """Settle a batch, of which every item must be applied."""
        outcomes = await self.driver.settle_many(settlements)
        assert outcomes == [SettleOutcome.APPLIED] * len(settlements), f"not all were applied: {outcomes}"

    async def stale(self, *settlements: Settlement) -> None:
        """Settle a batch, of which every item must be stale."""
        outcomes = await self.driver.settle_many(settlements)
        assert outcomes == [SettleOutcome.STALE] * len(settlements), f"not all were stale: {outcomes}"

    async def record(self, id: str) -> TaskRecord:
        """The record of a task, which must be there."""
        records = await self.driver.get_tasks([id])
        assert id in records, f"task {id} has no record"
        return records[id]

    async def state(self, id: str) -> TaskState | None:
        """The state of a task; None without a record."""
        record = (await self.driver.get_tasks([id])).get(id)
        return None if record is None else record.state

    async def must_be(self, state: TaskState, *ids: str) -> None:
        """Every one of the tasks is in this state."""
        records = await self.driver.get_tasks(ids)
        states = {id: records[id].state if id in records else None for id in ids}
        assert states == dict.fromkeys(ids, state), f"states are {states}; wanted all {state}"

    async def ended(self, id: str) -> None:
        """The task is completed: it says so, or (its record need not be kept) it is gone."""
        state = await self.state(id)
        assert state in (None, TaskState.COMPLETED), f"task {id} is {state}; wanted it completed"

    async def stats(self, queue: str = QUEUE) -> QueueStats:
        """The statistics of one queue."""
        stats = await self.driver.queue_stats([queue])
        assert queue in stats, f"queue_stats left {queue!r} out"
        return stats[queue]

    async def listed(self, *, limit: int = 50, **filters: Any) -> list[TaskRecord]:
        """All tasks that match, page by page."""
        found: list[TaskRecord] = []
        after: str | None = None
        for _ in range(MAINTENANCE_CALLS):
            page = await self.driver.list_tasks(limit=limit, after=after, **filters)
            assert len(page.tasks) <= limit, f"a page of {len(page.tasks)} tasks; the limit was {limit}"
            found += page.tasks
            after = page.after
            if after is None:
                return found
        raise AssertionError(f"the list did not end within {MAINTENANCE_CALLS} pages")

    async def maintain(self, *, limit: int = 100) -> int:
        """Maintain until there is no more to do; how many calls that took."""
        limit = min(limit, self.driver.traits.limits.max_batch)
        for calls in range(1, MAINTENANCE_CALLS + 1):
            report = await self.driver.maintain(limit=limit)
            if not report.more:
                return calls
        raise AssertionError(f"maintain() still reported more=True after {MAINTENANCE_CALLS} calls")


def fresh_namespace() -> str:
    """A namespace that nothing is stored in."""
    return f"conformance-{uuid.uuid4().hex[:20]}"


@asynccontextmanager
async def open_subject(harness: DriverHarness, pace: Pace | None = None) -> AsyncGenerator[Subject]:
    """Prepare a fresh namespace, connect a driver, and clean up behind it."""
    namespace = harness.namespace = fresh_namespace()
    driver = await harness.open_driver(namespace)
    await driver.prepare_storage()
    await driver.connect()
    subject = Subject(harness, namespace, driver, pace)
    try:
        yield subject
    except BaseException:
        await _close_after_failure(subject)
        raise
    with anyio.CancelScope(shield=True):
        await subject.close()


async def _close_after_failure(subject: Subject) -> None:
    """Clean up without hiding the failure that is on its way."""
    with anyio.move_on_after(10, shield=True):
        try:
            await subject.close()
        except (DriverError, OSError):
            return
