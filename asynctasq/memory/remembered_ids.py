"""Ids that stay known although their records are gone."""

import heapq


class RememberedIds:
    """Ids with the moment (in ticks) until which they are remembered. Only `forget_due` forgets."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._moments: list[int] = []
        self._buckets: dict[int, list[str]] = {}

    def __contains__(self, id: str) -> bool:
        return id in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, id: str, until: int) -> None:
        """Remember an id at least until then."""
        self._ids.add(id)
        bucket = self._buckets.get(until)
        if bucket is None:
            self._buckets[until] = [id]
            heapq.heappush(self._moments, until)
        else:
            bucket.append(id)

    def is_due(self, now: int) -> bool:
        """Whether an id can be forgotten."""
        return bool(self._moments) and self._moments[0] <= now

    def forget_due(self, now: int, limit: int) -> int:
        """Forget up to `limit` ids whose time has come; how many it were."""
        forgotten = 0
        while forgotten < limit and self.is_due(now):
            bucket = self._buckets[self._moments[0]]
            count = min(len(bucket), limit - forgotten)
            self._ids.difference_update(bucket[-count:])
            del bucket[-count:]
            forgotten += count
            if not bucket:
                del self._buckets[heapq.heappop(self._moments)]
        return forgotten
