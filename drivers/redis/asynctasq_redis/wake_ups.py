"""Hints by Pub/Sub, on a connection of their own: one channel per queue."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import anyio.lowlevel
import redis.exceptions as native

from asynctasq.driver_api import Driver, DriverError, DriverUnavailable, WakeUpStream, check_identifiers
from asynctasq_redis.error_mapping import mapped
from asynctasq_redis.native_connection import QUIET_TIME, NativeConnection, next_push
from asynctasq_redis.script_runner import ScriptRunner


class RedisWakeUps:
    """The feature `wake_ups`."""

    def __init__(self, driver: Driver, scripts: ScriptRunner, *, quiet_time: float = QUIET_TIME) -> None:
        self._driver = driver
        self._scripts = scripts
        self._quiet_time = quiet_time

    def listen(self, queues: Sequence[str]) -> AbstractAsyncContextManager[WakeUpStream]:
        """Open a stream of hints for these queues."""
        self._driver.check_open()
        check_identifiers("queue", queues)
        return self._listen(tuple(queues))

    @asynccontextmanager
    async def _listen(self, queues: tuple[str, ...]) -> AsyncGenerator["_HintStream"]:
        self._driver.check_open()
        connection = await self._scripts.pool.own_connection()
        try:
            stream = _HintStream(connection, self._quiet_time)
            await stream.subscribe([f"{self._scripts.prefix}ready:{queue}" for queue in queues])
            failure: Exception | None = None
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stream.read_hints)
                try:
                    yield stream
                except Exception as error:  # raised below as it is, instead of in a group
                    failure = error
                tasks.cancel_scope.cancel()
            if failure is not None:
                raise failure
        finally:
            await connection.disconnect(nowait=True)


class _HintStream:
    """One connection that hears hints. Hints that nobody has asked for yet are one hint."""

    def __init__(self, connection: NativeConnection, quiet_time: float) -> None:
        self._connection = connection
        self._quiet_time = quiet_time
        self._hint = asyncio.Event()
        self._failure: DriverError | None = None

    async def wait(self, timeout: float) -> bool:
        """True if a hint came within `timeout` seconds.

        Raises:
            DriverUnavailable: the connection broke.
        """
        await anyio.lowlevel.checkpoint()
        with anyio.move_on_after(timeout):
            await self._hint.wait()
        if self._failure is not None:
            raise DriverUnavailable(f"wake-ups ended: {self._failure}") from self._failure
        is_hint = self._hint.is_set()
        self._hint.clear()
        return is_hint

    async def subscribe(self, channels: Sequence[str]) -> None:
        """Returns when the server has confirmed every channel."""
        if not channels:
            return
        try:
            await self._connection.send_command("SUBSCRIBE", *channels)
            for _ in channels:
                await next_push(self._connection, self._quiet_time)
        except (native.RedisError, OSError) as error:
            raise DriverUnavailable(str(mapped(error))) from error

    async def read_hints(self) -> None:
        """Read until the connection breaks; runs beside whoever waits."""
        try:
            while True:
                message = await next_push(self._connection, self._quiet_time)
                if message[0] == b"message":
                    self._hint.set()
        except (native.RedisError, OSError) as error:
            self._failure = DriverUnavailable(str(mapped(error)))
            self._failure.__cause__ = error
            self._hint.set()
