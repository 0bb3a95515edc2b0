"""What must hold of every trial, C1 to C11, judged from the dumped store and the processes' histories.

Partitioned by task. Every complaint is certain: wherever an answer is missing, both possibilities are granted.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise

from msgspec import Struct

from asynctasq.driver_api import TaskRecord, TaskState
from tests.torture.timeline import TERMINAL, Grant, TaskStory, Timeline

TOLERANCE = 0.05
"""Seconds that the store's clock and the processes' may run apart within a trial."""

ENDED = frozenset({TaskState.COMPLETED, TaskState.DEAD, TaskState.CANCELLED})
_END_OF = {"Complete": TaskState.COMPLETED, "Bury": TaskState.DEAD, "Cancel": TaskState.CANCELLED}
_NEVER_RUN = frozenset({"undecodable", "unknown_task", "expired"})


class Violation(Struct, frozen=True):
    """Something that must not happen."""

    rule: str
    """C1 to C11."""
    task: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule} {self.task}: {self.what}"


class Evidence(Struct):
    """What a trial left behind."""

    timeline: Timeline
    records: Mapping[str, TaskRecord]
    """The dumped store."""
    max_attempts: Callable[[str], int]
    """Task name -> its limit."""
    poll_interval: float = 1.0


Found = Iterator[tuple[str, str]]


def check(evidence: Evidence) -> list[Violation]:
    """All violations."""
    timeline, records = evidence.timeline, evidence.records
    stories = dict(timeline.stories)
    for task in records:
        stories.setdefault(task, TaskStory(task))
    violations = [Violation("C2", receipt, "a receipt that was never issued") for receipt in timeline.unknown_receipts]
    for story in stories.values():
        record = records.get(story.id)
        limit = None if record is None else evidence.max_attempts(record.name)
        found = _of_one_task(story, record, limit)
        violations += [Violation(rule, story.id, what) for rule, what in found]
        violations += [Violation("C9", story.id, what) for what in _passed_over(story, evidence)]
    violations += [Violation("C8", task, what) for task, what in _out_of_order(timeline)]
    return violations


def _of_one_task(story: TaskStory, record: TaskRecord | None, limit: int | None) -> Found:
    yield from _lost(story, record)
    yield from _phantom(story)
    yield from _two_ends(story, record)
    yield from _too_many_starts(story, limit)
    yield from _two_leases(story)
    yield from _wrong_settlements(story)
    yield from _runs_without_lease(story)
    yield from _resurrected(story)
    yield from _early(story)


def _lost(story: TaskStory, record: TaskRecord | None) -> Found:
    """C1"""
    if record is None:
        if story.was_acknowledged:
            yield "C1", "it was acknowledged, and is not in the store"
    elif record.state not in ENDED:
        yield "C1", f"it is still {record.state} when all is quiet"
    elif record.state is TaskState.DEAD and not story.grants and record.reason != "expired":
        yield "C1", f"it is dead ({record.reason}) without ever having been delivered"


def _phantom(story: TaskStory) -> Found:
    """C2"""
    if not story.enqueueings:
        yield "C2", "nobody enqueued it"
    if sum(bool(one.accepted) for one in story.enqueueings) > 1:
        yield "C2", "it was accepted twice"


def _two_ends(story: TaskStory, record: TaskRecord | None) -> Found:
    """C3"""
    ends = [one.kind for _, one in story.settlings() if one.applied and one.kind in TERMINAL]
    if len(ends) > 1:
        yield "C3", f"it was settled for good more than once: {', '.join(ends)}"
    if record is None or record.state not in ENDED:
        return
    for kind in ends:
        if _END_OF[kind] is not record.state:
            yield "C3", f"{kind} was applied, and it is {record.state}"
    possible = {_END_OF[one.kind] for _, one in story.settlings() if one.may_have_applied and one.kind in TERMINAL}
    if record.state is TaskState.COMPLETED and record.state not in possible:
        yield "C3", "it is completed, and nobody sent a Complete"
    if record.state is TaskState.COMPLETED and not story.starts:
        yield "C3", "it is completed, and its body never ran"
    elif record.state is TaskState.COMPLETED and not story.returns:
        yield "C3", "it is completed, and its body never returned"


def _too_many_starts(story: TaskStory, limit: int | None) -> Found:
    """C4"""
    for receipt, count in Counter(grant.receipt for grant in story.grants).items():
        if count > 1:
            yield "C4", f"the receipt {receipt} was issued {count} times"
    if limit is None:
        return
    given_back = sum(one.kind == "Release" and one.may_have_applied for _, one in story.settlings())
    if len(story.starts) > limit + given_back:
        yield "C4", f"its body began {len(story.starts)} times; {limit} is the limit, {given_back} were given back"


def _two_leases(story: TaskStory) -> Found:
    """C5"""
    for one, other in combinations(story.grants, 2):
        begin = max(one.certainly_live[0], other.certainly_live[0])
        end = min(one.certainly_live[1], other.certainly_live[1])
        if one.receipt != other.receipt and end > begin + TOLERANCE:
            yield "C5", f"{one.worker} and {other.worker} both held it for {end - begin:.3f} s"


def _wrong_settlements(story: TaskStory) -> Found:
    """C6"""
    for grant in story.grants:
        for index, one in enumerate(grant.settlings):
            if one.applied and one.began > grant.latest_end(before=one.began) + TOLERANCE:
                yield "C6", f"a {one.kind} was applied after its lease had ended"
            if one.applied and _redelivered_before(story, grant, one.began):
                yield "C6", f"a {one.kind} was applied although the task had been delivered again"
            if one.applied and any(earlier.applied for earlier in grant.settlings[:index]):
                yield "C6", "two settlements of one receipt were applied"
            refused = one.outcome == "stale" and not any(
                earlier.may_have_applied for earlier in [*grant.settlings[:index], *grant.settlings[index + 1 :]]
            )
            if refused and one.answered < grant.earliest_end(before=one.began) - TOLERANCE:
                yield "C6", f"a {one.kind} was refused although its lease was live"
        yield from _wrong_extensions(story, grant)


def _wrong_extensions(story: TaskStory, grant: Grant) -> Found:
    for one in grant.extendings:
        if one.applied and one.began > grant.latest_end(before=one.began) + TOLERANCE:
            yield "C6", "a lease was extended after it had ended"
        if one.applied and _redelivered_before(story, grant, one.began):
            yield "C6", "a lease was extended although the task had been delivered again"
        until = min(grant.earliest_end(before=one.began), grant.settled_from)
        if one.applied is False and one.answered < until - TOLERANCE:
            yield "C6", "an extension was refused although the lease was live"


def _redelivered_before(story: TaskStory, grant: Grant, moment: float) -> bool:
    return any(
        other.asked > grant.answered and other.answered < moment
        for other in story.grants
        if other.receipt != grant.receipt
    )


def _runs_without_lease(story: TaskStory) -> Found:
    """C7. Which delivery a body belongs to is known by worker and attempt."""
    grants: dict[tuple[str, int], list[Grant]] = {}
    for grant in story.grants:
        grants.setdefault((grant.worker, grant.attempt), []).append(grant)
    counts = Counter((start.worker, start.attempt) for start in story.starts)
    for (worker, attempt), count in counts.items():
        delivered = len(grants.get((worker, attempt), ()))
        if not delivered:
            yield "C7", f"{worker} ran attempt {attempt}, which was never delivered to it"
        elif count > delivered:
            yield "C7", f"{worker} ran attempt {attempt} {count} times on {delivered} deliveries"
    for start in story.starts:
        held = grants.get((start.worker, start.attempt), ())
        if held and start.decided_at > max(grant.latest_end() for grant in held) + TOLERANCE:
            yield "C7", f"{start.worker} ran attempt {start.attempt} although its lease had ended"


def _resurrected(story: TaskStory) -> Found:
    """C10"""
    for ended_by, one in story.settlings():
        if not one.applied or one.kind not in TERMINAL:
            continue
        if any(grant.asked > one.answered for grant in story.grants if grant is not ended_by):
            yield "C10", f"it was delivered after a {one.kind} was applied"
        if any(start.decided_at > one.answered for start in story.starts):
            yield "C10", f"its body began after a {one.kind} was applied"


def _early(story: TaskStory) -> Found:
    """C11"""
    accepted = [one for one in story.enqueueings if one.accepted]
    if story.grants and len(accepted) == 1 and len(story.enqueueings) == 1:
        due = accepted[0].began + accepted[0].delay
        if story.grants[0].answered < due - TOLERANCE:
            yield "C11", f"it was delivered {due - story.grants[0].answered:.3f} s before it was due"
    for grant, one in story.settlings():
        if one.kind not in ("Retry", "Release") or not one.applied:
            continue
        later = [other for other in story.grants if other.answered > one.answered and other is not grant]
        if later and later[0].answered < one.began + one.delay - TOLERANCE:
            yield "C11", f"it was delivered {one.began + one.delay - later[0].answered:.3f} s early after a {one.kind}"


def _passed_over(story: TaskStory, evidence: Evidence) -> Iterator[str]:
    """C9: it was due, and workers that asked for tasks again and again got none."""
    dues = [one.answered + one.delay for one in story.enqueueings if one.accepted]
    dues += [one.answered + one.delay for _, one in story.settlings() if one.applied and one.kind not in TERMINAL]
    dues += [grant.latest_end() for grant in story.grants]
    empty = evidence.timeline.empty_answers
    for due in dues:
        next_asked = min((grant.asked for grant in story.grants if grant.answered >= due), default=None)
        if next_asked is None or any(grant.may_be_live(due) for grant in story.grants):
            continue
        first = bisect_left(empty, (due + TOLERANCE, 0.0))
        last = bisect_left(empty, (next_asked, 0.0)) - 1
        if last - first >= 2 and empty[last][1] - empty[first][0] > evidence.poll_interval + 1.0:
            yield f"it was due for {next_asked - due:.3f} s, while {last - first + 1} calls of reserve found nothing"


def _out_of_order(timeline: Timeline) -> Iterable[tuple[str, str]]:
    """C8, within one answer of `reserve`: there a task that came later must not be ahead of its equals."""
    for answer in timeline.grants_by_answer:
        for one, other in pairwise(answer):
            if one.queue != other.queue:
                continue
            if one.priority < other.priority:
                yield other.task, f"it came behind {one.task}, whose priority is lower"
            elif one.priority == other.priority and _certainly_ahead(timeline, other, one):
                yield other.task, f"it was enqueued before {one.task}, and delivered behind it"


def _certainly_ahead(timeline: Timeline, first: Grant, second: Grant) -> bool:
    """Both are first deliveries, without delay, and one was accepted before the other was sent."""
    ahead, behind = timeline.stories[first.task], timeline.stories[second.task]
    return (
        _is_plain(ahead, first)
        and _is_plain(behind, second)
        and ahead.enqueueings[0].answered < behind.enqueueings[0].began
    )


def _is_plain(story: TaskStory, grant: Grant) -> bool:
    enqueueings = story.enqueueings
    return grant.attempt == 1 and story.grants[0] is grant and len(enqueueings) == 1 and enqueueings[0].delay == 0


def summary(violations: Sequence[Violation], most: int = 20) -> str:
    """For people."""
    lines = [str(violation) for violation in violations[:most]]
    return "\n".join([f"{len(violations)} violations", *lines])
