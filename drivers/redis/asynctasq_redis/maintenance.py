"""What concerns whole queues: their names, statistics, maintenance and purges, in slices that block nobody for long."""

from collections.abc import Sequence
from typing import cast

from asynctasq.driver_api import MaintenanceReport, QueueStats, TaskState
from asynctasq_redis.records import queue_statistics
from asynctasq_redis.script_runner import ScriptRunner
from asynctasq_redis.ticks import ticks_of

_QUEUES_PER_SLICE = 100
_TASKS_PER_SLICE = 500
_NO_STATS = QueueStats()


async def queue_names(scripts: ScriptRunner) -> list[str]:
    """Every queue that ever had a task, sorted."""
    names = cast("list[bytes]", await scripts.pool.call("SMEMBERS", f"{scripts.prefix}queues"))
    return sorted(name.decode() for name in names)


async def paused_queue_names(scripts: ScriptRunner) -> frozenset[str]:
    """Every queue that is paused."""
    names = cast("list[bytes]", await scripts.pool.call("SMEMBERS", f"{scripts.prefix}paused"))
    return frozenset(name.decode() for name in names)


async def queue_stats(scripts: ScriptRunner, queues: Sequence[str] | None) -> dict[str, QueueStats]:
    """The statistics of each queue, each as of one instant; None is every queue with tasks, totals or a pause."""
    if queues is not None:
        return await _stats_of(scripts, queues)
    paused = await paused_queue_names(scripts)
    stats = await _stats_of(scripts, sorted(paused.union(await queue_names(scripts))))
    return {queue: its_stats for queue, its_stats in stats.items() if its_stats != _NO_STATS or queue in paused}


async def _stats_of(scripts: ScriptRunner, queues: Sequence[str]) -> dict[str, QueueStats]:
    stats: dict[str, QueueStats] = {}
    done = 0
    while done < len(queues):
        names = queues[done : done + _QUEUES_PER_SLICE]
        rows = await scripts.run("stats", names)  # of the first ones, if there was much to look at
        stats |= {name: queue_statistics(row) for name, row in zip(names, rows, strict=False)}
        done += len(rows)
    return stats


async def maintain(scripts: ScriptRunner, limit: int, dead_retention: float | None) -> MaintenanceReport:
    """Store what time ended and forget what is due, looking at `limit` tasks at most, and at about as many ids."""
    names = await queue_names(scripts)
    retention = "" if dead_retention is None else ticks_of(dead_retention)
    removed, left, is_more = 0, limit, False
    for start in range(0, max(1, len(names)), _QUEUES_PER_SLICE):
        slice_of_names = names[start : start + _QUEUES_PER_SLICE]
        its_removed, looked_at, its_more = await scripts.run("maintain", (left, retention, *slice_of_names))
        removed, left, is_more = removed + its_removed, left - looked_at, is_more or bool(its_more)
        if left <= 0:
            break
    return MaintenanceReport(removed=removed, more=is_more or left <= 0)


async def purge(scripts: ScriptRunner, queues: Sequence[str], states: Sequence[TaskState] | None) -> None:
    """Remove the tasks of these states that are there now. Producers that go on enqueueing do not keep it busy."""
    wanted = ("",) if states is None else states
    for queue in queues:
        looked_at, remaining = await scripts.run_durably("purge", (queue, _TASKS_PER_SLICE, *wanted))
        budget = 2 * remaining + _TASKS_PER_SLICE
        while remaining and looked_at and budget > 0:
            looked_at, remaining = await scripts.run_durably("purge", (queue, _TASKS_PER_SLICE, *wanted))
            budget -= looked_at
