"""The settings of one worker, checked."""

import math
import os
import socket
import uuid
from collections.abc import Mapping, Sequence

from msgspec import Struct

from asynctasq.contract.checks import check_identifiers, check_text
from asynctasq.errors import ConfigurationError, InvalidArgument
from asynctasq.runtime.queue_order import parse_queues


class WorkerSettings(Struct, frozen=True, kw_only=True):
    """What a worker was told. Durations are seconds."""

    worker_id: str
    queues: tuple[str, ...]
    weights: Mapping[str, int] | None
    concurrency: int = 10
    max_tasks: int | None = None
    lease: float = 30.0
    """How soon a worker that died is noticed."""
    grace: float = 25.0
    """How long running tasks may go on once the worker is to end."""
    poll_interval: float = 1.0
    """How long a lost wake-up can delay a task."""
    heartbeat_interval: float = 60.0
    """Between two worker_heartbeat events."""
    burst: bool = False
    prefetch: bool = True
    process_pool_size: int | None = None
    max_tasks_per_child: int | None = None
    handle_signals: bool = True
    exit_when_stuck: bool = False
    keep_completed_tasks: bool = False
    blocked_loop_after: float | None = 2.0
    connect_patience: float = 10.0


def new_worker_id() -> str:
    """Tells a person the host and the process, and is never used twice."""
    return f"{socket.gethostname()[:100]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def read_queues(
    queues: Sequence[str] | str | None, weights: Mapping[str, int] | None
) -> tuple[tuple[str, ...], Mapping[str, int] | None]:
    """The names of the queues in order, and their weights if there are any.

    Raises:
        ConfigurationError: a name or a weight is not allowed.
    """
    text = queues if isinstance(queues, str) else ",".join(queues or ("default",))
    parsed = parse_queues(text)
    try:
        check_identifiers("queue", list(parsed))
    except InvalidArgument as error:
        raise ConfigurationError(str(error)) from None
    written = {name: weight for name, weight in parsed.items() if weight is not None} | dict(weights or {})
    for name, weight in written.items():
        if name not in parsed:
            raise ConfigurationError(f"a weight is given for the queue {name!r}, which this worker does not serve")
        whole("queue weight", weight, least=1)
    return tuple(parsed), written or None


def checked(settings: WorkerSettings) -> WorkerSettings:
    """The settings, if they can work.

    Raises:
        ConfigurationError: one of them can't.
    """
    try:
        check_text("worker_id", settings.worker_id)
    except InvalidArgument as error:
        raise ConfigurationError(str(error)) from None
    whole("concurrency", settings.concurrency, least=1)
    for name in ("max_tasks", "process_pool_size", "max_tasks_per_child"):
        if getattr(settings, name) is not None:
            whole(name, getattr(settings, name), least=1)
    for name in ("lease", "poll_interval", "heartbeat_interval"):
        _seconds(name, getattr(settings, name), positive=True)
    _seconds("grace", settings.grace, positive=False)
    return settings


def whole(name: str, value: object, *, least: int) -> None:
    """`value` is a whole number from `least` on."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigurationError(f"the worker's {name} is {value!r}; wanted a whole number from {least}")


def _seconds(name: str, value: object, *, positive: bool) -> None:
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and (value > 0 if positive else value >= 0)
    ):
        return
    raise ConfigurationError(
        f"the worker's {name} is {value!r}; wanted a number of seconds{', more than 0' if positive else ', 0 or more'}"
    )
