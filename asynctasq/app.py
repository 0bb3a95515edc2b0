"""Wires driver, serializer and sinks together. Everything below is handed what it needs."""

import inspect
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, TypeVar, cast

import anyio
import anyio.to_thread

from asynctasq.config import Config, set_current
from asynctasq.contract.event_sink import EventSink
from asynctasq.contract.serializer import Serializer
from asynctasq.errors import ConfigurationError, RunningEventLoop
from asynctasq.event_loop import run_event_loop
from asynctasq.plugins.plugin_registry import PluginRegistry
from asynctasq.plugins.serializer_factory import SerializerFactory
from asynctasq.runtime.background_loop import BackgroundLoop
from asynctasq.runtime.client_events import ClientEvents
from asynctasq.runtime.connections import Connections
from asynctasq.runtime.emitter_sink import as_event_sink
from asynctasq.runtime.failure_text import Redact
from asynctasq.runtime.routing_dispatcher import RoutingDispatcher, is_event_loop_running, transaction
from asynctasq.serializers.type_hooks import HookRegistry
from asynctasq.serializers.value_serializer import ValueSerializer
from asynctasq.tasks.dispatcher_slot import fill_dispatcher_slot

__all__ = ["Application", "application", "cleanup", "get_dispatcher", "init", "run", "transaction"]

T = TypeVar("T")

_CLEANUP_WITHIN = 10.0
_OBJECTS = ("sqlalchemy_engine", "tortoise_orm", "type_hooks", "redact")
"""Overrides that are objects rather than settings."""


class Application:
    """One configuration, and what was made for it. Nothing is connected before the first dispatch."""

    dispatcher_type: type[RoutingDispatcher] = RoutingDispatcher

    def __init__(
        self,
        config: Config,
        *,
        event_sinks: Iterable[object] = (),
        sqlalchemy_engine: Any = None,
        tortoise_config: Any = None,
        type_hooks: HookRegistry | None = None,
        redact: Redact | None = None,
    ) -> None:
        """`event_sinks` come in addition to those that the configuration switches on; `type_hooks` are how the
        application's own types travel; `redact` cleans the texts of errors before they are stored."""
        self.config = config
        self.registry = PluginRegistry()
        self.sqlalchemy_engine = sqlalchemy_engine
        self.tortoise_config = tortoise_config
        self.redact = redact
        self.type_hooks = HookRegistry() if type_hooks is None else type_hooks
        self._own_sinks = [as_event_sink(sink) for sink in event_sinks]
        self._background = BackgroundLoop(on_stop=self._stop_background)
        self._events: ClientEvents | None = None
        self._connections: Connections | None = None
        self._dispatcher: RoutingDispatcher | None = None

    @property
    def dispatcher(self) -> RoutingDispatcher:
        """What `dispatch()` goes to.

        Raises:
            ConfigurationError: the serializer or an event sink is not installed, unusable or wrongly set.
        """
        if self._dispatcher is None:
            self._events = ClientEvents(self.open_event_sinks, self._background)
            self._connections = Connections(
                self.config,
                self.open_serializer(),
                registry=self.registry,
                event_emitter=self._events,
                open_serializer=self.open_other_serializer,
            )
            self._dispatcher = self.dispatcher_type(self._connections, self._background)
        return self._dispatcher

    def open_serializer(self) -> Serializer:
        """The configured serializer, with the extensions of the plugins in use.

        Raises:
            ConfigurationError: it is not installed, or unusable.
        """
        return self.equipped(self.config.open_serializer(registry=self.registry))

    def open_other_serializer(self, name_or_content_type: str) -> Serializer:
        """A serializer that is not the configured one, for what was written with it.

        Raises:
            ConfigurationError: it is not installed, or unusable.
        """
        return self.equipped(SerializerFactory.create(name_or_content_type, registry=self.registry))

    def equipped(self, serializer: Serializer) -> Serializer:
        """The serializer, with the application's type hooks and the extensions of the plugins in use."""
        if isinstance(serializer, ValueSerializer):
            serializer.registry = self.type_hooks
            serializer.use_extensions(self.registry.encode_extension, self.registry.decode_extension)
        return serializer

    def open_event_sinks(self) -> list[EventSink]:
        """Every sink of this application, not open yet: those of the configuration, and those given in code.

        Raises:
            ConfigurationError: one is not installed, unusable or wrongly set.
        """
        return [*self.config.open_event_sinks(registry=self.registry), *self._own_sinks]

    async def close(self) -> None:
        """Disconnect what is connected on this event loop, and end the background loop."""
        if self._connections is not None:
            await self._connections.close()
        await anyio.to_thread.run_sync(self._background.stop)
        await _dispose(self.sqlalchemy_engine)

    def stop_background(self) -> None:
        """End the background loop. It starts again when it is needed."""
        self._background.stop()

    async def _stop_background(self) -> None:
        if self._events is not None:
            await self._events.close()
        if self._connections is not None:
            await self._connections.close()


