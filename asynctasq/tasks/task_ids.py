"""Task ids: UUIDs of version 7, which sort by the time they were made."""

import os
import time
from random import Random

_COUNTER_LIMIT = 1 << 12
_VARIANT = 0b10 << 62


class TaskIds:
    """Makes ids that grow, within one process. After a fork the child goes on with random bits of its own."""

    def __init__(self) -> None:
        self._random = Random(os.urandom(32))
        self._start(0)
        os.register_at_fork(after_in_child=self._reseed)

    def next(self) -> str:
        """A new id."""
        now = time.time_ns() // 1_000_000
        if now > self._millisecond:
            self._start(now)
        else:  # the same millisecond, or a clock that was set back
            self._counter += 1
            if self._counter == _COUNTER_LIMIT:
                self._start(self._millisecond + 1)
        tail = f"{self._random.getrandbits(62) | _VARIANT:016x}"
        return f"{self._begin}{self._counter:03x}-{tail[:4]}-{tail[4:]}"

    def _start(self, millisecond: int) -> None:
        self._millisecond = millisecond
        self._counter = 0
        self._begin = f"{millisecond >> 16:08x}-{millisecond & 0xFFFF:04x}-7"

    def _reseed(self) -> None:
        self._random = Random(os.urandom(32))


new_task_id = TaskIds().next
"""A new task id."""
