"""When time itself does something to a task.

Tasks of one batch mostly share their moments (the end of a lease, the due time), so a moment has a bucket of tasks and
only distinct moments are in the heap. A task leaves its bucket in O(1), so that nothing stale keeps payloads alive;
moments whose bucket is gone stay in the heap until they are met or outnumber the others.
"""

import heapq

from asynctasq.memory.stored_task import StoredTask

_SLACK = 64
"""Stale entries that a heap may have for free: below that, rebuilding it is not worth the while."""


class Timers:
    """At most one moment per task, kept in the task's `moment`."""

    def __init__(self) -> None:
        self._moments: list[int] = []
        self._buckets: dict[int, dict[int, StoredTask]] = {}

    def bucket(self, moment: int) -> dict[int, StoredTask]:
        """The tasks of this moment by number, for whoever sets many at once; put at least one in."""
        bucket = self._buckets.get(moment)
        if bucket is None:
            bucket = self._buckets[moment] = {}
            heapq.heappush(self._moments, moment)
        return bucket

    def set(self, stored: StoredTask, moment: int) -> None:
        """Give a task that has no moment one."""
        self.bucket(moment)[stored.number] = stored
        stored.moment = moment

    def cancel(self, stored: StoredTask) -> None:
        """Take a task's moment away, if it has one."""
        moment = stored.moment
        if moment is None:
            return
        stored.moment = None
        bucket = self._buckets[moment]
        del bucket[stored.number]
        if not bucket:
            del self._buckets[moment]
            if len(self._moments) > 2 * len(self._buckets) + _SLACK:
                self._moments = list(self._buckets)
                heapq.heapify(self._moments)

    def next_moment(self) -> int | None:
        """The earliest moment of any task."""
        moments = self._moments
        while moments and moments[0] not in self._buckets:
            heapq.heappop(moments)
        return moments[0] if moments else None

    def is_due(self, now: int) -> bool:
        """Whether any task's moment has come."""
        moments = self._moments
        if not moments or moments[0] > now:
            return False
        moment = self.next_moment()
        return moment is not None and moment <= now

    def take_due(self, now: int) -> StoredTask | None:
        """A task whose moment has come (now included), of the earliest moment. It keeps its `moment`, but has no entry
        any more: give it another one, or None."""
        moment = self.next_moment()
        if moment is None or moment > now:
            return None
        bucket = self._buckets[moment]
        _, stored = bucket.popitem()
        if not bucket:
            del self._buckets[moment]
        return stored
