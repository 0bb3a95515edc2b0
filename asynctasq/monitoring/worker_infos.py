"""From a worker's own report to what a dashboard shows of it. Whatever is in the store, reading it never raises."""

from datetime import datetime
from typing import Any, cast

import msgspec

from asynctasq.contract.envelopes import WorkerReport
from asynctasq.monitoring.models import WorkerInfo
from asynctasq.runtime.housekeeping import REPORT_INTERVAL

_OVERDUE = 2.0 * REPORT_INTERVAL


def read_worker_info(report: WorkerReport, now: datetime) -> WorkerInfo:
    """One worker; `now` is the backend's clock."""
    said = _decoded(report.data)
    active, concurrency = _number(said.get("active_tasks")), _number(said.get("concurrency"))
    overdue = (now - report.reported_at).total_seconds() > _OVERDUE
    running = said.get("running")
    first = cast("list[object]", running)[0] if isinstance(running, list) and running else None
    current = cast("dict[str, object]", first).get("id") if isinstance(first, dict) else None
    queues = said.get("queues")
    return WorkerInfo(
        worker_id=report.worker,
        status="down" if overdue else "active" if active else "idle",
        current_task_id=None if current is None else str(current),
        tasks_processed=int(_number(said.get("tasks_processed"))),
        uptime_seconds=_number(said.get("uptime_seconds")),
        last_heartbeat=report.reported_at,
        load_percentage=round(100.0 * active / concurrency, 1) if concurrency else 0.0,
        hostname=str(said["hostname"]) if "hostname" in said else None,
        queues=tuple(str(queue) for queue in cast("list[object]", queues)) if isinstance(queues, list) else (),
    )


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
