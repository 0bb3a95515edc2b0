"""All records in the order of their first acceptance, for lists that are read page by page."""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from operator import itemgetter

from asynctasq.memory.stored_task import StoredTask

_SLACK = 64
"""Entries of removed tasks that the list may have for free."""
_LOOKED_AT_PER_PAGE = 10_000
"""The store's lock is held meanwhile: a few milliseconds."""
_number_of = itemgetter(0)


class EnqueueOrder:
    """Numbers and ids, ascending. Entries of removed tasks stay until they outnumber the others."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, str]] = []

    def append(self, number: int, id: str) -> None:
        """A task was accepted; its number is above all others."""
        self._entries.append((number, id))

    def compact(self, tasks: Mapping[str, StoredTask]) -> None:
        """Drop the entries of removed tasks, if they outnumber the others."""
        if len(self._entries) > 2 * len(tasks) + _SLACK:
            self._entries = [entry for entry in self._entries if _find(tasks, entry) is not None]

    def page(
        self, after: int, is_wanted: Callable[[StoredTask], bool], limit: int, tasks: Mapping[str, StoredTask]
    ) -> tuple[list[StoredTask], int | None]:
        """Up to `limit` wanted tasks whose number is above `after`, and the number to go on after (None: that was the
        end). It ends short after a bounded number of unwanted ones."""
        entries = self._entries
        start = bisect_right(entries, after, key=_number_of)
        end = min(start + _LOOKED_AT_PER_PAGE, len(entries))
        found: list[StoredTask] = []
        for position in range(start, end):
            stored = _find(tasks, entries[position])
            if stored is not None and is_wanted(stored):
                found.append(stored)
                if len(found) == limit:
                    end = position + 1
                    break
        return found, entries[end - 1][0] if end < len(entries) else None


def _find(tasks: Mapping[str, StoredTask], entry: tuple[int, str]) -> StoredTask | None:
    stored = tasks.get(entry[1])
    return stored if stored is not None and stored.number == entry[0] else None
