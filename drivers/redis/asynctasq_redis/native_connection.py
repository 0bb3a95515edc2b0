"""What the driver uses of a connection of redis-py, with types."""

from typing import Any, Protocol, cast

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import MovedError, RedisError
from redis.exceptions import TimeoutError as NoAnswerError

QUIET_TIME = 10.0
"""Seconds of silence after which a server is asked whether it is still there."""


class NativeConnection(Protocol):
    """One connection to one server."""

    @property
    def is_connected(self) -> bool:
        """Whether it is open on this side."""
        ...

    async def connect(self) -> None:
        """Open it: connect, authenticate, select the database."""
        ...

    async def disconnect(self, nowait: bool = False) -> None:
        """Close it; with `nowait`, without waiting until it is closed."""
        ...

    async def send_packed_command(self, command: list[bytes], check_health: bool = True) -> None:
        """Send what is packed already."""
        ...

    async def send_command(self, *args: Any, **kwargs: Any) -> None:
        """Pack and send one command, opening the connection first if it is not open."""
        ...

    async def read_response(
        self, disable_decoding: bool = False, timeout: float | None = None, *, disconnect_on_error: bool = True
    ) -> Any:
        """The next reply; None if it does not come within `timeout` seconds. `inf` is for ever."""
        ...


async def next_push(connection: NativeConnection, quiet_time: float) -> Any:
    """The next thing that a connection says which is subscribed to something.

    After `quiet_time` seconds of silence the server is asked whether it is still there, and has as long to answer.

    Raises:
        TimeoutError: redis-py's: no answer.
    """
    message = await connection.read_response(timeout=quiet_time, disconnect_on_error=False)
    if message is not None:
        return message
    await connection.send_command("PING", check_health=False)
    message = await connection.read_response(timeout=quiet_time, disconnect_on_error=False)
    if message is None:
        raise NoAnswerError(f"no answer in {quiet_time:g} seconds")
    return message


def packed_command(command: tuple[Any, ...]) -> bytes:
    """A command as it is sent."""
    return cast(bytes, hiredis.pack_command(command))  # pyright: ignore[reportUnknownMemberType]


def moved_address(error: MovedError) -> tuple[str, int]:
    """Host and port of the node that has the slot now; the host may be empty."""
    host: Any = vars(error)["host"]  # the attribute has no type
    return str(host), error.port


_look = getattr(AbstractConnection, "can_read", None) or AbstractConnection.can_read_destructive
"""The name since redis-py 8, or the one before."""


async def is_stale(connection: NativeConnection) -> bool:
    """Whether nobody may use an idle connection again: it was closed, or something can be read where nothing should."""
    try:
        return bool(await _look(cast(AbstractConnection, connection)))
    except (RedisError, OSError):
        return True
