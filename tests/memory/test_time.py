"""Time: exact to the microsecond, by whatever clock the store was given."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from asynctasq.driver_api import NewTask, TaskState
from asynctasq.memory import MemoryDriver, drop_store
from asynctasq.testing import ManualClock


@pytest.mark.anyio
@pytest.mark.parametrize("delay", [1e-9, 0.1, 0.29, 0.3, 1.1, 12345.678901, 3650 * 86_400.0])
async def test_due_exactly_now(driver: MemoryDriver, clock: ManualClock, delay: float) -> None:
    """A task is due once exactly its delay has passed, whatever floats make of it, and not a microsecond before."""
    await driver.enqueue_many([NewTask(id="a", queue="q", name="work", payload=b"", delay=delay)])
    clock.advance(max(0.0, delay - 1e-6))
    assert (await driver.get_tasks(["a"]))["a"].state is TaskState.SCHEDULED
    clock.advance(1e-6)
    assert (await driver.get_tasks(["a"]))["a"].state is TaskState.READY


@pytest.mark.anyio
async def test_available_at_is_kept_to_the_microsecond(driver: MemoryDriver) -> None:
    """An absolute due time comes back as it was given."""
    due = datetime(2999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    await driver.enqueue_many([NewTask(id="a", queue="q", name="work", payload=b"", available_at=due)])
    assert (await driver.get_tasks(["a"]))["a"].available_at == due


@pytest.mark.anyio
async def test_dead_letters_are_kept_as_long_as_the_setting_says(namespace: str, clock: ManualClock) -> None:
    """With `dead_retention` a dead letter is forgotten by the first maintain() after it; replayed, it stays."""
    async with MemoryDriver(namespace, clock=clock, dead_retention=100.0) as driver:
        tasks = [
            NewTask(id=id, queue="q", name="work", payload=b"", expires_after=0.0, remember_for=0.0) for id in "ab"
        ]
        await driver.enqueue_many(tasks)
        assert (await driver.queue_stats(["q"]))["q"].dead == 2
        await driver.replay_many(["b"])
        clock.advance(100)
        report = await driver.maintain(limit=10)
        assert (report.removed, report.more) == (1, False)
        assert list(await driver.get_tasks(["a", "b"])) == ["b"]
        stats = (await driver.queue_stats(["q"]))["q"]
        assert (stats.dead, stats.ready, stats.total_dead) == (0, 1, 2)


@pytest.mark.anyio
async def test_now_is_the_systems_clock_by_default() -> None:
    """Without a clock of its own the driver's `now()` is the system's time in UTC."""
    namespace = f"test-{uuid.uuid4().hex}"
    async with MemoryDriver(namespace) as driver:
        assert abs(await driver.now() - datetime.now(UTC)) < timedelta(seconds=10)
    drop_store(namespace)


def test_a_manual_clock_does_not_drift() -> None:
    """Ten times a tenth of a second is one second, exactly."""
    clock = ManualClock(1_700_000_000.0)
    for _ in range(10):
        clock.advance(0.1)
    assert clock() == 1_700_000_001.0


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_a_manual_clock_never_goes_back(seconds: float) -> None:
    """A step that is no step forward is refused."""
    with pytest.raises(ValueError, match="wanted a finite number"):
        ManualClock().advance(seconds)
