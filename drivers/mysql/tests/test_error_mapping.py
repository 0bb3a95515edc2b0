"""Every native error becomes one of the contract's."""

from typing import Any

import pymysql
import pytest
from asynctasq_mysql import MySQLConfig, MySQLDriver
from asynctasq_mysql.error_mapping import (
    MEANINGS,
    Meaning,
    code_of,
    connect_error,
    guest_error,
    is_retried,
    own_error,
    server_code,
)

from asynctasq.driver_api import (
    ConfigurationError,
    DriverError,
    DriverUnavailable,
    PayloadTooLarge,
    QueueFull,
    StorageMissing,
    TransactionAborted,
)

EXPECTED: dict[Meaning, type[Exception]] = {
    Meaning.RETRY: DriverUnavailable,
    Meaning.UNAVAILABLE: DriverUnavailable,
    Meaning.FULL: QueueFull,
    Meaning.NO_STORAGE: StorageMissing,
    Meaning.TOO_LARGE: PayloadTooLarge,
    Meaning.REFUSED: DriverError,
    Meaning.OTHER: DriverError,
}


def native(code: int, message: str = "what the server said") -> pymysql.err.MySQLError:
    """An error as the client library raises it."""
    return pymysql.err.OperationalError(code, message)


@pytest.mark.parametrize("code", sorted(MEANINGS))
def test_each_code_has_its_error(code: int) -> None:
    """Each code of the table becomes the error of its meaning, which tells what the server said."""
    error = own_error(native(code))
    assert type(error) is EXPECTED[MEANINGS[code]]
    assert "what the server said" in str(error)


@pytest.mark.parametrize("code", sorted(MEANINGS))
def test_each_code_on_a_callers_connection(code: int) -> None:
    """In a caller's transaction nothing is retried: a refusal by the server has aborted it."""
    error = guest_error(native(code))
    if MEANINGS[code] is Meaning.RETRY:
        assert isinstance(error, TransactionAborted)
    else:
        assert type(error) is EXPECTED[MEANINGS[code]]


@pytest.mark.parametrize("code", sorted(MEANINGS))
def test_each_code_while_connecting(code: int) -> None:
    """What no retry will change is a `ConfigurationError` of `connect()`."""
    error = connect_error(native(code))
    assert isinstance(error, ConfigurationError) == (MEANINGS[code] is Meaning.REFUSED)


def test_only_what_the_server_undid_is_retried() -> None:
    """Deadlock, lock time-out, a changed record, the counter's deadlock, and a changed table: nothing else."""
    assert {code for code in MEANINGS if is_retried(native(code))} == {1020, 1205, 1213, 1412, 1467}
    assert not is_retried(OSError("gone"))


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (1030, 'Got error 28 "No space left on device" from storage engine InnoDB', QueueFull),
        (1030, "Got error 122 from storage engine", DriverUnavailable),
        (1026, "Error writing file 'x' (Errcode: 28 \"No space left on device\")", QueueFull),
        (1026, "Error writing file 'x' (errno: 28 - No space left on device)", QueueFull),
        (1026, "Error writing file 'x' (errno: 5 - Input/output error)", DriverUnavailable),
    ],
)
def test_the_storage_engines_errors_by_their_number(code: int, message: str, expected: type[Exception]) -> None:
    """A full disk is `QueueFull`, by the operating system's number in the message; other failures are not."""
    assert type(own_error(native(code, message))) is expected


@pytest.mark.parametrize("error", [OSError("gone"), TimeoutError(), EOFError(), native(0), pymysql.err.Error("odd")])
def test_silence_is_unavailable(error: BaseException) -> None:
    """No answer: unknown whether applied, on the driver's own connection and a caller's."""
    assert isinstance(own_error(error), DriverUnavailable)
    assert isinstance(guest_error(error), DriverUnavailable)
    assert isinstance(connect_error(error), DriverUnavailable)


def test_a_wrapped_error_is_found() -> None:
    """The number is found in what SQLAlchemy and others wrap."""

    class Wrapping(Exception):
        orig: Any = native(1213)

    assert code_of(Wrapping("wrapped")) == 1213


def test_connections_go_on_after_the_servers_answer_only() -> None:
    """A connection is kept after an error that the server reported, unless that ended it."""
    assert server_code(native(1213)) == 1213
    assert server_code(native(1062)) == 1062
    for code in (2013, 2006, 1317, 1927, 1053, 4031):
        assert server_code(native(code)) is None


@pytest.mark.anyio
async def test_real_errors(own_tables: MySQLConfig, driver: MySQLDriver) -> None:
    """What a server really says is mapped: a missing table, a wrong password, an unknown database, a closed port."""
    with pytest.raises(StorageMissing, match=r"Schema missing\. Run: asynctasq migrate --driver mysql"):
        await MySQLDriver(own_tables).connect()
    for wrong in ({"user": "nobody-of-that-name"}, {"database": "no_such_database"}):
        with pytest.raises(ConfigurationError) as caught:
            await MySQLDriver(MySQLConfig(dsn=own_tables.dsn, password="s3cret", **wrong)).connect()
        assert "s3cret" not in str(caught.value)
    with pytest.raises(DriverUnavailable, match="can't be reached"):
        await MySQLDriver(MySQLConfig(dsn="mysql://root@127.0.0.1:1/test")).connect()
    with pytest.raises(StorageMissing) as missing:
        await driver._connected.run(lambda connection: connection.run("SELECT 1 FROM no_such_table"))
    assert missing.value.__cause__ is not None
