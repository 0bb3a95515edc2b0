"""The process pool: children that run process tasks, one at a time each.

A child is a fresh interpreter (nothing is forked). It is replaced when it has run enough tasks, when it dies, and when
what it runs has to be stopped, which for a process means: killed. Only the task that it ran is charged for that.
"""

import logging
import os
import sys
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from subprocess import PIPE
from typing import Any

import anyio
from anyio.abc import Process, TaskGroup
from anyio.streams.buffered import BufferedByteReceiveStream
from msgspec import MsgspecError

from asynctasq.runtime.process_protocol import (
    LENGTH,
    Answer,
    FromChild,
    Go,
    Loaded,
    Ready,
    Request,
    Start,
    decode_from_child,
    framed,
)
from asynctasq.runtime.retry_policy import Backoff

_logger = logging.getLogger("asynctasq.worker")

_TO_START = 60.0
"""Seconds that a child has to import the application."""
_TO_END = 1.0
"""Seconds that a child has to end by itself once its pipe is closed."""
_COMMAND = [sys.executable, "-m", "asynctasq.runtime.process_child"]


class ChildDied(Exception):
    """The child ended before it answered. The message tells how."""


class ProcessPool:
    """At most `size` children. Used from one event loop, within the task group that it was given."""

    def __init__(self, task_group: TaskGroup, start: Start, *, size: int, max_tasks_per_child: int | None) -> None:
        self._task_group = task_group
        self._start = start
        self._size = size
        self._max_tasks = max_tasks_per_child
        self._idle: list[Child] = []
        self._children: set[Child] = set()
        self._starting = 0
        self._waiting: deque[anyio.Event] = deque()
        self._closed = False
        self.replaced = 0
        """Children that died, were killed, or had run enough."""

    def warm_up(self) -> None:
        """Start every child now, so that the first tasks need not wait for them."""
        while len(self._children) + self._starting < self._size:
            self._start_one()

    async def run(self, request: Request) -> Answer:
        """Run one attempt in the child that is free next. Cancelled, it kills the child.

        Raises:
            ChildDied: the child ended instead.
        """
        child = await self.acquire()
        return await self.run_in(child, request)

    async def acquire(self) -> "Child":
        """Wait for a free child; `run_in` gives it back, or `give_back` if it is not needed."""
        while not self._idle:
            if len(self._children) + self._starting < self._size:
                self._start_one()
            freed = anyio.Event()
            self._waiting.append(freed)
            try:
                await freed.wait()
            except BaseException:
                if freed in self._waiting:
                    self._waiting.remove(freed)
                else:
                    self._wake_one()
                raise
        return self._idle.pop()

    def give_back(self, child: "Child") -> None:
        """Let somebody else have a child."""
        self._idle.append(child)
        self._wake_one()

    async def run_in(self, child: "Child", request: Request, may_begin: Callable[[], bool] = lambda: True) -> Answer:
        """Run one attempt in a child that was acquired. A child that has to load arguments first asks `may_begin` when
        they are there."""
        finished = False
        try:
            answer = await child.ask(request, may_begin)
            finished = True
            return answer
        finally:
            if finished and (self._max_tasks is None or child.tasks < self._max_tasks) and not self._closed:
                self.give_back(child)
            else:
                self._replace(child, kill=not finished)

    def stats(self) -> dict[str, Any]:
        """How the pool is, for people to look at."""
        return {
            "size": self._size,
            "max_tasks_per_child": self._max_tasks,
            "pids": sorted(child.process.pid for child in self._children),
            "busy": len(self._children) - len(self._idle),
            "replaced": self.replaced,
        }

    async def close(self) -> None:
        """End every child: those that are idle by themselves, the others by force."""
        self._closed = True
        async with anyio.create_task_group() as group:
            for child in list(self._children):
                group.start_soon(self._end, child, child not in self._idle)
        self._idle.clear()

    # -- children

    def _start_one(self) -> None:
        self._starting += 1
        self._task_group.start_soon(self._keep_starting, name="asynctasq process pool")

    async def _keep_starting(self) -> None:
        """Start one child, again and again until one is there. A child that can't start is logged each time."""
        backoff = Backoff(first=0.5, most=30.0)
        try:
            while not self._closed:
                try:
                    child = await self._started()
                except ChildDied as error:
                    _logger.error("a child of the process pool did not start: %s", error)
                    await anyio.sleep(backoff.next_delay())
                else:
                    if self._closed:  # while it started
                        return await child.end(kill=True)
                    self._children.add(child)
                    self._idle.append(child)
                    self._wake_one()
                    return None
            return None
        finally:
            self._starting -= 1

    async def _started(self) -> "Child":
        async with AsyncExitStack() as undo:
            process: Process | None = None
            with anyio.CancelScope(shield=True):  # a process that was begun has to be known, to be ended
                process = await anyio.open_process(_COMMAND, stdin=PIPE, stdout=PIPE, stderr=None)
            assert process is not None, "nobody cancels this scope"
            child = Child(process)
            undo.push_async_callback(child.end, kill=True)
            with anyio.move_on_after(_TO_START):
                await child.greet(self._start)
                undo.pop_all()
                return child
        raise ChildDied(f"it was not ready after {_TO_START:g} s")

    def _replace(self, child: "Child", *, kill: bool) -> None:
        self.replaced += 1
        if kill:
            child.kill()
        if not self._closed:
            self._task_group.start_soon(self._end, child, kill)
            self._start_one()

    async def _end(self, child: "Child", kill: bool) -> None:
        self._children.discard(child)
        await child.end(kill=kill)

    def _wake_one(self) -> None:
        if self._waiting:
            self._waiting.popleft().set()


