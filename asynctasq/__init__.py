"""asynctasq: a task queue for async Python whose backends are plugins.

Public names load on first use, so that defining tasks stays cheap. `RedisConfig` and every other `<Driver>Config` come
from the installed driver of that name.
"""

from collections.abc import Coroutine, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from asynctasq.public_names import HOMES, NEEDS_EVENT_SINK, REFUSED
from asynctasq.tasks.dispatcher_slot import fill_dispatcher_slot

if TYPE_CHECKING:
    from asynctasq.app import get_dispatcher as get_dispatcher
    from asynctasq.app import transaction as transaction
    from asynctasq.config import Config as Config
    from asynctasq.configuration.groups import EventsConfig as EventsConfig
    from asynctasq.configuration.groups import ProcessPoolConfig as ProcessPoolConfig
    from asynctasq.configuration.groups import RepositoryConfig as RepositoryConfig
    from asynctasq.configuration.groups import TaskDefaultsConfig as TaskDefaultsConfig
    from asynctasq.configuration.groups import WorkerConfig as WorkerConfig
    from asynctasq.contract.envelopes import TaskState as TaskState
    from asynctasq.contract.event_sink import EventSink as EventSink
    from asynctasq.contract.events import EventType as EventType
    from asynctasq.contract.events import TaskEvent as TaskEvent
    from asynctasq.contract.events import WorkerEvent as WorkerEvent
    from asynctasq.contract.serializer import Serializer
    from asynctasq.errors import AsyncTasqError as AsyncTasqError
    from asynctasq.errors import AttemptsExhausted as AttemptsExhausted
    from asynctasq.errors import ConfigurationError as ConfigurationError
    from asynctasq.errors import DefinitionError as DefinitionError
    from asynctasq.errors import DeserializationError as DeserializationError
    from asynctasq.errors import Discard as Discard
    from asynctasq.errors import DriverClosed as DriverClosed
    from asynctasq.errors import DriverError as DriverError
    from asynctasq.errors import DriverNotFound as DriverNotFound
    from asynctasq.errors import DriverUnavailable as DriverUnavailable
    from asynctasq.errors import IncompatiblePlugin as IncompatiblePlugin
    from asynctasq.errors import InvalidArgument as InvalidArgument
    from asynctasq.errors import LeaseLost as LeaseLost
    from asynctasq.errors import PayloadTooLarge as PayloadTooLarge
    from asynctasq.errors import PluginConflict as PluginConflict
    from asynctasq.errors import PluginInvalid as PluginInvalid
    from asynctasq.errors import PluginLoadFailed as PluginLoadFailed
    from asynctasq.errors import QueueFull as QueueFull
    from asynctasq.errors import ReservedParameterName as ReservedParameterName
    from asynctasq.errors import ResultNotKept as ResultNotKept
    from asynctasq.errors import ResultNotReady as ResultNotReady
    from asynctasq.errors import ResultTooLarge as ResultTooLarge
    from asynctasq.errors import RetryLater as RetryLater
    from asynctasq.errors import RunningEventLoop as RunningEventLoop
    from asynctasq.errors import SerializationError as SerializationError
    from asynctasq.errors import StorageMissing as StorageMissing
    from asynctasq.errors import StorageTooNew as StorageTooNew
    from asynctasq.errors import TaskCancelled as TaskCancelled
    from asynctasq.errors import TaskError as TaskError
    from asynctasq.errors import TaskFailed as TaskFailed
    from asynctasq.errors import TaskTimedOut as TaskTimedOut
    from asynctasq.errors import TransactionAborted as TransactionAborted
    from asynctasq.errors import UnknownOption as UnknownOption
    from asynctasq.errors import UnknownTask as UnknownTask
    from asynctasq.memory.settings import MemoryConfig as MemoryConfig
    from asynctasq.monitoring.emitters import EventEmitter as EventEmitter
    from asynctasq.monitoring.emitters import EventRegistry as EventRegistry
    from asynctasq.monitoring.emitters import LoggingEventEmitter as LoggingEventEmitter
    from asynctasq.monitoring.emitters import RedisEventEmitter as RedisEventEmitter
    from asynctasq.monitoring.models import QueueStats as QueueStats
    from asynctasq.monitoring.models import TaskInfo as TaskInfo
    from asynctasq.monitoring.models import TaskStatus as TaskStatus
    from asynctasq.monitoring.models import WorkerInfo as WorkerInfo
    from asynctasq.monitoring.service import MonitoringService as MonitoringService
    from asynctasq.plugins.driver_factory import DriverFactory as DriverFactory
    from asynctasq.runtime.dispatcher import Dispatcher as Dispatcher
    from asynctasq.runtime.process_pool_manager import ProcessPoolManager as ProcessPoolManager
    from asynctasq.runtime.process_pool_manager import set_default_manager as set_default_manager
    from asynctasq.runtime.worker import Worker as Worker
    from asynctasq.serializers.msgpack_serializer import MsgpackSerializer
    from asynctasq.serializers.type_hooks import AsyncTypeHook as AsyncTypeHook
    from asynctasq.serializers.type_hooks import HookRegistry as HookRegistry
    from asynctasq.serializers.type_hooks import TypeHook as TypeHook
    from asynctasq.tasks.base_task import BaseTask as BaseTask
    from asynctasq.tasks.bulk_dispatch import dispatch_many as dispatch_many
    from asynctasq.tasks.current_task import CurrentTask as CurrentTask
    from asynctasq.tasks.current_task import current_task as current_task
    from asynctasq.tasks.current_task import current_task_or_none as current_task_or_none
    from asynctasq.tasks.function_task import FunctionTask as FunctionTask
    from asynctasq.tasks.function_task import TaskFunction as TaskFunction
    from asynctasq.tasks.function_task import task as task
    from asynctasq.tasks.task_handle import TaskHandle as TaskHandle
    from asynctasq.tasks.task_kinds import AsyncProcessTask as AsyncProcessTask
    from asynctasq.tasks.task_kinds import AsyncTask as AsyncTask
    from asynctasq.tasks.task_kinds import SyncProcessTask as SyncProcessTask
    from asynctasq.tasks.task_kinds import SyncTask as SyncTask
    from asynctasq.tasks.task_options import TaskConfig as TaskConfig

    MsgspecSerializer = MsgpackSerializer
    BaseSerializer = Serializer

