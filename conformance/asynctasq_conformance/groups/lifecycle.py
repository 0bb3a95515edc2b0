"""Opening and closing a driver, its storage, its clock, and several drivers at once."""

from __future__ import annotations

import os
import warnings
from collections.abc import Awaitable, Callable
from datetime import timedelta

import anyio
import anyio.lowlevel
import anyio.to_thread

from asynctasq.driver_api import (
    FEATURE_NAMES,
    Complete,
    ConfigurationError,
    Driver,
    DriverClosed,
    DriverTraits,
    Finding,
    Guarantee,
    SettleOutcome,
    TaskState,
)
from asynctasq.testing import verify_traits
from asynctasq_conformance.child_processes import exit_code_of
from asynctasq_conformance.driver_plugins import spec_of
from asynctasq_conformance.examples import NotApplicable, example
from asynctasq_conformance.subject import NEVER_ISSUED, QUEUE, Subject, fresh_namespace, new_id, new_task, raises


def calls_of(driver: Driver) -> dict[str, Callable[[], Awaitable[object]]]:
    """One call of every method that needs an open driver."""
    return {
        "enqueue_many": lambda: driver.enqueue_many([new_task()]),
        "reserve": lambda: driver.reserve([QUEUE], limit=1, lease=1.0, worker="worker"),
        "settle_many": lambda: driver.settle_many([Complete(receipt=NEVER_ISSUED)]),
        "extend_many": lambda: driver.extend_many([NEVER_ISSUED], lease=1.0),
        "cancel_many": lambda: driver.cancel_many([new_id()]),
        "get_tasks": lambda: driver.get_tasks([new_id()]),
        "list_tasks": lambda: driver.list_tasks(limit=1),
        "replay_many": lambda: driver.replay_many([new_id()]),
        "delete_many": lambda: driver.delete_many([new_id()]),
        "queue_stats": lambda: driver.queue_stats([QUEUE]),
        "now": lambda: driver.now(),
        "maintain": lambda: driver.maintain(limit=1),
        "purge": lambda: driver.purge([QUEUE]),
        "diagnose": lambda: driver.diagnose(),
    }


def calls_of_features(driver: Driver) -> dict[str, Callable[[], Awaitable[object]]]:
    """One call of every method of the features that an open driver has, but for transactions."""
    calls: dict[str, Callable[[], Awaitable[object]]] = {}
    pausing, reports, wake_ups = driver.pausing, driver.worker_reports, driver.wake_ups
    if pausing is not None:
        calls |= {
            "pause": lambda: pausing.pause([QUEUE]),
            "resume": lambda: pausing.resume([QUEUE]),
            "paused_queues": lambda: pausing.paused_queues(),
        }
    if reports is not None:
        calls |= {
            "report": lambda: reports.report("worker", b"", ttl=1.0),
            "reports": lambda: reports.reports(),
        }
    if wake_ups is not None:

        async def listen() -> None:
            async with wake_ups.listen([QUEUE]):
                pass

        calls["listen"] = listen
    return calls


@example("LIF-1")
async def test_every_method_is_refused_before_connect(subject: Subject) -> None:
    """Before `connect()` every method but `connect`, `disconnect` and `prepare_storage` raises `DriverClosed`."""
    driver = await subject.harness.open_driver(subject.namespace)
    for call in calls_of(driver).values():
        with raises(DriverClosed):
            await call()


@example("LIF-1")
async def test_every_method_is_refused_after_disconnect(subject: Subject) -> None:
    """After `disconnect()` every method but `connect`, `disconnect` and `prepare_storage` raises `DriverClosed`."""
    driver = await subject.open()
    await driver.disconnect()
    for call in calls_of(driver).values():
        with raises(DriverClosed):
            await call()


@example("LIF-1")
async def test_features_are_refused_after_disconnect(subject: Subject) -> None:
    """After `disconnect()` the methods of a feature raise `DriverClosed` too."""
    driver = await subject.open()
    calls = calls_of_features(driver)
    await driver.disconnect()
    for call in calls.values():
        with raises(DriverClosed):
            await call()


@example("LIF-2")
async def test_disconnect_waits_for_calls_in_flight(subject: Subject) -> None:
    """`disconnect()` waits for calls in flight: each of them ends as if it stood alone."""
    driver = await subject.open()
    tasks = [new_task() for _ in range(20)]
    accepted: list[bool] = []

    async def enqueue(index: int) -> None:
        try:
            [outcome] = await driver.enqueue_many([tasks[index]])
        except DriverClosed:
            return  # it had not begun when the driver was closed
        accepted.append(outcome.accepted)

    async with anyio.create_task_group() as group:
        for index in range(len(tasks)):
            group.start_soon(enqueue, index)
            if index == 10:
                await anyio.lowlevel.checkpoint()
        await driver.disconnect()
    stored = await subject.driver.get_tasks([task.id for task in tasks])
    assert all(accepted), f"a call in flight was answered with {accepted}"
    assert len(stored) == len(accepted), f"{len(accepted)} calls succeeded, {len(stored)} tasks are stored"


