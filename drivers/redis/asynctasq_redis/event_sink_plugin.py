"""What the core reads to learn of the event sink. Importing it imports no client library."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from asynctasq.driver_api import EventSinkSpec, hookimpl
from asynctasq_redis.settings import RedisSinkConfig

if TYPE_CHECKING:
    from asynctasq_redis.event_sink import RedisEventSink
    from asynctasq_redis.event_subscriber import RedisEventSubscriber


def _open(settings: RedisSinkConfig) -> "RedisEventSink":
    from asynctasq_redis.event_sink import RedisEventSink

    return RedisEventSink(settings)


def _subscribe(settings: RedisSinkConfig) -> "RedisEventSubscriber":
    from asynctasq_redis.event_subscriber import RedisEventSubscriber

    return RedisEventSubscriber(settings.url, settings.channel)


@hookimpl
def asynctasq_event_sink_specs() -> Sequence[EventSinkSpec]:
    """Events by Redis Pub/Sub."""
    return [
        EventSinkSpec(name="redis", api_version="1.0", settings_type=RedisSinkConfig, open=_open, subscribe=_subscribe)
    ]
