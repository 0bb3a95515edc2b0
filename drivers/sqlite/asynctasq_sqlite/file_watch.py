"""Notices that some process wrote to the database: inotify on the write-ahead log, or a look at its status.

Neither ever opens the database's files: closing one would drop the locks that this process holds on it.
"""

import asyncio
import ctypes
import os
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Protocol

_IN_MODIFY = 0x002
_IN_MOVE_SELF = 0x800
_IN_DELETE_SELF = 0x400
_IN_IGNORED = 0x8000
_HEADER_SIZE = 16
"""Bytes of an event in front of its name: watch, mask, cookie, length of the name."""

_SHORTEST_POLL = 0.002
_SLOWER = 1.1


class FileWatch(Protocol):
    """One listener's look at one file."""

    def take_change(self) -> bool:
        """Whether the file was written to since the last call.

        Raises:
            OSError: the file is gone.
        """
        ...

    def seconds_to_next_look(self) -> float:
        """After how long to ask again, for a watch that `signal_changes` does not help."""
        ...

    def signalling(self, signal: Callable[[], None]) -> AbstractContextManager[None]:
        """Within, `signal` is called on the running event loop when there is a change to take, if the watch can."""
        ...


@contextmanager
def watch_file(path: str, *, notified: bool, poll_interval: float) -> Generator[FileWatch, None, None]:
    """A watch on `path`, by the best means that there is.

    Raises:
        OSError: there is no such file.
    """
    descriptor = _open_inotify(path) if notified else None
    if descriptor is None:
        yield _PollingWatch(path, poll_interval)
        return
    try:
        yield _NotifiedWatch(descriptor, path)
    finally:
        os.close(descriptor)


def _open_inotify(path: str) -> int | None:
    """A descriptor that is readable once the file was written to; None: the system offers none, or none any more."""
    inotify = _inotify()
    if inotify is None:
        return None
    try:
        return inotify.open(path)
    except FileNotFoundError:
        raise
    except OSError:  # the system's limit of watches is reached
        return None


class _Inotify:
    """The two calls of the C library that the standard library lacks."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._init: Callable[[int], int] = library.inotify_init1
        self._add_watch: Callable[[int, bytes, int], int] = library.inotify_add_watch

    def open(self, path: str) -> int:
        """A descriptor that is readable once the file was written to."""
        descriptor = self._init(os.O_NONBLOCK | os.O_CLOEXEC)
        if descriptor < 0:
            raise _last_error(path)
        if self._add_watch(descriptor, os.fsencode(path), _IN_MODIFY | _IN_DELETE_SELF | _IN_MOVE_SELF) < 0:
            error = _last_error(path)
            os.close(descriptor)
            raise error
        return descriptor


def _last_error(path: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), path)  # becomes the subclass that belongs to the number


@cache
def _inotify() -> _Inotify | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return _Inotify(ctypes.CDLL(None, use_errno=True))
    except (OSError, AttributeError):  # a C library without it
        return None


class _NotifiedWatch:
    """The kernel tells."""

    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor = descriptor
        self._path = path

    def take_change(self) -> bool:
        try:
            events = os.read(self._descriptor, 4096)
        except BlockingIOError:
            return False
        while events:
            mask = int.from_bytes(events[4:8], sys.byteorder)
            name_size = int.from_bytes(events[12:16], sys.byteorder)
            if mask & (_IN_DELETE_SELF | _IN_MOVE_SELF | _IN_IGNORED):
                raise FileNotFoundError(f"{self._path!r} was removed")
            events = events[_HEADER_SIZE + name_size :]
        return True

    def seconds_to_next_look(self) -> float:
        return float("inf")

    @contextmanager
    def signalling(self, signal: Callable[[], None]) -> Generator[None, None, None]:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._descriptor, signal)
        try:
            yield
        finally:
            loop.remove_reader(self._descriptor)


class _PollingWatch:
    """A look at the file's status: often after a change, then ever less often, down to the interval at rest."""

    def __init__(self, path: str, interval: float) -> None:
        self._path = path
        self._interval = interval
        self._pause = _SHORTEST_POLL
        self._seen = self._status()

    def _status(self) -> tuple[int, int, int]:
        status = os.stat(self._path)
        return status.st_ino, status.st_size, status.st_mtime_ns

    def take_change(self) -> bool:
        status = self._status()
        if status == self._seen:
            return False
        if status[0] != self._seen[0]:
            raise FileNotFoundError(f"{self._path!r} was replaced")
        self._seen = status
        self._pause = _SHORTEST_POLL
        return True

    def seconds_to_next_look(self) -> float:
        pause = self._pause
        self._pause = min(pause * _SLOWER, self._interval)
        return pause

    def signalling(self, signal: Callable[[], None]) -> AbstractContextManager[None]:
        return nullcontext()
