"""Task ids."""

import os
import uuid

from asynctasq.tasks.task_ids import TaskIds, new_task_id


def test_ids_are_uuids_of_version_7_that_grow() -> None:
    """Ids are unique, sort by the time of their making, and are valid UUIDs."""
    ids = [new_task_id() for _ in range(20_000)]
    assert ids == sorted(set(ids))
    assert {uuid.UUID(i).version for i in ids} == {7}
    assert {uuid.UUID(i).variant for i in ids} == {uuid.RFC_4122}
    assert str(uuid.UUID(ids[0])) == ids[0]


def test_a_forked_child_makes_other_ids() -> None:
    """Parent and child never make the same id, although they start from one state."""
    ids = TaskIds()
    ids.next()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "\n".join(ids.next() for _ in range(100)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as output:
        from_child = set(output.read().split())
    assert len(from_child) == 100
    assert from_child.isdisjoint(ids.next() for _ in range(100))
