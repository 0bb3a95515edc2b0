"""Moves waiting tasks between two drivers; interrupted anywhere and run again, it loses nothing.

Nor does a task run in both stores, unless its delivery was under way when its queue was paused (see the last point).

Why it is safe at every step:

- One move at a time works on a source (`turn_in`).
- The queues are paused in the source, so nothing is delivered there, and in the target, so that nothing that has
  arrived can run, end and be forgotten there before its original is deleted. Which queues of the target were paused for
  the move's sake is written down in the source first (`Journal`), so that a second run knows.
- A batch is stored in the target under the same ids, looked at there, and only then deleted in the source. Stored
  twice, an id is a duplicate of itself.
- Leases in the source are waited for: a task that runs ends there. If one is delivered after all, by a `reserve` that
  was under way when its queue was paused, it stays in the source, and is taken out of the target again. Its state is
  read once more right before the delete: only what is delivered and completed between these two calls and keeps its
  record, or was stored in the target by a move that was interrupted and has left no record, can run there once more.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from operator import itemgetter

import anyio
from msgspec import Struct

from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import NewTask, TaskRecord, TaskState
from asynctasq.contract.features import Pausing
from asynctasq.errors import AsyncTasqError, ConfigurationError
from asynctasq.moving.journal import JOURNAL_QUEUE, Journal
from asynctasq.moving.turn import TURN_QUEUE, turn_in

BATCH = 500
LOOK_AT_LEASES_EVERY = 0.5
OURS = (JOURNAL_QUEUE, TURN_QUEUE)
WAITING = (TaskState.READY, TaskState.SCHEDULED)


class Moved(Struct, frozen=True, kw_only=True):
    """What one queue came to."""

    queue: str
    found: int
    moved: int
    kept: tuple[str, ...]
    """Ids that stay in the source, because another task of the target holds their dedupe key."""
    gone: int
    """Tasks that ended in the source, or began to run there, after they were found."""
    dead: int
    """Dead letters that stay in the source."""
    left: int
    """Tasks that came into the source meanwhile: another move takes them."""


Progress = Callable[[str, int, int], None]
"""Called with a queue, the tasks that were moved, and those that were found."""

Say = Callable[[str], None]


class Move:
    """One move of some queues. Both drivers are connected."""

    def __init__(
        self, source: Driver, target: Driver, *, say: Say, progress: Progress, with_dead: bool = False
    ) -> None:
        self._source = source
        self._target = target
        self._source_pausing = _pausing(source, "source")
        self._target_pausing = _pausing(target, "target")
        self._say = say
        self._progress = progress
        self._with_dead = with_dead
        self.has_paused = False
        """Whether this move has begun to pause queues: interrupted from then on, it leaves them paused."""
        self._batch = min(BATCH, source.traits.limits.max_batch, target.traits.limits.max_batch)

    async def run(self, queues: Sequence[str] | None) -> list[Moved]:
        """Move these queues, or every one that has tasks. The source's queues stay paused.

        Raises:
            ConfigurationError: source and target are the same store.
            AsyncTasqError: the target does not hold what was stored in it.
            DriverError: one of the stores did not answer; run it again.
        """
        journal = Journal(self._source, self._target)
        async with turn_in(self._source, self._say):
            await journal.check_apart()  # its entry is not for another move to find
            return await self._run(queues, journal)

    async def _run(self, queues: Sequence[str] | None, journal: Journal) -> list[Moved]:
        interrupted = (await journal.paused_queues()).difference(OURS)
        chosen = sorted(interrupted.union(await self._queues())) if queues is None else list(dict.fromkeys(queues))
        self.has_paused = bool(chosen)
        await self._source_pausing.pause(chosen)
        paused_before = await self._target_pausing.paused_queues()
        await journal.note_paused(name for name in chosen if name not in paused_before)
        await self._target_pausing.pause(chosen)
        await self._wait_for_leases(chosen)
        moved = [await self._move_queue(queue) for queue in chosen]
        done = sorted((await journal.paused_queues()).intersection(chosen))
        await self._target_pausing.resume(done)
        await journal.strike(done)
        return moved

    async def _queues(self) -> set[str]:
        stats = await self._source.queue_stats()
        return {
            name
            for name, found in stats.items()
            if found.ready + found.scheduled + found.leased + found.dead * self._with_dead and name not in OURS
        }

    async def _wait_for_leases(self, queues: Sequence[str]) -> None:
        told = False
        while True:
            stats = await self._source.queue_stats(queues)
            leased = sum(found.leased for found in stats.values())
            if not leased:
                return
            if not told:
                self._say(f"waiting for {leased} tasks that run: they end in the source")
                told = True
            await anyio.sleep(LOOK_AT_LEASES_EVERY)

    # -- one queue

    async def _move_queue(self, queue: str) -> Moved:
        ids = await self._ids_in_order(queue)
        moved, kept = 0, list[str]()
        for start in range(0, len(ids), self._batch):
            arrived, stayed = await self._move_batch(ids[start : start + self._batch])
            moved += arrived
            kept += stayed
            self._progress(queue, moved, len(ids))
        left = (await self._source.queue_stats([queue]))[queue]
        more = left.ready + left.scheduled + left.leased - len(kept)
        return Moved(
            queue=queue,
            found=len(ids),
            moved=moved,
            kept=tuple(kept),
            gone=len(ids) - moved - len(kept),
            dead=left.dead,
            left=max(more, 0),
        )

    async def _ids_in_order(self, queue: str) -> list[str]:
        """Every task to move, in the order of delivery among equals: enqueued anew, they keep it. Ties stay in the
        order that the driver lists them in, which with ours is the order of enqueueing."""
        states = (*WAITING, TaskState.DEAD) if self._with_dead else WAITING
        found: list[tuple[datetime, datetime, str]] = []
        for state in states:
            after: str | None = None
            while True:
                page = await self._source.list_tasks(queue=queue, state=state, limit=self._batch, after=after)
                found += [(task.available_at, task.enqueued_at, task.id) for task in page.tasks]
                if (after := page.after) is None:
                    break
        return list(dict.fromkeys(id for _, _, id in sorted(found, key=itemgetter(0, 1))))

    async def _move_batch(self, ids: Sequence[str]) -> tuple[int, list[str]]:
        """Store a batch in the target, look at it there, delete it in the source; how many moved, and which stay."""
        records = await self._source.get_tasks(ids)
        now = await self._source.now()
        tasks = [task for id in ids if (task := self._new_task(records.get(id), now)) is not None]
        outcomes = await self._target.enqueue_many(tasks)
        stayed = [
            task.id
            for task, outcome in zip(tasks, outcomes, strict=True)
            if not outcome.accepted and outcome.existing_id != task.id
        ]
        arrived = [task for task in tasks if task.id not in stayed]
        stored = await self._target.get_tasks([task.id for task in arrived])
        missing = [task.id for task in arrived if not _same(task, stored.get(task.id))]
        if missing:
            raise AsyncTasqError(
                f"the target does not hold {len(missing)} tasks as they were stored in it, such as {missing[0]!r}; "
                "none of these was deleted in the source. Look at that task in both stores, then run the move again"
            )
        ours = {task.id for task, outcome in zip(tasks, outcomes, strict=True) if outcome.accepted}
        taken_out = await self._let_go([task.id for task in arrived], ours)
        return len(arrived) - len(taken_out), stayed

    async def _let_go(self, ids: Sequence[str], ours: AbstractSet[str]) -> list[str]:
        """Delete these in the source, but for those that were delivered there meanwhile: they leave the target again.

        Who has left no record has run as well, if it was this very call that stored it in the target (`ours`): then
        nothing else can have deleted it in the source.
        """
        found = await self._source.get_tasks(ids)
        now = await self._source.now()
        waiting = [id for id in ids if self._new_task(found.get(id), now) is not None]
        deleted = await self._source.delete_many(waiting)
        refused = [id for id, was_deleted in zip(waiting, deleted, strict=True) if not was_deleted]
        delivered = {id for id in ids if id not in waiting and (id in found or id in ours)}
        delivered.update(await self._source.get_tasks(refused), ours & set(refused))
        taken_out = sorted(delivered)
        await self._target.delete_many(taken_out)
        return taken_out

    def _new_task(self, record: TaskRecord | None, now: datetime) -> NewTask | None:
        """The task as it is stored in the target; None for what has ended meanwhile."""
        if record is None:
            return None
        if record.state is TaskState.DEAD and self._with_dead and record.reason is not None:
            return _new_task(record, expires_after=None, available_at=None)
        if record.state not in WAITING:
            return None
        left = record.expires_after
        if left is not None:
            left = max(0.0, left - (now - record.enqueued_at).total_seconds())
        later = record.state is TaskState.SCHEDULED
        return _new_task(record, expires_after=left, available_at=record.available_at if later else None)


def _same(task: NewTask, stored: TaskRecord | None) -> bool:
    return stored is not None and stored.payload == task.payload and stored.name == task.name


def _new_task(record: TaskRecord, *, expires_after: float | None, available_at: datetime | None) -> NewTask:
    return NewTask(
        id=record.id,
        queue=record.queue,
        name=record.name,
        payload=record.payload,
        correlation_id=record.correlation_id,
        priority=record.priority,
        available_at=available_at,
        dedupe_key=record.dedupe_key,
        expires_after=expires_after,
        keep_for=record.keep_for,
        remember_for=record.remember_for,
    )


def _pausing(driver: Driver, which: str) -> Pausing:
    if driver.pausing is None:
        raise ConfigurationError(
            f"the {which}'s driver, {type(driver).__name__}, can't pause queues, so that tasks could run while they "
            "move; wanted a driver with `pausing`"
        )
    return driver.pausing
