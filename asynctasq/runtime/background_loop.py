"""An event loop on a thread of its own: what synchronous code dispatches through, and where a client's sinks run."""

import atexit
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar
from weakref import WeakSet

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup
from anyio.from_thread import BlockingPortal

from asynctasq.event_loop import run_event_loop

T = TypeVar("T")

_STOP_WITHIN = 5.0


class _Here(threading.local):
    """What belongs to one thread: each run of the loop has its own."""

    tasks: TaskGroup | None = None
    """Set in the loop's thread alone."""


class BackgroundLoop:
    """Started on first use, one per process: a forked child starts its own."""

    def __init__(self, *, on_stop: Callable[[], Awaitable[None]]) -> None:
        """`on_stop` is called on the loop before it ends."""
        self._on_stop = on_stop
        self._lock = threading.Lock()
        self._portal: BlockingPortal | None = None
        self._thread: threading.Thread | None = None
        self._here = _Here()
        _all.add(self)

    def call(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Call a coroutine function on the loop, in the caller's context, and wait for what it returns."""
        return self._running().call(function, *arguments)

    def start_soon(self, function: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> None:
        """Call a coroutine function on the loop, without waiting; also from the loop itself.

        Raises:
            RuntimeError: the loop is being stopped just now.
        """
        if self._here.tasks is not None:
            self._here.tasks.start_soon(function, *arguments)
        else:
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
            # The loop's last work comes when the program has ended. On Python 3.12 no thread can be started then any
            # more, so the loop has one from its beginning.
            async with BlockingPortal() as portal, anyio.create_task_group() as self._here.tasks:
                await to_thread.run_sync(_do_nothing)
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

    def forget(self) -> None:
        """In a forked child the thread does not exist, and the lock may be held by one that doesn't either."""
        self._lock = threading.Lock()
        self._portal = self._thread = None


def _do_nothing() -> None:
    """Makes a worker thread, which stays."""


_all: WeakSet[BackgroundLoop] = WeakSet()


def _forget_all() -> None:
    for loop in list(_all):
        loop.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
