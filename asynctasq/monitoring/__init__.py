"""Looking at queues, tasks and workers from a program, and the older names of event emitters.

`MonitoringService` reads from a driver whatever a page or a script wants to show. Nothing here is part of delivery.
"""

from asynctasq.contract.events import EventType, TaskEvent, WorkerEvent
from asynctasq.monitoring.emitters import EventEmitter, EventRegistry, LoggingEventEmitter, RedisEventEmitter
from asynctasq.monitoring.models import QueueStats, TaskInfo, TaskStatus, WorkerInfo
from asynctasq.monitoring.service import MonitoringService

__all__ = [
    "EventEmitter",
    "EventRegistry",
    "EventType",
    "LoggingEventEmitter",
    "MonitoringService",
    "QueueStats",
    "RedisEventEmitter",
    "TaskEvent",
    "TaskInfo",
    "TaskStatus",
    "WorkerEvent",
    "WorkerInfo",
]
