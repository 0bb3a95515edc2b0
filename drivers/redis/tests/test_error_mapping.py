"""Each native error, and what the contract calls it."""

import ssl

import pytest
import redis.exceptions as native
from asynctasq_redis.error_mapping import mapped

from asynctasq.driver_api import ConfigurationError, DriverError, DriverUnavailable, QueueFull

RUNNING = [
    (native.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), QueueFull),
    (native.ResponseError("OOM command not allowed when used memory > 'maxmemory'."), QueueFull),
    (native.ReadOnlyError("You can't write against a read only replica."), DriverUnavailable),
    (native.BusyLoadingError("Redis is loading the dataset in memory"), DriverUnavailable),
    (native.MasterDownError("Link with MASTER is down"), DriverUnavailable),
    (native.ClusterDownError("CLUSTERDOWN The cluster is down"), DriverUnavailable),
    (native.AskError("1 127.0.0.1:7001"), DriverUnavailable),
    (native.TryAgainError("Multiple keys request during rehashing of slot"), DriverUnavailable),
    (native.MovedError("1 127.0.0.1:7001"), DriverUnavailable),
    (native.ResponseError("NOAUTH Authentication required."), DriverUnavailable),
    (native.AuthenticationError("WRONGPASS invalid username-password pair"), DriverUnavailable),
    (native.NoPermissionError("this user has no permissions to run the 'evalsha' command"), DriverUnavailable),
    (native.ResponseError("MISCONF Redis is configured to save RDB snapshots"), DriverUnavailable),
    (native.ResponseError("NOREPLICAS Not enough good replicas to write."), DriverUnavailable),
    (native.ResponseError("BUSY Redis is busy running a script."), DriverUnavailable),
    (native.ResponseError("UNKILLABLE The busy script was sent by a master instance"), DriverUnavailable),
    (native.ResponseError("LOADING Redis is loading the dataset in memory"), DriverUnavailable),
    (native.ResponseError("WRONGPASS invalid username-password pair"), DriverUnavailable),
    (native.ResponseError("Authentication required."), DriverUnavailable),
    (native.ResponseError("WAITAOF cannot be used when numlocal is set but appendonly is off."), DriverUnavailable),
    (native.ConnectionError("max number of clients reached"), DriverUnavailable),
    (native.TimeoutError("Timeout reading from socket"), DriverUnavailable),
    (TimeoutError(), DriverUnavailable),
    (native.ConnectionError("Connection closed by server."), DriverUnavailable),
    (native.MaxConnectionsError("Too many connections"), DriverUnavailable),
    (native.InvalidResponse("Protocol Error"), DriverUnavailable),
    (ConnectionRefusedError(111, "refused"), DriverUnavailable),
    (ConnectionResetError(104, "reset"), DriverUnavailable),
    (BrokenPipeError(32, "broken"), DriverUnavailable),
    (EOFError(), DriverUnavailable),
    (native.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), DriverError),
    (native.DataError("Invalid input"), DriverError),
]
CONNECTING = [
    (native.AuthenticationError("WRONGPASS invalid username-password pair"), ConfigurationError),
    (native.AuthenticationError("Authentication required."), ConfigurationError),
    (native.ResponseError("NOAUTH Authentication required."), ConfigurationError),
    (native.NoPermissionError("this user has no permissions to run the 'evalsha' command"), ConfigurationError),
    (native.AuthenticationWrongNumberOfArgsError("wrong number of arguments for 'auth' command"), ConfigurationError),
    (native.ResponseError("WRONGPASS invalid username-password pair"), ConfigurationError),
    (native.ResponseError("Authentication required."), ConfigurationError),
    (native.ResponseError("DB index is out of range"), ConfigurationError),
    (native.ResponseError("SELECT is not allowed in cluster mode"), ConfigurationError),
    (ssl.SSLCertVerificationError(1, "certificate verify failed"), ConfigurationError),
    (native.ConnectionError("Error 111 connecting to 127.0.0.1:1."), DriverUnavailable),
    (native.BusyLoadingError("Redis is loading the dataset in memory"), DriverUnavailable),
]


@pytest.mark.parametrize(("error", "kind"), RUNNING, ids=lambda value: str(value)[:40])
def test_while_running(error: Exception, kind: type[Exception]) -> None:
    """An error of a call has exactly the kind of the table, and tells the native message."""
    found = mapped(error)
    assert type(found) is kind
    assert str(error) in str(found)


@pytest.mark.parametrize(("error", "kind"), CONNECTING, ids=lambda value: str(value)[:40])
def test_while_connecting(error: Exception, kind: type[Exception]) -> None:
    """What can never work is a configuration error while the driver connects."""
    assert type(mapped(error, connecting=True)) is kind
