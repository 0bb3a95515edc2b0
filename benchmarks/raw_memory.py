"""The ceiling in memory: a deque and a dict of leases. Nothing of a contract."""

import time
from collections import deque


class RawMemory:
    """Claim by popping, settle by deleting the lease."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._leased: dict[int, bytes] = {}
        self._next = 0

    async def open(self) -> None:
        self._waiting.clear()

    async def close(self) -> None:
        self._waiting.clear()

    async def insert(self, payloads: list[bytes]) -> None:
        self._waiting.extend(payloads)

    async def drain(self, batch: int) -> float:
        """Claim and settle everything, `batch` at a time; the seconds that it took."""
        started = time.perf_counter()
        while self._waiting:
            claimed = range(self._next, self._next + min(batch, len(self._waiting)))
            for receipt in claimed:
                self._leased[receipt] = self._waiting.popleft()
            self._next = claimed.stop
            for receipt in claimed:
                del self._leased[receipt]
        return time.perf_counter() - started
