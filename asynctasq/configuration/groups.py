"""The groups of the configuration. Every field is a setting, in code, as `ASYNCTASQ_<GROUP>_<FIELD>` or as
`--<group>-<field>`."""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from asynctasq.errors import ConfigurationError
from asynctasq.plugins.settings import Identifier, PluginSettings, Secret, Url

WeightedQueue = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9._-]{1,64}(:[1-9][0-9]{0,3})?\Z",
        description="the name of a queue (A-Z a-z 0-9 . _ -), or with its weight, such as critical:6",
    ),
]
Seconds = Annotated[float, Meta(ge=0)]
PositiveSeconds = Annotated[float, Meta(gt=0)]


class ConfigGroup(PluginSettings, frozen=True, kw_only=True):
    """The base of the groups."""

    def check(self) -> None:
        """Check what the fields mean together. Called once every field is known to be of its type.

        Raises:
            ConfigurationError: they contradict each other.
        """


class TaskDefaultsConfig(ConfigGroup, frozen=True, kw_only=True):
    """What holds for a task that says nothing else. Durations are seconds."""

    queue: Identifier = "default"
    """The queue of a task."""
    max_attempts: Annotated[int, Meta(ge=1, le=1_000_000)] = 3
    """How often the body is started at most; 1 means no retry."""
    retry_strategy: Literal["fixed", "exponential"] = "exponential"
    """Whether every retry waits equally long, or each twice as long as the one before it."""
    retry_delay: Seconds = 60.0
    """Seconds before the first retry; 0 means at once."""
    retry_max_delay: Seconds = 3600.0
    """Seconds that no exponential delay exceeds."""
    timeout: PositiveSeconds | None = None
    """Seconds that one attempt may take; none means no limit below the visibility timeout."""
    visibility_timeout: PositiveSeconds = 3600.0
    """Seconds that one delivery may be held in all: the expected duration twice, plus a buffer."""

    def check(self) -> None:
        """A timeout that is not below the visibility timeout would never be reached."""
        if self.timeout is not None and self.timeout >= self.visibility_timeout:
            raise ConfigurationError(
                f"task_defaults.timeout is {self.timeout} and task_defaults.visibility_timeout is "
                f"{self.visibility_timeout}; wanted a timeout below the visibility timeout, or a task would be "
                "delivered again while it still may run"
            )


class EventsConfig(ConfigGroup, frozen=True, kw_only=True):
    """Where events go."""

    sinks: tuple[str, ...] = ()
    """Names of event sinks, such as `logging` and `jsonl`."""
    enable_event_emitter_redis: bool = False
    """The same as naming the sink `redis`."""
    enable_all: bool = False
    """The same as naming the sinks `logging` and `redis`."""
    redis_url: Url | None = None
    """The `url` of the sink `redis`."""
    channel: str = "asynctasq:events"
    """The channel of a sink that publishes."""
    sink_settings: dict[str, Any] = field(default_factory=dict[str, Any])
    """In code: sink name -> its settings, as an object or a mapping. Elsewhere: `ASYNCTASQ_EVENTS_<SINK>_<FIELD>`."""

    @property
    def enabled_sinks(self) -> tuple[str, ...]:
        """The names of all sinks that are switched on, in one way or another."""
        switched = ("logging", "redis") if self.enable_all else ("redis",) if self.enable_event_emitter_redis else ()
        return tuple(dict.fromkeys((*self.sinks, *switched)))


class ProcessPoolConfig(ConfigGroup, frozen=True, kw_only=True):
    """The child processes of a worker that run process tasks."""

    size: Annotated[int, Meta(ge=1, le=1024)] | None = None
    """Children; none means one for each processor."""
    max_tasks_per_child: Annotated[int, Meta(ge=1)] | None = None
    """Tasks after which a child is replaced; none means never."""


class RepositoryConfig(ConfigGroup, frozen=True, kw_only=True):
    """What is kept of finished tasks."""

    keep_completed_tasks: bool = False
    """Keep every completed task, with its result, until somebody deletes it."""


class WorkerConfig(ConfigGroup, frozen=True, kw_only=True):
    """A worker process. Durations are seconds."""

    queues: Annotated[tuple[WeightedQueue, ...], Meta(min_length=1)] = ("default",)
    """Queues in strict order (`critical,default`), or with weights (`critical:6,default:3`)."""
    concurrency: Annotated[int, Meta(ge=1, le=10_000)] = 10
    """Tasks that run at a time."""
    lease: Annotated[float, Meta(ge=0.1, le=3600)] = 30.0
    """Seconds after which a dead worker's tasks run elsewhere."""
    heartbeat_interval: PositiveSeconds = 60.0
    """Seconds between two worker_heartbeat events. Leases are extended every third of the lease, whatever this is."""
    grace: Seconds = 25.0
    """Seconds that running tasks have to end after the first SIGTERM or SIGINT."""
    poll_interval: Annotated[float, Meta(ge=0.01, le=300)] = 1.0
    """Seconds between two looks at an empty queue when no wake-up comes."""
    prefetch: bool = True
    """Reserve a little ahead while tasks are short."""
    max_tasks: Annotated[int, Meta(ge=1)] | None = None
    """Tasks after which the worker ends; none means never."""
    burst: bool = False
    """End as soon as nothing is ready any more. What is scheduled for later is not waited for."""
    connect_timeout: Seconds = 10.0
    """Seconds that the first connection to the backend is tried for."""
    worker_id: Identifier | None = None
    """The worker's name in reports and events; none means host, process and a random part."""
    health_host: str = "127.0.0.1"
    """The address that the health server binds. Any but a loopback address needs a health token."""
    health_token: Secret | None = None
    """What a client of the health server has to send: `Authorization: Bearer <token>`; none asks for nothing."""
    health_port: Annotated[int, Meta(ge=0, le=65535)] | None = None
    """The port of the health server; none means no server, 0 any free port."""
    log_format: Literal["text", "json"] = "text"
    """How log lines look."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    """The least severe log lines that show."""

    def check(self) -> None:
        """No queue is listed twice."""
        names = [queue.partition(":")[0] for queue in self.queues]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigurationError(f"worker.queues lists {', '.join(repeated)} twice; wanted each queue once")


class GeneralConfig(ConfigGroup, frozen=True, kw_only=True):
    """The settings that belong to no group: `ASYNCTASQ_<FIELD>`, `--<field>`."""

    driver: str | None = None
    """The name of the driver; none means the one that is configured, or else `sqlite`."""
    url: Url | None = None
    """One URL for all: the scheme picks the driver. `env:NAME` reads another variable."""
    serializer: str = "msgpack"
    """What arguments and results are written with; workers read all that are installed."""
    apps: tuple[str, ...] = ()
    """The modules that a worker imports for their tasks: `package.module` or `package.module:object`."""
    max_payload_bytes: Annotated[int, Meta(ge=1024, le=1024 * 1024)] = 256 * 1024
    """The largest payload that is enqueued."""


GROUPS: dict[str, type[ConfigGroup]] = {
    "task_defaults": TaskDefaultsConfig,
    "events": EventsConfig,
    "process_pool": ProcessPoolConfig,
    "repository": RepositoryConfig,
    "worker": WorkerConfig,
}
"""The groups of the core, by name."""
