"""How the conformance suite reaches the Redis driver."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import anyio.to_thread
from asynctasq_conformance import DriverHarness
from asynctasq_redis.driver import RedisDriver
from asynctasq_redis.script_library import Script, assemble, read_pieces
from asynctasq_redis.settings import RedisConfig
from asynctasq_redis.ticks import ticks_of
from redis.asyncio import Redis, RedisCluster

from asynctasq.driver_api import Driver

from .servers import RedisServer

CLOCK_LINE = "local clock = redis.call('TIME')"
MOVED_CLOCK = """local clock = (function()
  local time, offset = redis.call('TIME'), redis.call('GET', KEYS[1] .. 'test-offset') or 0
  local moved = time[1] * 1000000 + time[2] + 100 * offset
  return { math.floor(moved / 1000000), moved % 1000000 }
end)()"""


@cache
def scripts_with_moved_clock() -> Mapping[str, Script]:
    """The shipped scripts, but for the one line that reads the clock."""
    pieces = read_pieces()
    assert pieces["clock.lua"].count(CLOCK_LINE) == 1
    pieces["clock.lua"] = pieces["clock.lua"].replace(CLOCK_LINE, MOVED_CLOCK)
    return assemble(pieces)


class MovableRedisDriver(RedisDriver):
    """The driver, in a namespace whose time can be moved."""

    def script_texts(self) -> Mapping[str, Script]:
        """The scripts with the moved clock."""
        return scripts_with_moved_clock()


class RedisHarness(DriverHarness):
    """One server, at a URL."""

    kind = ""
    """What is special about this server."""
    expected_traits = frozenset(
        {"wake_ups", "pausing", "worker_reports", "strict_order", "exact_stats", "shared_between_processes"}
    )

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._url = url
        self._database = parts.path
        self.address = (parts.hostname or "127.0.0.1", parts.port or 6379)

    async def open_driver(self, namespace: str) -> Driver:
        """A driver that is not connected."""
        return MovableRedisDriver(self.settings(namespace))

    def settings(self, namespace: str) -> RedisConfig:
        """The settings of a driver for this namespace."""
        assert self.address is not None
        host, port = self.address
        return RedisConfig(url=f"redis://{host}:{port}{self._database}", namespace=namespace, command_timeout=2.0)

    async def describe_backend(self) -> str:
        """Which server it is."""
        async with Redis(host=self._any_node[0], port=self._any_node[1]) as client:
            told = await client.info("server")
        name = f"Valkey {told['valkey_version']}" if "valkey_version" in told else f"Redis {told['redis_version']}"
        return name + self.kind

    @property
    def _any_node(self) -> tuple[str, int]:
        parts = urlsplit(self._url.split(",")[0])
        return parts.hostname or "127.0.0.1", parts.port or 6379

    async def drop(self, namespace: str) -> None:
        """Remove every key of the namespace."""
        async with Redis.from_url(self._url) as client:
            keys = [key async for key in client.scan_iter(f"asynctasq:{{{namespace}}}:*", count=1000)]
            if keys:
                await client.unlink(*keys)

    async def advance(self, seconds: float) -> None:
        """Move the clock of the running example's namespace."""
        async with Redis.from_url(self._url) as client:
            await client.incrby(f"asynctasq:{{{self.namespace}}}:test-offset", ticks_of(seconds))


class AofRedisHarness(RedisHarness):
    """A private server that keeps what it acknowledged, and is killed to prove it."""

    kind = ", appendfsync always"
    expected_traits = RedisHarness.expected_traits | {"durable"}

    def __init__(self) -> None:
        super().__init__("redis://127.0.0.1:1/0")  # nobody; `start` says where the server is
        self.event_loops = ("asyncio",)
        self._server: RedisServer | None = None

    def start(self, folder: Path) -> None:
        """Start the server."""
        self._server = RedisServer(folder, "--appendonly", "yes", "--appendfsync", "always")
        self._server.start()
        self.address = ("127.0.0.1", self._server.port)
        self._url = self._server.url

    def stop(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.kill()

    async def restart_backend(self) -> None:
        """Kill the server and start it again."""
        assert self._server is not None
        await anyio.to_thread.run_sync(self._server.kill)
        await anyio.to_thread.run_sync(self._server.start)


class ClusterRedisHarness(RedisHarness):
    """A cluster of private servers."""

    kind = ", cluster"

    def __init__(self) -> None:
        super().__init__("redis://127.0.0.1:1/0")  # nobody; `use` says where the cluster is
        self.address = None  # a proxy in front of one node would be told the addresses of the others
        self.event_loops = ("asyncio",)
        self._nodes: Sequence[RedisServer] = ()

    def use(self, url: str, nodes: Sequence[RedisServer]) -> None:
        """Where the cluster is."""
        self._url, self._nodes = url, nodes

    def settings(self, namespace: str) -> RedisConfig:
        """The settings of a driver for this namespace."""
        return RedisConfig(url=self._url, namespace=namespace, command_timeout=2.0)

    async def drop(self, namespace: str) -> None:
        """Remove every key of the namespace, whichever node has it."""
        async with RedisCluster(host="127.0.0.1", port=self._nodes[0].port) as client:
            async for key in client.scan_iter(f"asynctasq:{{{namespace}}}:*", count=1000):
                await client.unlink(key)

    async def advance(self, seconds: float) -> None:
        """Move the clock of the running example's namespace."""
        async with RedisCluster(host="127.0.0.1", port=self._nodes[0].port) as client:
            await client.incrby(f"asynctasq:{{{self.namespace}}}:test-offset", ticks_of(seconds))
