"""A task that is about to be dispatched: which one, with what, and what its caller chose for this one call."""

from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from asynctasq.tasks.task_definition import TaskDefinition


class Overrides(Struct, kw_only=True):
    """What the caller chose with the chain, checked, durations in seconds. UNSET: not chosen."""

    task_id: str | UnsetType = UNSET
    queue: str | UnsetType = UNSET
    delay: float | UnsetType = UNSET
    available_at: datetime | UnsetType = UNSET
    """Aware UTC. Either this or `delay`."""
    retry_delay: float | UnsetType = UNSET
    max_attempts: int | UnsetType = UNSET
    timeout: float | UnsetType | None = UNSET
    visibility_timeout: float | UnsetType = UNSET
    priority: int | UnsetType = UNSET
    correlation_id: str | UnsetType = UNSET
    unique: bool | str | UnsetType = UNSET
    expires_after: float | UnsetType = UNSET


class TaskCall(Struct):
    """A definition and the arguments that its caller passed."""

    definition: TaskDefinition
    arguments: dict[str, Any]
    """Parameter name -> what was passed; defaults that were not passed are absent."""
    overrides: Overrides | None = None