class Child:
    """One child, as its worker sees it."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.tasks = 0
        assert process.stdin is not None, "both pipes were asked for"
        assert process.stdout is not None
        self._requests = process.stdin
        self._answers = BufferedByteReceiveStream(process.stdout)

    async def greet(self, start: Start) -> None:
        """Send the first message, and wait until the child is ready."""
        message = await self._exchange(framed(start))
        if not isinstance(message, Ready):
            raise ChildDied(f"it answered {type(message).__name__} before it was ready")

    async def ask(self, request: Request, may_begin: Callable[[], bool]) -> Answer:
        """Let the child run one attempt."""
        self.tasks += 1
        message = await self._exchange(framed(request))
        if isinstance(message, Loaded):
            message = await self._exchange(framed(Go(may_begin())))
        if isinstance(message, Ready | Loaded):
            raise ChildDied(f"it answered {type(message).__name__}, which no child does here")
        return message

    async def _exchange(self, data: bytes) -> FromChild:
        try:
            await self._requests.send(data)
            [length] = LENGTH.unpack(await self._answers.receive_exactly(LENGTH.size))
            return decode_from_child(await self._answers.receive_exactly(length))
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            with anyio.move_on_after(_TO_END):
                await self.process.wait()
            raise ChildDied(self._how_it_ended()) from error
        except MsgspecError as error:
            raise ChildDied(f"it sent what is no answer: {error}") from error

    def kill(self) -> None:
        """End it at once."""
        try:
            self.process.kill()
        except ProcessLookupError:
            return  # it has ended already

    async def end(self, *, kill: bool) -> None:
        """Let it end by itself, or by force, and wait for that."""
        with anyio.CancelScope(shield=True):
            if kill:
                self.kill()
            else:
                with anyio.move_on_after(_TO_END) as patience:
                    await self._requests.aclose()
                    await self.process.wait()
                if patience.cancelled_caught:
                    self.kill()
            await self.process.aclose()

    def _how_it_ended(self) -> str:
        code = self.process.returncode
        if code is None:
            return "the child process closed its pipe"
        return (
            f"the child process was killed by signal {-code}" if code < 0 else f"the child process exited with {code}"
        )


def default_size() -> int:
    """One child per CPU that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
