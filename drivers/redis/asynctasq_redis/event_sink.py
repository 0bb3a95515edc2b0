"""Events by Pub/Sub: one message per event, a whole batch in one round trip."""

from collections.abc import Sequence

import msgspec

from asynctasq.driver_api import Event, EventSink
from asynctasq_redis.addresses import address_of
from asynctasq_redis.connection_pool import ConnectionPool
from asynctasq_redis.settings import DEFAULT_CHANNEL, DEFAULT_URL, RedisSinkConfig, settings_from_url

_encode_json = msgspec.json.Encoder().encode
_encode_msgpack = msgspec.msgpack.Encoder().encode


class RedisEventSink(EventSink):
    """The event sink `redis`. What nobody listens to is gone: Pub/Sub keeps nothing."""

    def __init__(self, settings: RedisSinkConfig) -> None:
        """Not open, and without I/O.

        Raises:
            ConfigurationError: the URL can't be read.
        """
        self._settings = settings
        self._connection = settings_from_url(settings.url)
        address_of(self._connection, settings.channel)
        self._encode = _encode_json if settings.encoding == "json" else _encode_msgpack
        self._pool: ConnectionPool | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._settings!r})"

    async def open(self) -> None:
        """Make ready; the connection is opened by the first event, so that a missing server delays nobody."""
        self._opened()

    async def emit_many(self, events: Sequence[Event]) -> None:
        """Publish the events, oldest first.

        Raises:
            DriverUnavailable: the server does not answer; the batch may have been published in part.
        """
        if events:
            channel = self._settings.channel
            await self._opened().call_all([("PUBLISH", channel, self._encode(event)) for event in events])

    async def close(self) -> None:
        """Close the connection. Idempotent."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    def _opened(self) -> ConnectionPool:
        if self._pool is None:
            self._pool = ConnectionPool(
                address_of(self._connection, self._settings.channel),
                max_connections=self._connection.max_connections,
                command_timeout=self._connection.command_timeout,
            )
        return self._pool


class RedisEventEmitter(RedisEventSink):
    """The event sink, made and used by hand: `await emitter.emit(event)`."""

    def __init__(self, redis_url: str | None = None, channel: str | None = None) -> None:
        """Not open, and without I/O.

        Raises:
            ConfigurationError: the URL can't be read.
        """
        super().__init__(RedisSinkConfig(url=redis_url or DEFAULT_URL, channel=channel or DEFAULT_CHANNEL))

    async def emit(self, event: Event) -> None:
        """Publish one event.

        Raises:
            DriverUnavailable: the server does not answer.
        """
        await self.emit_many((event,))
