"""Where to begin looking for due tasks.

A queue that is drained fast leaves dead entries at the head of its index, and each claim walks over them until vacuum
comes. So this driver remembers, per queue and priority, where it saw the head last, and has the next claim begin
there. Whatever appears behind a floor after all (committed late by a caller's transaction, given back by another
worker's rollback) is found by a look without floors, once a second and whenever a look came back short.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

LINES = 10
"""Priorities per queue, 9 first."""
MARGIN = timedelta(seconds=0.3)
"""How far behind the head a floor stays, for transactions that took their time to commit."""
FULL_LOOK_EVERY = 1.0
"""Seconds."""
FULL_LOOK_WHEN_SHORT = 0.1
"""Seconds since the last full look after which a short result asks for another one."""


class Head(Struct, frozen=True, gc=False):
    """What one claim saw, beside the tasks that it leased."""

    line: int | None
    """The first line that had a task, counted from 1; None if none had."""
    ready_at: datetime | None
    """The earliest due time that was found."""
    found: int
    """Due tasks, at most as many as were asked for."""
    ended: int
    """How many of them time had ended."""
    clock: datetime
    """The server's clock at the look."""
    paused: tuple[str, ...]
    """Which of the queues are paused."""
    order: tuple[int, ...]
    """The seqs of what was found, in their order."""


class Floors:
    """The floors of one driver."""

    def __init__(self) -> None:
        self._floors: dict[str, list[datetime | None]] = {}
        self._full_look_at: dict[str, float] = {}

    def forget(self) -> None:
        """Begin anew: the next claim looks everywhere."""
        self._floors.clear()
        self._full_look_at.clear()

    def of(self, queues: Iterable[str]) -> list[datetime | None]:
        """The floors of these queues' lines."""
        return [floor for queue in queues for floor in self._floors.get(queue) or _NO_FLOORS]

    def since_full_look(self, queues: Iterable[str], now: float) -> float:
        """Seconds since the longest neglected of these queues was looked through in full."""
        return now - min(self._full_look_at.get(queue, float("-inf")) for queue in queues)

    def note_full_look(self, queues: Iterable[str], now: float) -> None:
        """These queues were looked through without floors."""
        for queue in queues:
            self._full_look_at[queue] = now

    def raise_to(self, queues: Sequence[str], head: Head) -> None:
        """Raise the floors of what a claim has seen: the lines before the head were empty."""
        empty_lines = len(queues) * LINES if head.line is None else head.line - 1
        nothing_before = head.clock - MARGIN
        for place, queue in enumerate(queues):
            seen = min(max(empty_lines - place * LINES, 0), LINES)
            if queue in head.paused:
                self._floors.pop(queue, None)  # nobody looked
            elif seen:
                floors = self._floors.setdefault(queue, [None] * LINES)
                floors[:seen] = [nothing_before] * seen
        if head.line is not None and head.ready_at is not None:
            place, line = divmod(head.line - 1, LINES)
            self._floors.setdefault(queues[place], [None] * LINES)[line] = head.ready_at - MARGIN


_NO_FLOORS: list[datetime | None] = [None] * LINES
