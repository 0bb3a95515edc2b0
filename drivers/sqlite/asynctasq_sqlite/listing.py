"""Lists, in the order of enqueueing. Every page looks at a bounded number of tasks."""

import re

from msgspec import Struct

from asynctasq.driver_api import InvalidArgument, TaskPage, TaskState
from asynctasq_sqlite.records import records_of
from asynctasq_sqlite.rows import seq_list
from asynctasq_sqlite.session import Session

LOOKED_AT = 2000
"""Tasks per page that are looked at, however few of them match."""

_ENDED = frozenset({TaskState.COMPLETED, TaskState.DEAD, TaskState.CANCELLED})
_is_place = re.compile(r"[1-9][0-9]{0,17}").fullmatch


class Wanted(Struct, frozen=True, kw_only=True):
    """The filters of a list; durations in milliseconds."""

    queue: str | None
    state: TaskState | None
    name: str | None
    correlation_id: str | None
    older_than: int | None


def read_place(after: object) -> int:
    """The seq behind which a page begins."""
    if after is None:
        return 0
    if not isinstance(after, str) or _is_place(after) is None:
        raise InvalidArgument(f"after is {after!r:.80}; wanted the `after` of a page of this driver, or None")
    return int(after)


def list_tasks(session: Session, wanted: Wanted, limit: int, place: int) -> TaskPage:
    """One page of the tasks behind `place`."""
    window = max(limit, LOOKED_AT)
    latest = None if wanted.older_than is None else session.now - wanted.older_than
    filters = (place, window, wanted.queue, wanted.name, wanted.correlation_id, latest)
    if wanted.state is not None and wanted.state in _ENDED:
        row = session.run("list_ended", *filters, wanted.state.value).fetchone()
    elif wanted.state is TaskState.LEASED:
        row = session.run("list_leased", *filters).fetchone()
    else:
        row = session.run("list_tasks", *filters).fetchone()
    matching, looked_at, last = seq_list(row[0]), row[1], row[2]
    after = last if looked_at == window else None
    found = records_of(session, matching[:limit], wanted.state)
    if len(matching) > limit:
        after = matching[limit - 1]
    return TaskPage(tasks=found, after=None if after is None else str(after))
