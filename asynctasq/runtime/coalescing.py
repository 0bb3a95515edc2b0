"""Concurrent enqueues become few batches: one in flight, the next one gathering meanwhile, nothing that lingers.

There is no background task. The first member of a batch leads it: it waits for the batches before, sends its own, and
tells the others. A leader that is cancelled leaves; another member takes its place and sends the batch again, with the
same ids, so that nothing is stored twice.
"""

from collections import deque
from collections.abc import Sequence

import anyio

from asynctasq.contract.checks import check_new_task
from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import NewTask
from asynctasq.contract.settlements import EnqueueOutcome
from asynctasq.errors import DriverError, InvalidArgument, PayloadTooLarge
from asynctasq.runtime.resending import RESEND_FOR, enqueue_resending

MAX_BATCH_BYTES = 4 * 1024 * 1024
"""Payload bytes after which a batch takes no more tasks: a store reads a batch as one message."""

_Answer = EnqueueOutcome | DriverError


class _Batch:
    """Tasks that travel together. A member that leaves before they are sent leaves None behind."""

    def __init__(self) -> None:
        self.tasks: list[NewTask | None] = []
        self.answers: dict[int, _Answer] = {}
        self.bytes = 0
        self.is_sealed = False
        self.is_done = False
        self.leader: int | None = None
        self.turn: anyio.Event | None = None
        self.change: anyio.Event | None = None

    def add(self, task: NewTask) -> int:
        self.tasks.append(task)
        self.bytes += len(task.payload)
        return len(self.tasks) - 1

    def has_room(self, max_batch: int) -> bool:
        return not self.is_sealed and len(self.tasks) < max_batch and self.bytes < MAX_BATCH_BYTES

    def tell_members(self) -> None:
        if self.change is not None:
            self.change.set()
            self.change = None


class EnqueueCoalescer:
    """The way of single tasks into one driver, on one event loop."""

    def __init__(self, driver: Driver, *, resend_for: float = RESEND_FOR) -> None:
        self._driver = driver
        self._resend_for = resend_for
        self._line: deque[_Batch] = deque()
        """The first one is in flight, or about to be."""

    async def enqueue(self, task: NewTask) -> EnqueueOutcome:
        """Store one task, in one batch with whatever else is waiting.

        Raises:
            DriverError: what the driver raised for this task; the others of the batch are not concerned.
        """
        line = self._line
        if not line or not line[-1].has_room(self._driver.traits.limits.max_batch):
            line.append(_Batch())
        batch = line[-1]
        member = batch.add(task)
        try:
            await self._take_part(batch, member)
        except BaseException:
            self._leave(batch, member)
            raise
        answer = batch.answers[member]
        if isinstance(answer, DriverError):
            raise answer if member == batch.leader else _copy_of(answer) from answer.__cause__
        return answer

    async def _take_part(self, batch: _Batch, member: int) -> None:
        while not batch.is_done:
            if batch.leader is None:
                batch.leader = member
            if batch.leader != member:
                if batch.change is None:
                    batch.change = anyio.Event()
                await batch.change.wait()
            elif self._line[0] is batch:
                await self._send(batch)
            else:
                batch.turn = anyio.Event()
                await batch.turn.wait()

    def _leave(self, batch: _Batch, member: int) -> None:
        """This member is cancelled. Whatever was sent may have been applied; what was not sent is not."""
        if batch.is_done:
            return
        batch.tasks[member] = None
        if batch.leader == member:
            batch.leader = None
        if batch.leader is not None:
            return
        # Also if the leader had left before, and this member was cancelled before it could take its place.
        if any(task is not None for task in batch.tasks):
            batch.tell_members()
        else:
            self._finish(batch)

    def _finish(self, batch: _Batch) -> None:
        batch.is_done = True
        is_first = self._line[0] is batch
        self._line.remove(batch)
        batch.tell_members()
        if is_first and self._line and (turn := self._line[0].turn) is not None:
            turn.set()

    async def _send(self, batch: _Batch) -> None:
        batch.is_sealed = True
        members = [member for member, task in enumerate(batch.tasks) if task is not None]
        tasks = [task for task in batch.tasks if task is not None]
        answers = await self._answers(tasks)
        batch.answers = dict(zip(members, answers, strict=True))
        self._finish(batch)

    async def _answers(self, tasks: Sequence[NewTask]) -> Sequence[_Answer]:
        try:
            return await enqueue_resending(self._driver, tasks, resend_for=self._resend_for)
        except (InvalidArgument, PayloadTooLarge) as error:
            if len(tasks) == 1:
                return [error]
            return await self._answers_apart(tasks)
        except DriverError as error:
            return [error] * len(tasks)

    async def _answers_apart(self, tasks: Sequence[NewTask]) -> list[_Answer]:
        """One task is out of bounds, and nothing was stored: it must not cost the others theirs."""
        answers: list[_Answer | None] = [self._objection(task) for task in tasks]
        fine = [index for index, answer in enumerate(answers) if answer is None]
        if len(fine) == len(tasks):  # the driver objects to something of its own
            return [(await self._answers([task]))[0] for task in tasks]
        if fine:
            for index, answer in zip(fine, await self._answers([tasks[index] for index in fine]), strict=True):
                answers[index] = answer
        return [answer for answer in answers if answer is not None]

    def _objection(self, task: NewTask) -> DriverError | None:
        try:
            check_new_task(task, self._driver.traits.limits)
        except DriverError as error:
            return error
        return None


def _copy_of(error: DriverError) -> DriverError:
    """Every caller raises an exception of its own: a shared one would collect the tracebacks of all."""
    try:
        return type(error)(*error.args)
    except TypeError:  # a driver's own subclass, with a constructor of its own
        return error
