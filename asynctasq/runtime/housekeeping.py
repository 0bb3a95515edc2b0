"""What some worker has to do every few seconds: maintenance of the store, and this worker's account of itself."""

import logging
import random
from collections.abc import Callable
from typing import Any

import anyio
import msgspec

from asynctasq.contract.driver import Driver
from asynctasq.contract.events import EventType, WorkerEvent
from asynctasq.contract.features import WorkerReports
from asynctasq.runtime.event_dispatcher import EventDispatcher

_logger = logging.getLogger("asynctasq.worker")

MAINTENANCE_INTERVAL = 5.0
"""Seconds between two rounds of maintenance, jittered so that workers take turns."""
_ROUND = 1.0
"""Seconds that one round may take before it lets the store breathe."""
_SLICE = 1_000
REPORT_INTERVAL = 5.0
"""Seconds between two reports of a worker; one that is missing for three of them is gone."""

_encode = msgspec.json.Encoder().encode

Describe = Callable[[], dict[str, Any]]
"""What the worker says of itself."""


async def maintain(driver: Driver, *, interval: float = MAINTENANCE_INTERVAL) -> None:
    """Call `maintain()` again and again, until cancelled."""
    more = False
    while True:
        await anyio.sleep(0.05 if more else interval * random.uniform(0.5, 1.5))
        try:
            more = await _one_round(driver)
        except Exception as error:  # the store is away, or its driver is broken: the next round may do better
            more = False
            _logger.info("maintenance was left out: %r", error)


async def _one_round(driver: Driver) -> bool:
    """Maintain until nothing is left to do, within bounds; True if there is more."""
    limit = min(_SLICE, driver.traits.limits.max_batch)
    end = anyio.current_time() + _ROUND
    while (await driver.maintain(limit=limit)).more:
        if anyio.current_time() >= end:
            return True
    return False


async def report(
    reports: WorkerReports, worker_id: str, describe: Describe, *, interval: float = REPORT_INTERVAL
) -> None:
    """Store this worker's report every `interval` seconds, until cancelled."""
    while True:
        try:
            await reports.report(worker_id, _encode(describe()), ttl=interval * 3.0)
        except Exception as error:  # only people miss it
            _logger.info("the worker's report was left out: %r", error)
        await anyio.sleep(interval)


async def emit_heartbeats(events: EventDispatcher, make_event: "MakeWorkerEvent", *, interval: float) -> None:
    """Emit a worker_heartbeat event every `interval` seconds, until cancelled."""
    while True:
        await anyio.sleep(interval)
        events.emit(make_event(EventType.WORKER_HEARTBEAT))


MakeWorkerEvent = Callable[[EventType], WorkerEvent]
