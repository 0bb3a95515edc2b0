"""Drivers that are wrong about what is stored, and what is a duplicate."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from asynctasq.driver_api import EnqueueOutcome, NewTask
from asynctasq_conformance.mutants.mutant import mutant
from asynctasq_conformance.mutants.plain_driver import PlainDriver
from asynctasq_conformance.mutants.plain_storage import LEASED, Space, StoredTask


@mutant("enqueue", "ENQ-1")
class EnqueueIsVisibleLater(PlainDriver):
    """A batch becomes visible with the next call."""

    async def _enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        await self.writing()
        waiting: list[NewTask] = getattr(self.storage, "late", [])
        self.enqueue(self.storage.space, waiting, self.clock.read())
        self.storage.__dict__["late"] = list(tasks)
        return [EnqueueOutcome(accepted=True) for _ in tasks]


@mutant("enqueue", "ENQ-2")
class BatchLosesItsLastTask(PlainDriver):
    """Of a batch of several tasks the last one is not stored."""

    def enqueue(self, space: Space, tasks: Sequence[NewTask], now: int) -> list[EnqueueOutcome]:
        stored = tasks[:-1] if len(tasks) > 1 else tasks
        outcomes = super().enqueue(space, stored, now)
        return [*outcomes, *[EnqueueOutcome(accepted=True) for _ in tasks[len(stored) :]]]


@mutant("enqueue", "ENQ-2")
class BatchSharesOnePayload(PlainDriver):
    """All tasks of a batch get the payload of the first."""

    def enqueue(self, space: Space, tasks: Sequence[NewTask], now: int) -> list[EnqueueOutcome]:
        return super().enqueue(space, [msgspec.structs.replace(t, payload=tasks[0].payload) for t in tasks], now)


@mutant("enqueue", "ENQ-3")
class DuplicateIdOverwrites(PlainDriver):
    """A known id's task is replaced by the new one."""

    def enqueue_one(self, space: Space, task: NewTask, now: int) -> EnqueueOutcome:
        if self.is_known(space, task.id):
            self.insert(space, task, now)
            return EnqueueOutcome(accepted=False, existing_id=task.id)
        return super().enqueue_one(space, task, now)


@mutant("enqueue", "ENQ-3")
class DuplicateIdIsAccepted(PlainDriver):
    """A known id is reported as accepted, though nothing is stored."""

    def enqueue_one(self, space: Space, task: NewTask, now: int) -> EnqueueOutcome:
        super().enqueue_one(space, task, now)
        return EnqueueOutcome(accepted=True)


@mutant("enqueue", "ENQ-4")
class DuplicateStopsTheBatch(PlainDriver):
    """What comes after a duplicate in a batch is not stored."""

    def enqueue(self, space: Space, tasks: Sequence[NewTask], now: int) -> list[EnqueueOutcome]:
        outcomes: list[EnqueueOutcome] = []
        for task in tasks:
            if outcomes and not outcomes[-1].accepted:
                outcomes.append(outcomes[-1])
            else:
                outcomes.append(self.enqueue_one(space, task, now))
        return outcomes


@mutant("enqueue", "ENQ-4")
class IdTwiceInBatchKeepsTheLast(PlainDriver):
    """Of two tasks of one id in a batch the last one is stored."""

    def enqueue(self, space: Space, tasks: Sequence[NewTask], now: int) -> list[EnqueueOutcome]:
        unknown = {task.id for task in tasks if not self.is_known(space, task.id)}
        outcomes = super().enqueue(space, tasks, now)
        for task in tasks:
            if task.id in unknown and task.id in space.tasks:
                space.tasks[task.id].task = task
        return outcomes


@mutant("enqueue", "ENQ-5")
class DedupeWinsOverKnownId(PlainDriver):
    """A duplicate by id and by key names the holder of the key."""

    def enqueue_one(self, space: Space, task: NewTask, now: int) -> EnqueueOutcome:
        holder = self.holder_of_key(space, task.queue, task.dedupe_key)
        if holder is not None:
            return EnqueueOutcome(accepted=False, existing_id=holder.task.id)
        return super().enqueue_one(space, task, now)


