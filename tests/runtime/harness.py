"""What the tests of the runtime share: a store, a worker on it, and a driver that misbehaves on demand."""

import inspect
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from asynctasq.contract.envelopes import Delivery, NewTask, Receipt, TaskRecord, TaskState
from asynctasq.contract.settlements import ExtendOutcome, Settlement, SettleOutcome
from asynctasq.memory import MemoryDriver
from asynctasq.runtime.frame import Headers, encode_frame, encode_headers
from asynctasq.runtime.worker import Worker
from asynctasq.serializers.msgpack_serializer import MsgpackSerializer
from asynctasq.tasks.task_registry import TaskRegistry, default_registry

QUEUE = "default"
EPOCH = 1_700_000_000.0


def loop_clock() -> float:
    """Seconds since 1970 by the event loop's clock, so that time which is virtual there is so in the store."""
    return EPOCH + anyio.current_time()


class Faults:
    """What goes wrong with the next calls of one method: one entry per call, None for a call that goes well."""

    def __init__(self) -> None:
        self.before: deque[BaseException | float | None] = deque()
        """Raised, or slept through, before anything was applied."""
        self.after: deque[BaseException | float | None] = deque()
        """Raised, or slept through, after everything was applied."""

    async def strike(self, line: deque[BaseException | float | None]) -> None:
        fault = line.popleft() if line else None
        if isinstance(fault, BaseException):
            raise fault
        if fault is not None:
            await anyio.sleep(fault)


class FaultyDriver(MemoryDriver):
    """A memory driver that injects errors and delays, and remembers what it was called with."""

    def __init__(self, namespace: str, *, clock: Callable[[], float], max_batch: int | None = None) -> None:
        super().__init__(namespace, clock=clock)
        self.reserving, self.settling, self.extending = Faults(), Faults(), Faults()
        self.reserves: list[tuple[float, list[str], int]] = []
        self.settles: list[list[Settlement]] = []
        self.extends: list[tuple[float, list[Receipt]]] = []
        self.maintained = 0
        if max_batch is not None:
            limits = self.traits.limits
            fields = {name: getattr(limits, name) for name in limits.__struct_fields__}
            new_limits = type(limits)(**(fields | {"max_batch": max_batch}))
            traits = self.traits
            self.traits = type(traits)(guarantees=traits.guarantees, limits=new_limits, event_loops=traits.event_loops)

    async def _reserve(self, queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Delivery]:
        self.reserves.append((anyio.current_time(), list(queues), limit))
        await self.reserving.strike(self.reserving.before)
        deliveries = await super()._reserve(queues, limit=limit, lease=lease, worker=worker)
        await self.reserving.strike(self.reserving.after)
        return deliveries

    async def _settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        self.settles.append(list(settlements))
        await self.settling.strike(self.settling.before)
        outcomes = await super()._settle_many(settlements)
        await self.settling.strike(self.settling.after)
        return outcomes

    async def _extend_many(self, receipts: Sequence[Receipt], *, lease: float) -> list[ExtendOutcome]:
        self.extends.append((anyio.current_time(), list(receipts)))
        await self.extending.strike(self.extending.before)
        outcomes = await super()._extend_many(receipts, lease=lease)
        await self.extending.strike(self.extending.after)
        return outcomes

    async def _maintain(self, *, limit: int) -> Any:
        self.maintained += 1
        return await super()._maintain(limit=limit)


class Bench:
    """A store of its own, and the ways to put tasks into it and to look at them."""

    def __init__(self, driver: FaultyDriver, *, patience: float = 60.0) -> None:
        self.driver = driver
        self._patience = patience
        self.serializer = MsgpackSerializer()
        self.registry = TaskRegistry()
        """What a worker of this bench knows: the tasks that were enqueued here."""

    async def enqueue(self, task: Any, *, id: str | None = None, headers: Headers | None = None, **options: Any) -> str:
        """Store one call of a task: an invocation of a function or an instance of a class."""
        call = task.__task_call__
        body = self.serializer.encode(call.arguments)
        payload = encode_frame(encode_headers(headers or Headers(retry_strategy="fixed", retry_delay=0.0)), body)
        return await self.enqueue_payload(call.definition.name, payload, id=id, **options)

    async def enqueue_payload(self, name: str, payload: bytes, *, id: str | None = None, **options: Any) -> str:
        """Store any payload under any name."""
        options.setdefault("keep_for", 3600.0)
        if (definition := default_registry.get(name)) is not None:
            self.registry.register(definition)
        task = NewTask(
            id=id or uuid.uuid4().hex, queue=options.pop("queue", QUEUE), name=name, payload=payload, **options
        )
        [outcome] = await self.driver.enqueue_many([task])
        assert outcome.accepted
        return task.id

    async def record(self, id: str) -> TaskRecord:
        return (await self.driver.get_tasks([id]))[id]

    async def until(self, id: str, *states: TaskState) -> TaskRecord:
        """Wait until a task is in one of these states."""
        await self.eventually(self._in_state, id, states)
        return await self.record(id)

    async def _in_state(self, id: str, states: tuple[TaskState, ...]) -> bool:
        return (await self.record(id)).state in states

    async def eventually(self, condition: Callable[..., Any], *arguments: Any) -> None:
        """Wait until a condition holds."""
        with anyio.fail_after(self._patience):
            while True:
                holds = condition(*arguments)
                if await holds if inspect.isawaitable(holds) else holds:
                    return
                await anyio.sleep(0.01)

    def worker(self, **options: Any) -> Worker:
        options.setdefault("serializer", self.serializer)
        options.setdefault("registry", self.registry)
        options.setdefault("handle_signals", False)
        options.setdefault("blocked_loop_after", None)
        options.setdefault("worker_id", "worker-1")
        return Worker(self.driver, **options)

    async def work(self, **options: Any) -> Worker:
        """Run a worker until the queues are empty."""
        worker = self.worker(burst=True, **options)
        with anyio.fail_after(self._patience):
            await worker.start()
        return worker

    @asynccontextmanager
    async def working(self, **options: Any) -> AsyncGenerator[Worker, None]:
        """A worker that runs inside the block, and is drained at its end."""
        worker = self.worker(**options)
        async with anyio.create_task_group() as group:
            group.start_soon(worker.start)
            yield worker
            worker.request_stop()