_application: Application | None = None


def init(
    config_overrides: Mapping[str, Any] | None = None,
    event_emitters: Iterable[object] | None = None,
    tortoise_config: Any = None,
    *,
    url: str | None = None,
    event_sinks: Iterable[object] | None = None,
    **groups: Any,
) -> Config:
    """Configure asynctasq in this process: code > `ASYNCTASQ_*` environment > `.env` > default.

    Nothing is connected and no I/O is done but reading `.env`. Calling it again starts anew. A program that never calls
    it is configured from environment and `.env` at its first dispatch.

    Args:
        config_overrides: Settings and groups by name, such as `{"driver": "redis", "redis": RedisConfig(...)}`.
        event_emitters: Event sinks, or objects with `async def emit(event)`.
        tortoise_config: What the Tortoise integration initializes with.
        url: One URL for all: its scheme picks the driver.
        event_sinks: As `event_emitters`.
        groups: More settings and groups by name; they win over `config_overrides`. `type_hooks=[...]` are how the
            application's own types travel, `sqlalchemy_engine=` is disposed by `cleanup()`, `redact=` is a function
            that takes the text of an error before it is stored, and gives it back without what must not be in it.

    Raises:
        ConfigurationError: an unknown or wrong setting; the message says where it was found and what is allowed.
    """
    code = {**(config_overrides or {}), **groups}
    if url is not None:
        code["url"] = url
    objects = {name: code.pop(name, None) for name in _OBJECTS}
    config = Config.set(**code)
    install_application(
        Application(
            config,
            event_sinks=[*(event_emitters or ()), *(event_sinks or ())],
            sqlalchemy_engine=objects["sqlalchemy_engine"],
            tortoise_config=objects["tortoise_orm"] if tortoise_config is None else tortoise_config,
            type_hooks=_hook_registry(objects["type_hooks"]),
            redact=_redaction(objects["redact"]),
        )
    )
    return config


def install_application(application: Application) -> None:
    """Make this the application of the process, and its configuration the one that holds."""
    global _application
    before, _application = _application, application
    set_current(application.config)
    if before is not None:
        before.stop_background()


def application() -> Application:
    """The application of this process, of the configuration that holds now.

    Raises:
        ConfigurationError: nothing was configured in code, and environment or `.env` hold a wrong setting.
    """
    global _application
    config = Config.get()
    if _application is None or _application.config is not config:
        _application = Application(config)
    return _application


def get_dispatcher() -> RoutingDispatcher:
    """What `dispatch()` goes to in this process: `await get_dispatcher().dispatch(task)`."""
    return application().dispatcher


async def cleanup() -> None:
    """Disconnect what is connected on this event loop and from synchronous code, and dispose the `sqlalchemy_engine`
    that was given to `init`. A later dispatch connects again."""
    if _application is not None:
        with anyio.move_on_after(_CLEANUP_WITHIN, shield=True):
            await _application.close()


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a program on a fresh event loop (uvloop's, if it is installed), and clean up after it.

    Raises:
        RunningEventLoop: an event loop runs in this thread already.
    """
    if not inspect.iscoroutine(main):
        raise ConfigurationError(f"run() got {main!r}; wanted a coroutine, such as `run(main())`")
    if is_event_loop_running():
        main.close()
        raise RunningEventLoop("run() was called inside a running event loop; use `await` there")

    async def run_and_clean_up() -> T:
        try:
            return await main
        finally:
            await cleanup()

    return run_event_loop(run_and_clean_up)


def _hook_registry(hooks: Any) -> HookRegistry | None:
    """A registry as it is; of single hooks one is made."""
    if hooks is None or isinstance(hooks, HookRegistry):
        return hooks
    registry = HookRegistry()
    for hook in hooks:
        registry.register(hook)
    return registry


def _redaction(redact: Any) -> Redact | None:
    if redact is None or callable(redact):
        return cast("Redact | None", redact)
    raise ConfigurationError(f"redact is {redact!r}; wanted a function that takes a text and gives it back clean")


async def _dispose(engine: Any) -> None:
    """An engine of SQLAlchemy's, synchronous or not."""
    if engine is not None:
        disposed = engine.dispose()
        if inspect.isawaitable(disposed):
            await disposed


fill_dispatcher_slot(get_dispatcher)
