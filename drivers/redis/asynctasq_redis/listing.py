"""Lists of tasks, page by page: queue by queue, in the order of each queue's sorted set."""

import base64
import binascii
from collections.abc import Sequence

import msgspec

from asynctasq.driver_api import InvalidArgument, TaskPage, TaskRecord, TaskState
from asynctasq_redis.records import task_record
from asynctasq_redis.script_runner import ScriptRunner
from asynctasq_redis.ticks import ticks_of

_SEQUENCE_BYTES = 6  # at the head of a member
_MOST_LOOKS = 2000  # tasks looked at for one page
_LOOKS_PER_SLICE = 200
_MOST_SLICES = 50  # for one page; empty queues are slices too


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The filters, and the size of a page."""

    state: TaskState | None
    name: str | None
    correlation_id: str | None
    older_than: float | None
    limit: int


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """The last task that was looked at. At the start of a queue, score and member are empty."""

    queue: str
    score: str = ""
    member: bytes = b""


async def page(scripts: ScriptRunner, queues: Sequence[str], wanted: Wanted, after: str | None) -> TaskPage:
    """One page of the tasks of these queues, which are sorted.

    Raises:
        InvalidArgument: `after` came from no page.
    """
    place = None if after is None else _decode(after)
    if place is not None:
        queues = [queue for queue in queues if queue >= place.queue]
    tasks: list[TaskRecord] = []
    looks, slices = _MOST_LOOKS, _MOST_SLICES
    for queue in queues:
        here = place if place is not None and place.queue == queue else _Place(queue)
        while True:
            if len(tasks) >= wanted.limit or looks <= 0 or slices <= 0:
                return TaskPage(tasks=tuple(tasks), after=_encode(here))
            found, looked_at, score, member = await _slice(scripts, here, wanted, wanted.limit - len(tasks), looks)
            tasks += found
            looks, slices = looks - looked_at, slices - 1
            if not score:
                break
            here = _Place(queue, score, member)
    return TaskPage(tasks=tuple(tasks), after=None)


async def _slice(
    scripts: ScriptRunner, place: _Place, wanted: Wanted, limit: int, looks: int
) -> tuple[list[TaskRecord], int, str, bytes]:
    found, looked_at, score, member = await scripts.run(
        "list",
        (
            place.queue,
            wanted.state or "",
            wanted.name or "",
            wanted.correlation_id or "",
            "" if wanted.older_than is None else ticks_of(wanted.older_than),
            limit,
            place.score,
            place.member,
            min(looks, _LOOKS_PER_SLICE),
        ),
    )
    return [task_record(fields) for fields in found], looked_at, score.decode(), member


def _encode(place: _Place) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(place)).decode()


def _decode(after: str) -> _Place:
    try:
        place = msgspec.msgpack.decode(base64.b64decode(after, b"-_", validate=True), type=_Place)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise InvalidArgument(f"after is {after[:80]!r}; wanted what a page of this driver gave") from error
    if place.score and not (place.score.isdecimal() and len(place.member) > _SEQUENCE_BYTES):
        raise InvalidArgument(f"after is {after[:80]!r}; wanted what a page of this driver gave")
    return place
