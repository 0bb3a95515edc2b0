"""What the store says after a run, held against the independent walk."""

from collections import Counter
from collections.abc import AsyncIterator

from msgspec import Struct

from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import TaskRecord, TaskState
from asynctasq.demo.identifiers import FileCount
from asynctasq.demo.independent_walk import Expected
from asynctasq.demo.tasks import QUEUES, count_file, task_id
from asynctasq.serializers.msgpack_serializer import MsgpackSerializer

PAGE = 500


class Findings(Struct, frozen=True, kw_only=True):
    """Everything that the report prints, read from the store."""

    files: int
    identifiers: int
    runs: int
    retries: int
    recovered: int
    """Leases that lapsed, whose tasks were delivered again and ended."""
    dead: dict[str, str]
    """The path of each dead letter's file -> its last error."""
    differences: tuple[str, ...]
    """What the store and the independent walk disagree about; empty means exactly once."""

    @property
    def exactly_once(self) -> bool:
        """Does every file have exactly its one count, or exactly its one dead letter?"""
        return not self.differences


async def read_findings(driver: Driver, expected: Expected) -> Findings:
    """Read every record of the run, and compare."""
    decode = MsgpackSerializer().decoder(FileCount)
    counts: list[FileCount] = []
    dead: dict[str, str] = {}
    runs = retries = recovered = 0
    path_of = {task_id("file", path): path for path in (*expected.counts, *expected.broken)}
    async for record in records(driver):
        attempts_that_failed = len(record.failures)
        ended_well = record.state is TaskState.COMPLETED
        retries += attempts_that_failed - (not ended_well)
        recovered += record.attempts - attempts_that_failed - ended_well
        if record.name != count_file.name:
            continue
        runs += record.attempts
        if ended_well and record.result is not None:
            counts.append(decode(record.result))
        elif record.state is TaskState.DEAD:
            failure = record.failures[-1]
            dead[path_of.get(record.id, record.id)] = f"{failure.type}: {failure.message}"
    return Findings(
        files=len(counts) + len(dead),
        identifiers=sum(count.identifiers for count in counts),
        runs=runs,
        retries=retries,
        recovered=recovered,
        dead=dead,
        differences=tuple(differences(counts, dead, expected)),
    )


def differences(counts: list[FileCount], dead: dict[str, str], expected: Expected) -> list[str]:
    """One line for each file that was not counted exactly once, was counted wrongly, or died for no reason."""
    found = Counter(count.path for count in counts)
    by_path = {count.path: count for count in counts}
    lines = [f"counted {n} times: {path}" for path, n in sorted(found.items()) if n > 1]
    lines += [f"never counted: {path}" for path in sorted(expected.counts.keys() - by_path.keys())]
    lines += [f"counted, but not in the folders: {path}" for path in sorted(by_path.keys() - expected.counts.keys())]
    lines += [
        f"counted wrongly: {path}"
        for path in sorted(expected.counts.keys() & by_path.keys())
        if by_path[path] != expected.counts[path]
    ]
    lines += [f"broken, but no dead letter: {path}" for path in sorted(expected.broken - dead.keys())]
    lines += [f"a dead letter, but not broken: {path}" for path in sorted(dead.keys() - expected.broken)]
    return lines


async def records(driver: Driver) -> AsyncIterator[TaskRecord]:
    """Every record of the demonstration's queues."""
    for queue in QUEUES:
        after: str | None = None
        while True:
            page = await driver.list_tasks(queue=queue, limit=PAGE, after=after)
            for record in page.tasks:
                yield record
            if (after := page.after) is None:
                break