@mutant("enqueue", "ENQ-6")
class DedupeKeyFreeWhileLeased(PlainDriver):
    """A leased task does not hold its dedupe key."""

    def holder_of_key(self, space: Space, queue: str, key: str | None) -> StoredTask | None:
        holder = super().holder_of_key(space, queue, key)
        return None if holder is not None and holder.state == LEASED else holder


@mutant("enqueue", "ENQ-6")
class DuplicateNamesItself(PlainDriver):
    """A duplicate by key names its own id instead of the holder's."""

    def enqueue_one(self, space: Space, task: NewTask, now: int) -> EnqueueOutcome:
        outcome = super().enqueue_one(space, task, now)
        return outcome if outcome.accepted else EnqueueOutcome(accepted=False, existing_id=task.id)


@mutant("enqueue", "ENQ-6")
class RefusedDuplicateIsRemembered(PlainDriver):
    """The id of a task that was refused for its key is known from then on."""

    def enqueue_one(self, space: Space, task: NewTask, now: int) -> EnqueueOutcome:
        outcome = super().enqueue_one(space, task, now)
        if not outcome.accepted and not self.is_known(space, task.id):
            space.remembered[task.id] = now + 60_000_000
        return outcome


@mutant("enqueue", "ENQ-7")
class DedupeKeyIgnoredWithinBatch(PlainDriver):
    """Keys are looked up before the batch is stored, so two of one batch are both accepted."""

    def enqueue(self, space: Space, tasks: Sequence[NewTask], now: int) -> list[EnqueueOutcome]:
        free = {t.id for t in tasks if self.holder_of_key(space, t.queue, t.dedupe_key) is None}
        outcomes: list[EnqueueOutcome] = []
        for task in tasks:
            if task.id in free and not self.is_known(space, task.id):
                self.insert(space, task, now)
                outcomes.append(EnqueueOutcome(accepted=True))
            else:
                outcomes.append(self.enqueue_one(space, task, now))
        return outcomes


@mutant("enqueue", "ENQ-8")
class DedupeKeyAcrossQueues(PlainDriver):
    """A dedupe key counts for all queues together."""

    def holder_of_key(self, space: Space, queue: str, key: str | None) -> StoredTask | None:
        queues = {stored.task.queue for stored in space.tasks.values()}
        holders = [super(DedupeKeyAcrossQueues, self).holder_of_key(space, name, key) for name in queues]
        return next((holder for holder in holders if holder is not None), None)


@mutant("enqueue", "ENQ-8")
class DedupeKeyIgnoresCase(PlainDriver):
    """Dedupe keys are compared without regard to case and trailing spaces, as some collations do."""

    def holder_of_key(self, space: Space, queue: str, key: str | None) -> StoredTask | None:
        for stored in space.tasks.values():
            mine = stored.task.dedupe_key
            alike = key and mine and mine.strip().casefold() == key.strip().casefold()
            if alike and stored.is_live and stored.task.queue == queue:
                return stored
        return None


@mutant("enqueue", "ENQ-9")
class DedupeKeyKeptAfterCompletion(PlainDriver):
    """A completed task still holds its dedupe key."""

    def holder_of_key(self, space: Space, queue: str, key: str | None) -> StoredTask | None:
        for stored in space.tasks.values():
            held = key is not None and (stored.task.queue, stored.task.dedupe_key) == (queue, key)
            if held and stored.state == "completed":
                return stored
        return super().holder_of_key(space, queue, key)


@mutant("enqueue", "ENQ-9")
class DedupeKeyKeptAfterCancellation(PlainDriver):
    """A cancelled task still holds its dedupe key."""

    def holder_of_key(self, space: Space, queue: str, key: str | None) -> StoredTask | None:
        for stored in space.tasks.values():
            held = key is not None and (stored.task.queue, stored.task.dedupe_key) == (queue, key)
            if held and stored.state == "cancelled":
                return stored
        return super().holder_of_key(space, queue, key)