__version__ = "2.0.0"

_ResultT = TypeVar("_ResultT")


def init(
    config_overrides: Mapping[str, Any] | None = None,
    event_emitters: Iterable[object] | None = None,
    tortoise_config: Any = None,
    *,
    url: str | None = None,
    event_sinks: Iterable[object] | None = None,
    **groups: Any,
) -> "Config":
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
    from asynctasq import app

    return app.init(config_overrides, event_emitters, tortoise_config, url=url, event_sinks=event_sinks, **groups)


def run(main: Coroutine[Any, Any, _ResultT]) -> _ResultT:
    """Run a program on a fresh event loop (uvloop's, if it is installed), and clean up after it.

    Raises:
        RunningEventLoop: an event loop runs in this thread already.
    """
    from asynctasq import app

    return app.run(main)


async def cleanup() -> None:
    """Disconnect what is connected on this event loop and from synchronous code, and dispose the `sqlalchemy_engine`
    that was given to `init`. A later dispatch connects again."""
    from asynctasq import app

    await app.cleanup()


def __getattr__(name: str) -> Any:
    home = HOMES.get(name)
    if home is not None:
        if name in NEEDS_EVENT_SINK:
            _require_event_sink(name, NEEDS_EVENT_SINK[name])
        module, _, attribute = home.partition(":")
        value = getattr(import_module(module), attribute)
        globals()[name] = value
        return value
    if name in REFUSED:
        raise ImportError(f"asynctasq has no {name}: {REFUSED[name]}")
    if name.endswith("Config") and name != "Config":
        return _driver_config(name)
    raise AttributeError(f"module 'asynctasq' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *HOMES})


def _driver_config(name: str) -> Any:
    """The settings class of the driver whose name it begins with; only that driver's plugin is imported."""
    from asynctasq.plugins.driver_factory import driver_config_class

    return driver_config_class(name)


def _require_event_sink(name: str, sink: str) -> None:
    """Say at the import, rather than at the first event, what has to be installed."""
    from asynctasq.errors import ConfigurationError
    from asynctasq.plugins.event_sink_factory import EventSinkFactory

    try:
        EventSinkFactory.load(sink)
    except ConfigurationError as error:
        raise ImportError(f"{name} is not available: {error}") from error


def _dispatcher() -> Any:
    """The application floor is imported with the first dispatch, not with the first task."""
    from asynctasq.app import get_dispatcher

    return get_dispatcher()


fill_dispatcher_slot(_dispatcher)
