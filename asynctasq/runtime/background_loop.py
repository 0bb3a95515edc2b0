"""An event loop on a thread of its own: what synchronous code dispatches through, and where a client's sinks run."""

import atexit
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

from asynctasq.event_loop import run_event_loop

T = TypeVar("T")

_STOP_WITHIN = 5.0


class BackgroundLoop:
    """Started on first use, one per process: a forked child starts its own."""

    def __init__(self, *, on_stop: Callable[[], Awaitable[None]]) -> None:
        """`on_stop` is called on the loop before it ends."""
        self._on_stop = on_stop
        self._lock = threading.Lock()
        self._portal: BlockingPortal | None = None
        self._thread: threading.Thread | None = None
        os.register_at_fork(after_in_child=self._forget)

    def call(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Call a coroutine function on the loop, in the caller's context, and wait for what it returns."""
        return self._running().call(function, *arguments)

    def start_soon(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call a function on the loop, without waiting."""
        self._running().start_task_soon(function, *arguments)

    @property
    def is_running(self) -> bool:
        """Whether the loop was started in this process."""
        return self._portal is not None

    def stop(self) -> None:
        """End the loop and its thread. Without effect if it does not run."""
        with self._lock:
            portal, thread = self._portal, self._thread
            self._portal = self._thread = None
        if portal is None or thread is None:
            return
        atexit.unregister(self.stop)
        portal.call(portal.stop)
        thread.join(_STOP_WITHIN)

    def _running(self) -> BlockingPortal:
        with self._lock:
            if self._portal is None:
                started: Future[BlockingPortal] = Future()
                self._thread = threading.Thread(
                    target=self._run, args=(started,), name="asynctasq-background", daemon=True
                )
                self._thread.start()
                self._portal = started.result()
                atexit.register(self.stop)
            return self._portal

    def _run(self, started: Future[BlockingPortal]) -> None:
        async def serve() -> None:
            async with BlockingPortal() as portal:
                started.set_result(portal)
                await portal.sleep_until_stopped()
                with anyio.move_on_after(_STOP_WITHIN, shield=True):
                    await self._on_stop()

        try:
            run_event_loop(serve)
        except BaseException as error:
            if not started.done():
                started.set_exception(error)
            else:
                raise

    def _forget(self) -> None:
        """In a forked child the thread does not exist, and the lock may be held by one that doesn't either."""
        self._lock = threading.Lock()
        self._portal = self._thread = None
