"""What the client library and the server say, in the contract's words. One table; the first row that fits counts."""

import ssl
from collections.abc import Callable

import redis.exceptions as native

from asynctasq.driver_api import ConfigurationError, DriverError, DriverUnavailable, QueueFull

Mapped = type[DriverError] | type[ConfigurationError]


def _code(*codes: str) -> Callable[[Exception], bool]:
    """Whether the server's message begins with one of these codes, which some versions of the client cut off."""

    def fits(error: Exception) -> bool:
        return isinstance(error, native.ResponseError) and str(error).startswith(codes)

    return fits


def _because_of(kind: type[BaseException]) -> Callable[[Exception], bool]:
    """Whether an error of this kind stands somewhere behind it: redis-py tells of it in words only."""

    def fits(error: Exception) -> bool:
        behind: BaseException | None = error
        while behind is not None and not isinstance(behind, kind):
            behind = behind.__cause__ or behind.__context__
        return behind is not None

    return fits


def _kind(*kinds: type[BaseException]) -> Callable[[Exception], bool]:
    return lambda error: isinstance(error, kinds)


_Row = tuple[Callable[[Exception], bool], Mapped, str]

WHILE_CONNECTING: tuple[_Row, ...] = (
    (
        _kind(native.AuthenticationError, native.AuthenticationWrongNumberOfArgsError),
        ConfigurationError,
        "Redis refused the credentials. Set `username` and `password`",
    ),
    (
        _code("NOAUTH", "WRONGPASS", "Authentication required"),
        ConfigurationError,
        "Redis refused the credentials. Set `username` and `password`",
    ),
    (
        _kind(native.NoPermissionError),
        ConfigurationError,
        "the Redis user may not do this. See the least-privilege ACL in the driver's README",
    ),
    (
        _code("DB index is out of range", "SELECT is not allowed"),
        ConfigurationError,
        "this server has no such database. Set `db`",
    ),
    (
        _because_of(ssl.SSLCertVerificationError),
        ConfigurationError,
        "the server's certificate was not accepted. Set `ssl_ca_certs`",
    ),
)
"""What can never work, and so ends `connect()`; later the same is an outage that an operator may cure."""

ALWAYS: tuple[_Row, ...] = (
    (
        _kind(native.OutOfMemoryError),
        QueueFull,
        "Redis has no memory left. Raise `maxmemory`, or let the workers catch up",
    ),
    (_code("OOM"), QueueFull, "Redis has no memory left. Raise `maxmemory`, or let the workers catch up"),
    (_kind(native.AuthenticationError), DriverUnavailable, "Redis refused the credentials"),
    (_kind(native.BusyLoadingError), DriverUnavailable, "Redis is still loading its data"),
    (_kind(native.ReadOnlyError), DriverUnavailable, "this Redis server is a replica now"),
    (_kind(native.MasterDownError), DriverUnavailable, "this replica has lost its master"),
    (_kind(native.ClusterDownError), DriverUnavailable, "the cluster does not serve this namespace at the moment"),
    (
        _kind(native.AskError, native.TryAgainError),
        DriverUnavailable,
        "this namespace is moving to another node of the cluster, and can be used again when it has arrived",
    ),
    (_kind(native.NoPermissionError), DriverUnavailable, "the Redis user may not do this"),
    (
        _code(
            "NOAUTH", "WRONGPASS", "Authentication required", "MISCONF", "NOREPLICAS", "BUSY", "UNKILLABLE", "LOADING"
        ),
        DriverUnavailable,
        "Redis refuses commands at the moment",
    ),
    (_code("WAITAOF"), DriverUnavailable, "Redis has no append-only file any more, and can't confirm the change"),
    (_kind(native.MaxConnectionsError), DriverUnavailable, "all connections are in use"),
    (_kind(native.TimeoutError, TimeoutError), DriverUnavailable, "Redis did not answer in time"),
    (_kind(native.ConnectionError, OSError, EOFError), DriverUnavailable, "the connection to Redis failed"),
    (_kind(native.InvalidResponse), DriverUnavailable, "Redis sent something that is no reply"),
    (_kind(native.RedisError), DriverError, "Redis refused a command"),
)


def mapped(error: Exception, *, connecting: bool = False) -> DriverError | ConfigurationError:
    """The contract's error for a native one. The caller raises it `from` that."""
    for fits, kind, meaning in (*WHILE_CONNECTING, *ALWAYS) if connecting else ALWAYS:
        if fits(error):
            detail = str(error)
            return kind(f"{meaning} ({type(error).__name__}: {detail})" if detail else f"{meaning}")
    return DriverError(f"unexpected {type(error).__name__}: {error}")
