"""Methods that drivers of older applications had, and what takes their place."""

from collections.abc import Mapping

_MONITORING = "asynctasq.MonitoringService"

REPLACED_METHODS: Mapping[str, str] = {
    "enqueue": "enqueue_many",
    "dequeue": "reserve",
    "receive": "reserve",
    "ack": "settle_many with Complete",
    "nack": "settle_many with Retry or Release",
    "mark_failed": "settle_many with Bury",
    "extend_visibility": "extend_many",
    "get_queue_size": "queue_stats",
    "get_queue_stats": f"queue_stats, or {_MONITORING}.get_queue_stats",
    "get_all_queue_names": f"queue_stats, or {_MONITORING}.get_all_queue_names",
    "get_global_stats": f"queue_stats, or {_MONITORING}.get_global_stats",
    "get_running_tasks": f"list_tasks, or {_MONITORING}.get_running_tasks",
    "get_task_by_id": f"get_tasks, or {_MONITORING}.get_task_by_id",
    "get_worker_stats": f"worker_reports, or {_MONITORING}.get_worker_stats",
    "retry_task": "replay_many",
    "retry_raw_task": "replay_many",
    "delete_task": "delete_many",
    "delete_raw_task": "delete_many",
    "purge_queue": "purge",
    "init_schema": "prepare_storage",
    "migrate": "prepare_storage",
}
"""Name -> the method of the contract."""


def missing_attribute(owner: type, name: str) -> str:
    """What to say about an attribute that a driver does not have."""
    said = f"{owner.__name__!r} object has no attribute {name!r}"
    replacement = REPLACED_METHODS.get(name)
    return said if replacement is None else f"{said}: drivers have {replacement} instead"