@example("LIF-3")
async def test_disconnect_is_idempotent(subject: Subject) -> None:
    """`disconnect()` is idempotent, also on a driver that was never connected."""
    never_connected = await subject.harness.open_driver(subject.namespace)
    await never_connected.disconnect()
    driver = await subject.open()
    await driver.disconnect()
    await driver.disconnect()


@example("LIF-4")
async def test_disconnect_touches_no_lease(subject: Subject) -> None:
    """`disconnect()` touches no lease: the task stays leased, and its receipt stays good for another driver."""
    worker = await subject.open()
    id = await subject.put()
    [delivery] = await worker.reserve([QUEUE], limit=1, lease=subject.long, worker="worker")
    await worker.disconnect()
    await subject.must_be(TaskState.LEASED, id)
    await subject.nothing_to_take()
    await subject.apply(Complete(receipt=delivery.receipt))


@example("LIF-5")
async def test_connecting_again_is_allowed(subject: Subject) -> None:
    """Connecting again is allowed, and finds tasks and leases as they were left."""
    id = await subject.put()
    delivery = await subject.take_one()
    await subject.driver.disconnect()
    await subject.driver.connect()
    await subject.must_be(TaskState.LEASED, id)
    await subject.apply(Complete(receipt=delivery.receipt))


@example("LIF-8")
async def test_prepare_storage_is_idempotent(subject: Subject) -> None:
    """`prepare_storage()` is idempotent: done again, it changes nothing of what is stored."""
    id = await subject.put()
    await subject.driver.prepare_storage()
    await subject.must_be(TaskState.READY, id)


@example("LIF-8")
async def test_prepare_storage_is_safe_for_concurrent_callers(subject: Subject) -> None:
    """`prepare_storage()`: concurrent callers are safe."""
    namespace = fresh_namespace()
    drivers = [await subject.harness.open_driver(namespace) for _ in range(4)]
    async with anyio.create_task_group() as group:
        for driver in drivers:
            group.start_soon(driver.prepare_storage)
    async with drivers[0]:
        assert await drivers[0].queue_stats() == {}


@example("LIF-9")
async def test_a_dry_run_of_prepared_storage_has_nothing_to_do(subject: Subject) -> None:
    """`prepare_storage(dry_run=True)` returns the statements that it would run: none once the storage is prepared."""
    statements = await subject.driver.prepare_storage(dry_run=True)
    assert statements == [], f"the storage was prepared, but a dry run would still run {statements}"


@example("LIF-10")
async def test_concurrent_calls_of_one_driver_are_safe(subject: Subject) -> None:
    """A driver is safe for concurrent calls from many tasks of one event loop."""
    tasks = [new_task(payload=bytes([index])) for index in range(30)]
    delivered: list[tuple[str, bytes]] = []

    async def enqueue(index: int) -> None:
        await subject.accept(tasks[index])

    async def reserve() -> None:
        for delivery in await subject.driver.reserve([QUEUE], limit=10, lease=subject.long, worker="worker"):
            delivered.append((delivery.id, delivery.payload))

    async with anyio.create_task_group() as group:
        for index in range(30):
            group.start_soon(enqueue, index)
            if index % 5 == 4:
                group.start_soon(reserve)
    delivered += [(delivery.id, delivery.payload) for delivery in await subject.take(31)]
    assert sorted(delivered) == sorted((task.id, task.payload) for task in tasks)


@example("LIF-11")
async def test_several_drivers_share_one_store(subject: Subject) -> None:
    """Several drivers may be open on one store in one process: what one stores, another delivers, a third settles."""
    second, third = await subject.open(), await subject.open()
    id = await subject.put()
    deliveries = await second.reserve([QUEUE], limit=1, lease=subject.long, worker="worker")
    assert [delivery.id for delivery in deliveries] == [id]
    outcomes = await third.settle_many([Complete(receipt=deliveries[0].receipt)])
    assert outcomes == [SettleOutcome.APPLIED]
    await subject.ended(id)


@example("LIF-11")
async def test_drivers_on_other_threads_share_one_store(subject: Subject) -> None:
    """Several drivers may be open on one store in one process, on other threads and loops."""
    id = await subject.put()

    async def reserve_elsewhere() -> list[str]:
        async with await subject.harness.open_driver(subject.namespace) as driver:
            deliveries = await driver.reserve([QUEUE], limit=1, lease=subject.long, worker="thread")
            await driver.enqueue_many([new_task(id="from-the-thread", queue="back")])
            return [delivery.id for delivery in deliveries]

    def other_thread(backend: str) -> list[str]:
        return anyio.run(reserve_elsewhere, backend=backend)

    delivered = await anyio.to_thread.run_sync(other_thread, _present_event_loop())
    assert delivered == [id], f"the driver of the other thread was given {delivered}; wanted {[id]}"
    await subject.must_be(TaskState.LEASED, id)
    await subject.take_one(queue="back", id="from-the-thread")


