"""Notices that something blocks the event loop, and logs where, once each time."""

import logging
import threading
import time
from collections.abc import Callable

import anyio
from anyio import to_thread

from asynctasq.runtime.stacks import stack_of_thread

_logger = logging.getLogger("asynctasq.watchdog")


async def watch(last_look: Callable[[], float], *, patience: float) -> None:
    """Watch this thread's event loop until cancelled.

    `last_look` gives the time (`time.monotonic()`) at which the loop was last seen alive; over `patience` seconds
    without it, the stack of this thread is logged.
    """
    watchdog = Watchdog(last_look, patience=patience, thread=threading.get_ident())
    try:
        await to_thread.run_sync(watchdog.run, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))
    finally:
        watchdog.stop()


class Watchdog:
    """What runs in the watching thread."""

    def __init__(self, last_look: Callable[[], float], *, patience: float, thread: int) -> None:
        self._last_look = last_look
        self._patience = patience
        self._thread = thread
        self._stopping = threading.Event()
        self._reported: float | None = None

    def stop(self) -> None:
        """Ask it to end; callable from any thread."""
        self._stopping.set()

    def run(self) -> None:
        """The thread's body."""
        asked_at = time.monotonic()
        while not self._stopping.wait(self._patience / 4.0):
            now = time.monotonic()
            # If this thread did not get to run either, then the whole process stood still, and nobody is to blame.
            if now - asked_at < self._patience:
                self.check(now)
            asked_at = now

    def check(self, now: float) -> None:
        """Report a loop that was last seen too long ago, once."""
        last_look = self._last_look()
        if now - last_look < self._patience or last_look == self._reported:
            return
        self._reported = last_look
        _logger.warning(
            "the event loop has been blocked for %.1f s. Blocking calls and long computations belong into a SyncTask, "
            "or a process. It is here:\n%s",
            now - last_look,
            stack_of_thread(self._thread),
        )
