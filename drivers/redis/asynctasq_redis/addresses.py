"""Which server to connect to: a fixed one, the master that the Sentinels know, or the owner of a cluster's slot."""

import abc
from collections.abc import Mapping
from typing import Any, cast

import redis.exceptions
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.crc import key_slot

from asynctasq.driver_api import ConfigurationError
from asynctasq_redis.locations import Location, location_of
from asynctasq_redis.native_connection import NativeConnection
from asynctasq_redis.settings import RedisConfig

Options = Mapping[str, Any]


class Address(abc.ABC):
    """Where new connections go. Nobody but the owner of a pool of connections uses it."""

    def __init__(self, location: Location, options: Options) -> None:
        self._location = location
        self._options = options

    def _connection_to(self, host: str, port: int) -> NativeConnection:
        kind = SSLConnection if self._location.is_tls else Connection
        return cast(NativeConnection, kind(host=host, port=port, socket_keepalive=True, **self._options))

    @abc.abstractmethod
    async def new_connection(self) -> NativeConnection:
        """A connection to the right server, not open yet."""

    def forget(self) -> None:
        """A connection broke, or the server is not the right one any more: look again next time."""
        return  # a fixed address has nothing to forget

    def moved_to(self, host: str, port: int) -> None:
        """A node of a cluster says that another one has the slot."""
        return  # only a cluster's slots move


class ServerAddress(Address):
    """One server, by name or by socket."""

    async def new_connection(self) -> NativeConnection:
        """A connection to the right server, not open yet."""
        if self._location.kind == "socket":
            return cast(NativeConnection, UnixDomainSocketConnection(path=self._location.path, **self._options))
        return self._connection_to(*self._location.hosts[0])


class SentinelAddress(Address):
    """The master that the Sentinels agree on."""

    def __init__(self, location: Location, options: Options, sentinel_options: Options) -> None:
        super().__init__(location, options)
        self._sentinel = Sentinel(list(location.hosts), sentinel_kwargs=dict(sentinel_options))
        self._master: tuple[str, int] | None = None

    async def new_connection(self) -> NativeConnection:
        """A connection to the right server, not open yet."""
        if self._master is None:
            try:
                self._master = await self._sentinel.discover_master(self._location.service)
            finally:
                for client in self._sentinel.sentinels:
                    await client.connection_pool.disconnect()
        return self._connection_to(*self._master)

    def forget(self) -> None:
        """A connection broke, or the server is a replica now: ask the Sentinels again."""
        self._master = None


class ClusterAddress(Address):
    """The node that owns the slot of one namespace: all of a namespace's keys are there."""

    def __init__(self, location: Location, options: Options, key: str) -> None:
        super().__init__(location, options)
        self._slot = key_slot(key.encode())
        self._owner: tuple[str, int] | None = None
        self._last_owner: tuple[str, int] | None = None

    async def new_connection(self) -> NativeConnection:
        """A connection to the right server, not open yet."""
        if self._owner is None:
            self._owner = self._last_owner = await self._find_owner()
        return self._connection_to(*self._owner)

    def forget(self) -> None:
        """A connection broke: ask some node for the owner."""
        self._owner = None

    def moved_to(self, host: str, port: int) -> None:
        """A node says that another one has the slot. Without a host it is another port of the same host."""
        self._owner = (host or (self._last_owner or self._location.hosts[0])[0], port)
        self._last_owner = self._owner

    async def _find_owner(self) -> tuple[str, int]:
        known = (self._last_owner,) if self._last_owner else ()
        failure: Exception | None = None
        for host, port in dict.fromkeys((*self._location.hosts, *known)):
            connection = self._connection_to(host, port)
            try:
                await connection.send_command("CLUSTER", "SLOTS")
                for first, last, master, *_ in await connection.read_response():
                    if first <= self._slot <= last:
                        return (master[0] or host.encode()).decode(), master[1]
                failure = redis.exceptions.ClusterDownError(f"no node serves slot {self._slot}")
            except (redis.exceptions.RedisError, OSError) as error:
                failure = error
            finally:
                await connection.disconnect(nowait=True)
        assert failure is not None
        raise failure


def address_of(settings: RedisConfig, key: str) -> Address:
    """The address that the settings describe; `key` is one of the keys that will be used.

    Raises:
        ConfigurationError: the URL can't be read, or contradicts another setting.
    """
    location = location_of(settings.url)
    if not location.is_tls and (settings.ssl_ca_certs or settings.ssl_certfile):
        raise ConfigurationError("ssl options are set, but the URL asks for no TLS; wanted the scheme rediss")
    if settings.db and location.kind == "cluster":
        raise ConfigurationError(f"db is {settings.db}; a cluster has database 0 alone")
    if settings.db and location.db not in (None, settings.db):
        raise ConfigurationError(f"db is {settings.db}, but the URL says {location.db}; wanted one of them")
    common = _common_options(settings, location)
    options = common | {
        "db": settings.db or location.db or 0,
        "username": settings.username or location.username,
        "password": settings.password or location.password,
    }
    if location.kind == "sentinel":
        sentinel_options = common | {
            "username": settings.sentinel_username,
            "password": settings.sentinel_password,
            "socket_timeout": settings.connect_timeout,
        }
        if location.is_tls:
            sentinel_options["ssl"] = True
        return SentinelAddress(location, options, sentinel_options)
    if location.kind == "cluster":
        return ClusterAddress(location, options, key)
    return ServerAddress(location, options)


def _common_options(settings: RedisConfig, location: Location) -> dict[str, Any]:
    options: dict[str, Any] = {
        "socket_connect_timeout": settings.connect_timeout,
        "socket_timeout": None,  # a call has one time limit for all that it does
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    if location.is_tls:
        options |= {
            "ssl_ca_certs": settings.ssl_ca_certs,
            "ssl_certfile": settings.ssl_certfile,
            "ssl_keyfile": settings.ssl_keyfile,
            "ssl_cert_reqs": settings.ssl_cert_reqs,
            "ssl_check_hostname": settings.ssl_check_hostname and settings.ssl_cert_reqs != "none",
        }
        if settings.ssl_keyfile_password is not None:  # not known to redis-py 6
            options["ssl_password"] = settings.ssl_keyfile_password
    return options
