"""A task's record, with what stands in its frame read out flat."""

from asynctasq.contract.envelopes import TaskRecord
from asynctasq.tasks.task_options import RetryStrategy


class TaskDetails(TaskRecord, frozen=True, kw_only=True):
    """What the driver knows of a task, and the options that travel in its payload. Durations are seconds."""

    content_type: str
    max_attempts: int
    retry_strategy: RetryStrategy
    retry_delay: float
    retry_max_delay: float
    timeout: float | None
    visibility_timeout: float
