"""In real time an example that was too slow for its waits runs again; a broken promise is never tried away."""

from __future__ import annotations

import time
from collections.abc import Sequence

import anyio
import pytest
from asynctasq_conformance import DriverHarness
from asynctasq_conformance.examples import all_examples
from asynctasq_conformance.mutants.plain_driver import PlainDriver
from asynctasq_conformance.mutants.plain_storage import HandClock, Space, Storage, StoredTask
from asynctasq_conformance.running import TIME_LIMIT, run_example, time_limit_of

from asynctasq.driver_api import Delivery

LAPSE = next(one for one in all_examples() if one.name == "test_a_lapsed_task_is_ready_again_by_itself")


class RealClock(HandClock):
    """A clock that nobody can move."""

    def read(self) -> int:
        return time.time_ns() // 1000


class RealTimeHarness(DriverHarness):
    """Opens drivers whose time can't be moved."""

    def __init__(self, driver_class: type[PlainDriver]) -> None:
        self.driver_class = driver_class
        self.storages: dict[str, Storage] = {}

    async def open_driver(self, namespace: str) -> PlainDriver:
        return self.driver_class(self.storages.setdefault(namespace, Storage()), RealClock())


def test_a_driver_that_is_wrong_once_has_failed() -> None:
    """A race that shows now and then is not tried until it does not show."""
    lapses: list[str] = []

    class LosesTheFirstTask(PlainDriver):
        def lapse(self, space: Space, stored: StoredTask, now: int) -> None:
            lapses.append(stored.task.id)
            if len(lapses) == 1:
                stored.receipt = None
            else:
                super().lapse(space, stored, now)

    with pytest.raises(AssertionError, match=r"wanted all (TaskState\.)?ready"):
        run_example(LAPSE, RealTimeHarness(LosesTheFirstTask), "asyncio")
    assert len(lapses) >= 1


def slow_once(seconds: Sequence[float]) -> type[PlainDriver]:
    """A driver that is right, and whose reserves take so long, one after the other, and then no time."""
    left = [*seconds]

    class Slow(PlainDriver):
        async def _reserve(self, queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Delivery]:
            deliveries = await super()._reserve(queues, limit=limit, lease=lease, worker=worker)
            if left:
                await anyio.sleep(left.pop(0))
            return deliveries

    return Slow


def test_an_example_that_was_too_slow_for_its_waits_has_longer_ones() -> None:
    """What takes longer than the waits shows nothing; the attempt with longer waits counts, and the first is told."""
    told = run_example(LAPSE, RealTimeHarness(slow_once([0.5])), "asyncio")
    assert "beside its waits of 0.30 s" in told
    assert "wanted all" in told


def test_longer_waits_are_the_last() -> None:
    """What is too slow for the longer waits as well has failed."""
    with pytest.raises(AssertionError, match="wanted all"):
        run_example(LAPSE, RealTimeHarness(slow_once([0.5, 2.0])), "asyncio")


def test_a_quick_example_has_one_attempt() -> None:
    """Where nothing was slow there is nothing to tell."""
    assert run_example(LAPSE, RealTimeHarness(PlainDriver), "asyncio") == ""


def test_an_example_of_many_calls_has_time_for_them() -> None:
    """Hundreds of calls one after the other take long on a server that is far away, which breaks no promise."""
    [many] = [one for one in all_examples() if one.name == "test_attempts_count_from_one"]
    assert time_limit_of(LAPSE) == TIME_LIMIT
    assert time_limit_of(many) >= 2 * TIME_LIMIT
