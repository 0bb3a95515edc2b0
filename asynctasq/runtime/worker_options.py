"""What a worker may be given by keyword, and what becomes of it: settings, and surroundings."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

from msgspec import Struct

from asynctasq.contract.driver import Driver
from asynctasq.contract.serializer import Serializer
from asynctasq.errors import ConfigurationError
from asynctasq.plugins.closest_name import closest_name
from asynctasq.runtime.attempt import CheckFrame
from asynctasq.runtime.emitter_sink import as_event_sink
from asynctasq.runtime.event_dispatcher import EventDispatcher
from asynctasq.runtime.failure_text import Redact
from asynctasq.runtime.process_pool_manager import default_manager
from asynctasq.runtime.process_protocol import ChildSetup
from asynctasq.runtime.serializer_lookup import installed_serializers
from asynctasq.runtime.worker_settings import WorkerSettings, checked, new_worker_id, read_queues
from asynctasq.tasks.task_registry import TaskRegistry, default_registry


class WorkerOptions(TypedDict, total=False):
    """The keyword-only arguments of `Worker`. Durations are seconds."""

    registry: TaskRegistry
    """The tasks that may run here; default: all that were defined in this process."""
    serializers: Mapping[str, Serializer]
    """Content type -> serializer; default: all that are installed."""
    lease: float
    """How soon it is noticed that a worker died (30)."""
    grace: float
    """How long tasks may go on after the first request to stop (25)."""
    poll_interval: float
    """How long a lost wake-up can delay a task (1)."""
    burst: bool
    """End once the queues are empty."""
    prefetch: bool
    """Take a little ahead while tasks are short. On by default."""
    queue_weights: Mapping[str, int]
    """Shares of the queues; with any given, order is by weights and no longer strict."""
    open_heartbeat_driver: Callable[[], Driver] | None
    """Makes a second, unconnected driver, for the heartbeats' own thread. None: they are sent from the event loop."""
    events: EventDispatcher
    """Where events go. The worker runs and closes this dispatcher."""
    apps: Sequence[str]
    """What the children of the process pool import; default: the modules that define process tasks here."""
    child_setup: ChildSetup | None
    """Called in each child after that, for its serializers; default: all that are installed."""
    keep_completed_tasks: bool
    """Store every result, also of tasks that are annotated to return None."""
    check_frame: CheckFrame | None
    """Refuses payloads that are not to be trusted."""
    redact: Redact | None
    """Cleans the texts of errors before they are stored."""
    handle_signals: bool
    """In the main thread: SIGTERM and SIGINT stop (twice: cancel, three times: exit now). On by default."""
    exit_when_stuck: bool
    """End the process rather than wait for a task that refuses to be cancelled."""
    blocked_loop_after: float | None
    """How long the event loop may be blocked before its stack is logged (2); None: never."""
    connect_patience: float
    """How long to try to reach the store at the start (10)."""


_SURROUNDINGS = frozenset(
    {
        "registry",
        "serializers",
        "open_heartbeat_driver",
        "events",
        "apps",
        "child_setup",
        "check_frame",
        "redact",
    }
)


class Surroundings(Struct, frozen=True, kw_only=True):
    """What a worker works with."""

    driver: Driver
    open_heartbeat_driver: Callable[[], Driver] | None
    registry: TaskRegistry
    serializers: Mapping[str, Serializer]
    events: EventDispatcher
    apps: tuple[str, ...]
    child_setup: ChildSetup | None
    check_frame: CheckFrame | None
    redact: Redact | None


def settings_of(options: WorkerOptions, **positional: Any) -> WorkerSettings:
    """The settings among the options, and those that have a position.

    Raises:
        ConfigurationError: one can't work.
        TypeError: an option does not exist.
    """
    known = WorkerOptions.__annotations__
    fields: dict[str, Any] = {}
    for name, value in options.items():
        if name not in known:
            closest = closest_name(name, known)
            raise TypeError(f"Worker() has no option {name!r}" + (f"; did you mean {closest!r}?" if closest else ""))
        if name not in _SURROUNDINGS:
            fields[name] = value
    positional["worker_id"] = positional["worker_id"] or new_worker_id()
    manager = default_manager()
    if manager is not None and positional["process_pool_size"] is None:
        positional["process_pool_size"] = manager.size
    if manager is not None and positional["max_tasks_per_child"] is None:
        positional["max_tasks_per_child"] = manager.max_tasks_per_child
    positional["queues"], weights = read_queues(positional["queues"], fields.pop("queue_weights", None))
    return checked(WorkerSettings(weights=weights, **positional, **fields))


def surroundings_of(
    options: WorkerOptions, driver: Driver, serializer: Serializer | None, emitter: object
) -> Surroundings:
    """The surroundings among the options."""
    return Surroundings(
        driver=driver,
        open_heartbeat_driver=options.get("open_heartbeat_driver"),
        registry=options.get("registry", default_registry),
        serializers=_serializers(serializer, options.get("serializers")),
        events=_events(options.get("events"), emitter),
        apps=tuple(options.get("apps", ())),
        child_setup=options.get("child_setup"),
        check_frame=options.get("check_frame"),
        redact=options.get("redact"),
    )


def _serializers(one: Serializer | None, several: Mapping[str, Serializer] | None) -> dict[str, Serializer]:
    if one is None and several is None:
        return installed_serializers()
    serializers = dict(several or {})
    if one is not None:
        serializers[one.content_type] = one
    if not serializers:
        raise ConfigurationError("the worker was given no serializer at all, so that it could decode nothing")
    return serializers


def _events(events: EventDispatcher | None, emitter: object) -> EventDispatcher:
    dispatcher = EventDispatcher() if events is None else events
    if emitter is not None:
        dispatcher.add(as_event_sink(emitter))
    return dispatcher
