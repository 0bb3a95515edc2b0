"""The other end of the event sink."""

from types import TracebackType
from typing import Any, Self

import msgspec
import redis.exceptions as native

from asynctasq.driver_api import DriverUnavailable, Event, TaskEvent, WorkerEvent
from asynctasq_redis.addresses import address_of
from asynctasq_redis.connection_pool import ConnectionPool
from asynctasq_redis.error_mapping import mapped
from asynctasq_redis.native_connection import QUIET_TIME, NativeConnection, next_push
from asynctasq_redis.settings import DEFAULT_CHANNEL, DEFAULT_URL, settings_from_url


class RedisEventSubscriber:
    """Hears the events of a channel, as msgpack or as JSON, from the moment it is entered.

    ```python
    async with RedisEventSubscriber() as events:
        async for event in events:
            print(event.event_type)
    ```
    """

    def __init__(
        self, redis_url: str | None = None, channel: str | None = None, *, quiet_time: float = QUIET_TIME
    ) -> None:
        """Not open, and without I/O. After `quiet_time` seconds of silence the server is asked whether it is there.

        Raises:
            ConfigurationError: the URL can't be read.
        """
        self._channel = channel or DEFAULT_CHANNEL
        self._settings = settings_from_url(redis_url or DEFAULT_URL)
        self._quiet_time = quiet_time
        self._address = address_of(self._settings, self._channel)
        self._connection: NativeConnection | None = None

    async def __aenter__(self) -> Self:
        pool = ConnectionPool(self._address, max_connections=1, command_timeout=self._settings.command_timeout)
        connection = await pool.own_connection()
        try:
            await connection.send_command("SUBSCRIBE", self._channel)
            await next_push(connection, self._settings.command_timeout)
        except BaseException as error:
            await connection.disconnect(nowait=True)
            if isinstance(error, native.RedisError | OSError):
                raise mapped(error) from error
            raise
        self._connection = connection
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """The next event. Messages that are no events are left out.

        Raises:
            DriverUnavailable: the connection broke, or the subscriber is not entered.
        """
        while True:
            if self._connection is None:
                raise DriverUnavailable("the subscriber is not open: `async with RedisEventSubscriber(...) as events:`")
            try:
                message = await next_push(self._connection, self._quiet_time)
            except (native.RedisError, OSError) as error:
                raise mapped(error) from error
            if message[0] == b"message" and (event := decode_event(message[2])) is not None:
                return event


def decode_event(message: bytes) -> Event | None:
    """An event as the sink sends it, or None for anything else. Fields that are not known are ignored."""
    try:
        fields: Any = msgspec.json.decode(message) if message[:1] == b"{" else msgspec.msgpack.decode(message)
        kind = TaskEvent if "task_id" in fields else WorkerEvent
        return msgspec.convert(fields, kind)
    except (msgspec.MsgspecError, TypeError):
        return None
