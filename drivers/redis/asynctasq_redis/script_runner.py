"""Runs the scripts of one namespace."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from redis.exceptions import NoScriptError

from asynctasq.driver_api import DriverUnavailable
from asynctasq_redis.connection_pool import Command, ConnectionPool
from asynctasq_redis.script_library import Script

MOST_NAMES = 500
"""Queues in one script's arguments: few enough for Lua's stack, and for a server that others are waiting for."""


def slices(names: Sequence[str], most: int) -> Iterator[tuple[str, ...]]:
    """The names in order, at most so many at a time."""
    for start in range(0, len(names), most):
        yield tuple(names[start : start + most])


class ScriptRunner:
    """The scripts, the pool that they are sent through, and the prefix of the keys that they use."""

    def __init__(
        self, scripts: Mapping[str, Script], pool: ConnectionPool, prefix: str, *, wait_aof: float | None = None
    ) -> None:
        """`wait_aof` is how many seconds to wait for the append-only file, or None for not at all."""
        self.pool = pool
        self.prefix = prefix
        self._scripts = scripts
        self._wait_aof: tuple[Command, ...] = ()
        if wait_aof is not None:
            self._wait_aof = (("WAITAOF", 1, 0, int(wait_aof * 1000)),)

    async def run(self, name: str, arguments: Sequence[Any] = (), *, connecting: bool = False) -> Any:
        """Run one script and return its reply.

        A server that does not know the script (it was restarted, or told to forget) has done nothing: it gets the text.

        Raises:
            DriverError: of the kind that the table of errors says.
        """
        return (await self._send(name, arguments, (), connecting=connecting))[0]

    async def run_durably(self, name: str, arguments: Sequence[Any]) -> Any:
        """The same for a script that writes: if the settings say so, the answer waits for the append-only file.

        Raises:
            DriverError: as `run`; `DriverUnavailable` if the file took too long.
        """
        if not self._wait_aof:
            return await self.run(name, arguments)
        replies = await self._send(name, arguments, self._wait_aof)
        if replies[1][0] < 1:
            raise DriverUnavailable("the append-only file was not written in time; the change may be lost in a crash")
        return replies[0]

    async def _send(
        self, name: str, arguments: Sequence[Any], behind: tuple[Command, ...], *, connecting: bool = False
    ) -> list[Any]:
        script = self._scripts[name]
        rest = (1, self.prefix, *arguments)
        try:
            return await self.pool.call_all((("EVALSHA", script.digest, *rest), *behind), connecting=connecting)
        except NoScriptError:
            return await self.pool.call_all((("EVAL", script.text, *rest), *behind), connecting=connecting)
