"""How a worker ends: it drains, then it cancels and releases, then it exits at once. Signals ask for the next stage."""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType
from typing import Any

import anyio

_logger = logging.getLogger("asynctasq.worker")

Handler = Callable[[int, FrameType | None], object]


class StopStage(IntEnum):
    """How urgently the worker is to end."""

    RUNNING = 0
    DRAINING = 1
    """Take nothing new, release what has not begun, let the rest end until the grace is over."""
    CANCELLING = 2
    """Cancel what runs, and release it."""


class Shutdown:
    """The stage that was asked for. Used from the event loop's thread, and from signal handlers on it."""

    def __init__(self) -> None:
        self.stage = StopStage.RUNNING
        self._requested = StopStage.RUNNING
        self._changed: list[tuple[StopStage, anyio.Event]] = []

    def request(self) -> StopStage:
        """Ask for the next stage; the one that is reached."""
        if self._requested < StopStage.CANCELLING:
            self._requested = StopStage(self._requested + 1)
        self._reach(self._requested)
        return self.stage

    def drain(self) -> None:
        """Nothing is left to take: end without having been asked to. The first request after it changes nothing."""
        self._reach(StopStage.DRAINING)

    async def wait_for(self, stage: StopStage) -> None:
        """Wait until this stage is reached."""
        if self.stage >= stage:
            return
        event = anyio.Event()
        self._changed.append((stage, event))
        await event.wait()

    def _reach(self, reached: StopStage) -> None:
        self.stage = max(self.stage, reached)
        for stage, event in self._changed:
            if self.stage >= stage:
                event.set()


class SignalListener:
    """Turns signals into calls on the event loop.

    They are in place for the whole of a worker's life, connecting and disconnecting included: a signal that found none
    would end the process by its default action, with another exit code than the one that was promised.

    The handlers are Python's own rather than the event loop's: they run between two instructions even while a body
    blocks the loop, so that the third signal ends a process that can no longer be talked to.
    """

    def __init__(
        self, *, request_stop: Callable[[], StopStage], pause: Callable[[], None], dump: Callable[[], None]
    ) -> None:
        self._request_stop = request_stop
        self._pause = pause
        self._dump = dump
        self._stop_signals = 0
        self.last: int | None = None
        """The last signal that asked to stop."""
        self._received: list[int] = []
        self._wake_up: socket.socket | None = None
        self._woken: socket.socket | None = None

    @property
    def forced(self) -> bool:
        """Whether a second signal cut the draining short."""
        return self._stop_signals > 1

    @contextmanager
    def installed(self) -> Generator[None]:
        """Take signals inside this block; `run` carries them out. Outside of the main thread it has no effect."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._wake_up, self._woken = socket.socketpair()
        with self._wake_up, self._woken:
            self._wake_up.setblocking(False)
            self._woken.setblocking(False)
            with self._handlers():
                yield

    def count(self, number: int) -> int:
        """Count one more signal that asks to stop; how many there were."""
        self._stop_signals += 1
        self.last = number
        return self._stop_signals

    async def run(self) -> None:
        """Carry out what arrives, until cancelled. Called inside `installed`; without that it has no effect."""
        if self._woken is None:
            return
        while True:
            await anyio.wait_readable(self._woken)
            self._woken.recv(64)
            while self._received:
                self._carry_out(self._received.pop(0))

    @contextmanager
    def _handlers(self) -> Generator[None]:
        handlers: dict[str, Handler] = {
            "SIGTERM": self._on_stop,
            "SIGINT": self._on_stop,
            "SIGQUIT": self._on_quit,
            "SIGTSTP": self._on_other,
            "SIGUSR1": self._on_other,
        }
        before: dict[int, Any] = {}
        try:
            for name, handler in handlers.items():
                if (number := getattr(signal, name, None)) is not None:
                    before[number] = signal.signal(number, handler)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    # -- inside the handlers

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        if self.count(number) > 2:
            os._exit(128 + number)
        self._pass_on(number)

    def _on_quit(self, number: int, _frame: FrameType | None) -> None:
        os._exit(128 + number)

    def _on_other(self, number: int, _frame: FrameType | None) -> None:
        self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        self._received.append(number)
        assert self._wake_up is not None, "handlers are installed after the sockets were made"
        try:
            self._wake_up.send(b"s")
        except BlockingIOError:
            return  # the loop has plenty to wake it

    # -- in the event loop

    def _carry_out(self, number: int) -> None:
        name = signal.Signals(number).name
        if name in ("SIGTERM", "SIGINT"):
            if self._request_stop() is StopStage.DRAINING:
                _logger.warning("%s: finishing what runs; the next signal cancels and releases it", name)
            else:
                _logger.warning(
                    "%s: cancelling and releasing what runs; the next signal ends the process at once", name
                )
        elif name == "SIGTSTP":
            _logger.warning("%s: nothing new is taken any more; what runs goes on", name)
            self._pause()
        else:
            self._dump()


def leave_process(code: int) -> None:
    """End the process at once, without waiting for threads that can't be stopped."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue  # closed, or nobody reads it any more
    os._exit(code)
