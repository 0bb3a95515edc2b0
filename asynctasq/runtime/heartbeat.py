"""Where heartbeats are sent from: a thread with its own event loop, driver and connection, so that a body that blocks
the worker's event loop does not cost the leases of all others; or, for drivers that live in one process, that loop."""

import logging
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack

import anyio
from anyio import to_thread

from asynctasq.contract.driver import Driver
from asynctasq.event_loop import current_library
from asynctasq.runtime.lease_keeper import LeaseKeeper
from asynctasq.runtime.retry_policy import Backoff

_logger = logging.getLogger("asynctasq.worker")

_LOOK = 0.2
"""Seconds within which the thread notices that it is to stop, or that the process was frozen."""

OpenDriver = Callable[[], Driver]


async def beat_in_loop(keeper: LeaseKeeper, driver: Driver) -> None:
    """Send heartbeats from the worker's own event loop, until cancelled."""
    backoff = Backoff(most=1.0)
    while True:
        answered = await _extended(keeper, driver, backoff)
        await anyio.sleep(keeper.tick if answered else backoff.next_delay())


async def beat_in_thread(keeper: LeaseKeeper, open_driver: OpenDriver) -> None:
    """Send heartbeats from a thread, until cancelled."""
    thread = HeartbeatThread(keeper, open_driver, backend=current_library())
    try:
        await to_thread.run_sync(thread.run, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))
    finally:
        thread.stop()


class HeartbeatThread:
    """What runs in the thread."""

    def __init__(self, keeper: LeaseKeeper, open_driver: OpenDriver, *, backend: str) -> None:
        self._keeper = keeper
        self._open_driver = open_driver
        self._backend = backend
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Ask it to end; callable from any thread."""
        self._stopping.set()

    def run(self) -> None:
        """The thread's body."""
        try:
            anyio.run(self._beat, backend=self._backend)
        except Exception:
            _logger.exception("the thread that keeps leases has ended; leases that are held now will lapse")

    async def _beat(self) -> None:
        backoff = Backoff(most=1.0)
        async with AsyncExitStack() as stack:
            driver: Driver | None = None
            while not self._stopping.is_set():
                if driver is None:
                    driver = await self._connected(stack)
                if driver is None or not await _extended(self._keeper, driver, backoff):
                    await self._sleep(backoff.next_delay())
                else:
                    await self._sleep(self._keeper.tick)

    async def _connected(self, stack: AsyncExitStack) -> Driver | None:
        try:
            driver = self._open_driver()
            await driver.connect()
        except Exception as error:
            _logger.warning("the connection for heartbeats can't be opened yet: %r", error)
            return None
        stack.push_async_callback(driver.disconnect)
        return driver

    async def _sleep(self, seconds: float) -> None:
        """Sleep in short turns: an event loop can't be woken from another thread without waiting for it."""
        until = anyio.current_time() + seconds
        while not self._stopping.is_set():
            left = until - anyio.current_time()
            if left <= 0:
                return
            await anyio.sleep(min(left, _LOOK))


async def _extended(keeper: LeaseKeeper, driver: Driver, backoff: Backoff) -> bool:
    """Extend what is due; False if the backend did not answer."""
    try:
        await keeper.extend(driver)
    except Exception as error:  # whatever the driver raises, the leases of everything else depend on going on
        if backoff.failures == 0:
            _logger.warning("leases could not be extended; trying again: %r", error)
        return False
    backoff.reset()
    return True
