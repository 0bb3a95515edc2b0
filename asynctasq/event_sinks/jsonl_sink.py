"""Events appended to a file, one JSON object per line."""

import os
import threading
from collections.abc import Callable, Sequence
from functools import partial

import anyio
import anyio.to_thread

from asynctasq.contract.event_sink import EventSink
from asynctasq.contract.events import Event
from asynctasq.errors import ConfigurationError
from asynctasq.event_sinks.event_encoding import event_encoder
from asynctasq.event_sinks.settings import JsonlSinkSettings

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT
_MODE = 0o640


class JsonlSink(EventSink):
    """Appends events to a file that several processes may share and that may be rotated at any time.

    A batch is one write of whole lines, made in a thread, so that a slow disk does not block the event loop. It is
    handed to the operating system before `emit_many` returns.
    """

    def __init__(self, settings: JsonlSinkSettings) -> None:
        self._path = os.path.abspath(settings.path)
        self._encode = event_encoder(settings.format, settings.source)
        self._descriptor: int | None = None
        self._lock = anyio.Lock()

    async def open(self) -> None:
        """Open the file, and create it if it is missing.

        Raises:
            ConfigurationError: it can't be opened for writing.
        """
        async with self._lock:
            try:
                await _in_thread(self._reopen)
            except OSError as error:
                raise ConfigurationError(
                    f"events can't be written to {self._path}: {error.strerror}; "
                    "create the folder, or set ASYNCTASQ_EVENTS_JSONL_PATH to a file that may be written"
                ) from error

    async def emit_many(self, events: Sequence[Event]) -> None:
        """Append a batch.

        Raises:
            OSError: the file can't be written, such as on a full disk. The next batch opens it anew.
            RuntimeError: no thread can be started, such as at a container's limit of processes.
        """
        lines = b"".join([self._encode(event) + b"\n" for event in events])
        async with self._lock:
            await _in_thread(partial(self._append, lines))

    async def close(self) -> None:
        """Close the file; without effect if it is closed."""
        async with self._lock:
            await _in_thread(self._close)

    def _append(self, lines: bytes) -> None:
        if self._descriptor is None or self._was_rotated(self._descriptor):
            self._reopen()
        descriptor = self._descriptor
        if descriptor is None:
            raise OSError(f"{self._path} is not open")
        rest = memoryview(lines)
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError:
            self._close()
            raise

    def _was_rotated(self, descriptor: int) -> bool:
        """Whether the path leads to another file by now, or to none."""
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return True
        here = os.fstat(descriptor)
        return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)

    def _reopen(self) -> None:
        self._close()
        descriptor = os.open(self._path, _FLAGS, _MODE)
        self._descriptor = descriptor
        if _ends_within_a_line(self._path):
            os.write(descriptor, b"\n")

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


async def _in_thread(write: Callable[[], None]) -> None:
    """In a thread; once the program has ended, when none can be started any more, right here: it delays nobody then.
    A live program that can't start one has reached a limit, and its event loop is not held up for events."""
    try:
        await anyio.to_thread.run_sync(write)
    except RuntimeError:
        if threading.main_thread().is_alive():
            raise
        write()


def _ends_within_a_line(path: str) -> bool:
    """Whether a writer died half-way: the line that it began must not swallow the next event."""
    with open(path, "rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