@mutant("enqueue", "ENQ-9")
class RetriedTaskLosesItsDedupeKey(PlainDriver):
    """A task whose attempt failed holds no dedupe key while it waits for the next."""

    def holder_of_key(self, space: Space, queue: str, key: str | None) -> StoredTask | None:
        holder = super().holder_of_key(space, queue, key)
        return None if holder is not None and holder.failures and holder.state != LEASED else holder


@mutant("enqueue", "ENQ-9")
class ReleasedTaskLosesItsDedupeKey(PlainDriver):
    """A task that was given back holds no dedupe key while it waits."""

    def holder_of_key(self, space: Space, queue: str, key: str | None) -> StoredTask | None:
        holder = super().holder_of_key(space, queue, key)
        released = holder is not None and holder.started_at is not None and not holder.attempts
        return None if released else holder


@mutant("enqueue", "ENQ-9")
class LapsedTaskLosesItsDedupeKey(PlainDriver):
    """A task whose lease lapsed holds no dedupe key while it waits."""

    def holder_of_key(self, space: Space, queue: str, key: str | None) -> StoredTask | None:
        holder = super().holder_of_key(space, queue, key)
        if holder is None or holder.state == LEASED:
            return holder
        return None if holder.attempts > len(holder.failures) else holder


@mutant("enqueue", "ENQ-10")
class EqualPayloadsCollapse(PlainDriver):
    """Two tasks of one payload are taken for one task."""

    def enqueue_one(self, space: Space, task: NewTask, now: int) -> EnqueueOutcome:
        if any(stored.task.payload == task.payload for stored in space.tasks.values()):
            return EnqueueOutcome(accepted=True)
        return super().enqueue_one(space, task, now)


@mutant("enqueue", "ENQ-11")
class RememberForNotStored(PlainDriver):
    """`remember_for` is not stored."""

    def insert(self, space: Space, task: NewTask, now: int) -> None:
        super().insert(space, msgspec.structs.replace(task, remember_for=0.0), now)


@mutant("records", "REC-1")
class RetentionIsCutToWholeSeconds(PlainDriver):
    """`keep_for` and `remember_for` lose their fractions, though the driver claims microseconds."""

    def insert(self, space: Space, task: NewTask, now: int) -> None:
        keep_for, remember_for = math.floor(task.keep_for), math.floor(task.remember_for)
        super().insert(space, msgspec.structs.replace(task, keep_for=keep_for, remember_for=remember_for), now)


@mutant("payloads", "PAY-1", "RSL-2")
class PayloadNulTruncated(PlainDriver):
    """A payload ends at its first NUL."""

    def insert(self, space: Space, task: NewTask, now: int) -> None:
        super().insert(space, msgspec.structs.replace(task, payload=task.payload.split(b"\0")[0]), now)


@mutant("payloads", "PAY-1")
class PayloadGoesThroughText(PlainDriver):
    """A payload is stored as text."""

    def insert(self, space: Space, task: NewTask, now: int) -> None:
        through = task.payload.decode(errors="replace").encode()
        super().insert(space, msgspec.structs.replace(task, payload=through), now)


@mutant("payloads", "PAY-1")
class PayloadComesBackAsBytearray(PlainDriver):
    """A payload comes back as the client library's own type."""

    def insert(self, space: Space, task: NewTask, now: int) -> None:
        super().insert(space, msgspec.structs.replace(task, payload=bytearray(task.payload)), now)


@mutant("payloads", "PAY-2")
class LargestPayloadIsCut(PlainDriver):
    """A payload of the largest size loses its last byte."""

    def insert(self, space: Space, task: NewTask, now: int) -> None:
        super().insert(space, msgspec.structs.replace(task, payload=task.payload[: 64 * 1024 - 1]), now)


@mutant("payloads", "PAY-4")
class TextsAreStripped(PlainDriver):
    """Names lose their leading and trailing spaces."""

    def insert(self, space: Space, task: NewTask, now: int) -> None:
        super().insert(space, msgspec.structs.replace(task, name=task.name.strip()), now)


@mutant("payloads", "PAY-5")
class IdsIgnoreCase(PlainDriver):
    """Ids that differ only in case are taken for one."""

    def is_known(self, space: Space, id: str) -> bool:
        return id.lower() in {known.lower() for known in (*space.tasks, *space.remembered)}
