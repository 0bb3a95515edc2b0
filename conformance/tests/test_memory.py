"""The built-in driver `memory` keeps the contract, on asyncio and on trio."""

from __future__ import annotations

import pytest
from asynctasq_conformance import DriverConformance, DriverHarness

from asynctasq.memory import MemoryDriver, drop_store
from asynctasq.testing import ManualClock


class MemoryHarness(DriverHarness):
    """Stores of this process, on a clock that stands still."""

    backend = "the memory of this process"
    expected_traits = frozenset({"wake_ups", "pausing", "worker_reports", "strict_order", "exact_stats"})

    def __init__(self) -> None:
        self._manual_clock = ManualClock()
        self.clock = self._manual_clock

    async def open_driver(self, namespace: str) -> MemoryDriver:
        return MemoryDriver(namespace, clock=self._manual_clock)

    async def drop(self, namespace: str) -> None:
        drop_store(namespace)


class TestMemory(DriverConformance):
    """The whole suite."""

    harness = MemoryHarness()


@pytest.mark.slow
class TestMemoryInRealTime(DriverConformance):
    """The suite's short real waits, for harnesses that cannot move time."""

    class _RealTime(MemoryHarness):
        def __init__(self) -> None:
            self.event_loops = ("asyncio",)

        async def open_driver(self, namespace: str) -> MemoryDriver:
            return MemoryDriver(namespace)

    harness = _RealTime()