def _present_event_loop() -> str:
    return "trio" if anyio.get_cancelled_exc_class().__module__.startswith("trio") else "asyncio"


@example("LIF-12")
async def test_a_forked_child_is_told_to_connect_itself(subject: Subject) -> None:
    """After a fork the parent's driver raises `DriverClosed` in the child and names the cure."""
    if not hasattr(os, "fork"):
        return  # a platform without fork keeps the promise by having no children
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads: the child does next to nothing
        child = os.fork()
    if child == 0:
        try:
            subject.driver.check_open()
        except DriverClosed as error:
            os._exit(0 if "connect" in str(error) else 2)
        except BaseException:
            os._exit(3)
        os._exit(1)
    assert await exit_code_of(child) == 0, "the child's use of the parent's driver did not raise DriverClosed"


@example("LIF-13")
async def test_traits_are_complete_after_connecting(subject: Subject) -> None:
    """Traits are read after connecting: guarantees, limits and event loops, each well-formed."""
    traits = subject.driver.traits
    assert isinstance(traits, DriverTraits)
    assert all(isinstance(guarantee, Guarantee) for guarantee in traits.guarantees)
    assert traits.event_loops, "no event loop is claimed"
    assert traits.event_loops <= {"asyncio", "trio"}, f"event loops are {traits.event_loops}"
    assert _present_event_loop() in traits.event_loops
    limits = traits.limits
    assert limits.max_batch >= 1
    assert limits.max_payload_bytes >= 1
    assert limits.max_delay > 0
    assert 0 < limits.time_resolution <= limits.max_delay


@example("LIF-13")
async def test_the_driver_has_what_is_expected_of_it(subject: Subject) -> None:
    """Claiming less than the harness expects shows: its features and guarantees are there."""
    expected = subject.harness.expected_traits
    if expected is not None:
        missing = expected - subject.features - subject.guarantees
        assert not missing, f"the driver was expected to have {', '.join(sorted(missing))}"
        assert expected <= FEATURE_NAMES | {guarantee.value for guarantee in Guarantee}


@example("LIF-18")
async def test_the_driver_claims_no_more_than_its_plugin(subject: Subject) -> None:
    """A connected driver has no guarantee, feature or event loop that its plugin's `DriverSpec` leaves out."""
    spec = subject.harness.spec or spec_of(type(subject.driver))
    if spec is None:
        raise NotApplicable("spec")
    try:
        verify_traits(subject.driver, spec)
    except ConfigurationError as error:
        raise AssertionError(str(error)) from error


@example("LIF-14")
async def test_now_is_aware_and_never_goes_back(subject: Subject) -> None:
    """`now()` is the backend's clock: aware UTC, and it moves forward."""
    readings = [await subject.driver.now() for _ in range(3)]
    assert all(reading.utcoffset() == timedelta(0) for reading in readings), f"not aware UTC: {readings}"
    assert readings == sorted(readings), f"time went back: {readings}"


@example("LIF-14")
async def test_tasks_are_stamped_with_the_backends_clock(subject: Subject) -> None:
    """One clock, the backend's: what `now()` tells is what tasks are stamped with."""
    async with subject.timed() as span:
        id = await subject.put()
        await subject.take_one()
    record = await subject.record(id)
    assert span.has(record.enqueued_at), f"enqueued at {record.enqueued_at}, wanted {span}"
    assert span.has(record.started_at), f"started at {record.started_at}, wanted {span}"


@example("LIF-15")
async def test_every_method_is_a_checkpoint(subject: Subject) -> None:
    """Every method is a checkpoint: in a scope that is cancelled already it does not return."""
    returned: list[str] = []
    for name, call in calls_of(subject.driver).items():
        with anyio.CancelScope() as scope:
            scope.cancel()
            await call()
            returned.append(name)
    assert not returned, f"no checkpoint in {', '.join(returned)}"


@example("LIF-16")
async def test_diagnose_gives_findings(subject: Subject) -> None:
    """`diagnose()` returns what an operator should change: findings with a code, a severity, a message and a cure."""
    for finding in await subject.driver.diagnose():
        assert isinstance(finding, Finding)
        assert finding.severity in ("error", "warning", "info"), f"severity is {finding.severity!r}"
        assert finding.code, "a finding without a code"
        assert finding.message, f"{finding.code} says nothing"


@example("LIF-17")
async def test_namespaces_share_nothing(subject: Subject) -> None:
    """The namespace separates all data of one store."""
    namespace = fresh_namespace()
    other = await subject.harness.open_driver(namespace)
    await other.prepare_storage()
    async with other:
        id = await subject.put(dedupe_key="key")
        assert await other.get_tasks([id]) == {}
        assert await other.reserve([QUEUE], limit=1, lease=subject.long, worker="worker") == []
        assert await other.queue_stats() == {}
        [outcome] = await other.enqueue_many([new_task(id=id, dedupe_key="key")])
        assert outcome.accepted, "an id of one namespace is taken in another"
        await other.purge([QUEUE])
    await subject.must_be(TaskState.READY, id)
