"""The Redis and Valkey driver of asynctasq. Names are imported when they are used."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asynctasq_redis.driver import RedisDriver as RedisDriver
    from asynctasq_redis.event_sink import RedisEventEmitter as RedisEventEmitter
    from asynctasq_redis.event_sink import RedisEventSink as RedisEventSink
    from asynctasq_redis.event_subscriber import RedisEventSubscriber as RedisEventSubscriber
    from asynctasq_redis.settings import RedisConfig as RedisConfig
    from asynctasq_redis.settings import RedisSinkConfig as RedisSinkConfig

__all__ = [
    "RedisConfig",
    "RedisDriver",
    "RedisEventEmitter",
    "RedisEventSink",
    "RedisEventSubscriber",
    "RedisSinkConfig",
]

_MODULES = {
    "RedisConfig": "settings",
    "RedisDriver": "driver",
    "RedisEventEmitter": "event_sink",
    "RedisEventSink": "event_sink",
    "RedisEventSubscriber": "event_subscriber",
    "RedisSinkConfig": "settings",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
