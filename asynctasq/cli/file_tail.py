"""Following a file that grows, and that may be rotated or cut at any time."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

_BLOCK = 64 * 1024


def follow_lines(path: Path, *, last: int, pause: Callable[[], None] | None) -> Iterator[str]:
    """The last lines of a file, and then every line that is added. A line counts once it is whole.

    Args:
        path: It need not be there yet when it is followed.
        last: How many of the lines that are there already.
        pause: Called when there is nothing new; None: end instead.

    Raises:
        OSError: the file can't be read; or it is not there, and is not followed.
    """
    if pause is None or path.exists():
        file = path.open("rb")
    else:
        file = _wait_for(path, pause)
        last = 1 << 30
    with _Tail(path, file) as tail:
        yield from tail.last_lines(last)
        while pause is not None:
            fresh = tail.new_lines()
            yield from fresh
            if not fresh:
                pause()


def _wait_for(path: Path, pause: Callable[[], None]) -> BinaryIO:
    while True:
        try:
            return path.open("rb")
        except FileNotFoundError:
            pause()


class _Tail:
    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._rest = b""

    def __enter__(self) -> "_Tail":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def last_lines(self, number: int) -> list[str]:
        """Read to the end; the last lines, oldest first."""
        lines: deque[str] = deque(maxlen=number)
        while found := self._read():
            lines.extend(found)
        return list(lines)

    def new_lines(self) -> list[str]:
        """What was added since; after a rotation what the new file begins with."""
        lines = self._read()
        if not lines and self._reopened():
            lines = self._read()
        return lines

    def _read(self) -> list[str]:
        """The whole lines of as many blocks as it takes to have one; empty at the end of the file."""
        while block := self._file.read(_BLOCK):
            *whole, self._rest = (self._rest + block).split(b"\n")
            if whole:
                return [line.decode("utf-8", "replace") for line in whole]
        return []

    def _reopened(self) -> bool:
        """Take the file up anew if the path leads to another one by now, or if it was cut."""
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return False  # rotated, and the new file is not there yet
        here = os.fstat(self._file.fileno())
        if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino) and there.st_size >= self._file.tell():
            return False
        self._file.close()
        self._file, self._rest = self._path.open("rb"), b""
        return True
