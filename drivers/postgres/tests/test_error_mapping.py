"""What becomes of PostgreSQL's errors."""

import traceback
from pathlib import Path

import asyncpg
import pytest
from asynctasq_postgres.driver import PostgresDriver
from asynctasq_postgres.error_mapping import MEANINGS, Meaning, connect_error, guest_error, meaning_of, own_error
from asynctasq_postgres.settings import PostgresConfig
from msgspec.structs import replace

from asynctasq.driver_api import (
    ConfigurationError,
    DriverError,
    DriverUnavailable,
    NewTask,
    QueueFull,
    StorageMissing,
    TransactionAborted,
)

from .servers import free_port

OWN = {
    "40001": DriverUnavailable,
    "40P01": DriverUnavailable,
    "55P03": DriverUnavailable,
    "26000": DriverUnavailable,
    "08000": DriverUnavailable,
    "08003": DriverUnavailable,
    "08006": DriverUnavailable,
    "53000": DriverUnavailable,
    "53100": QueueFull,
    "53200": DriverUnavailable,
    "53300": DriverUnavailable,
    "53400": DriverUnavailable,
    "57014": DriverUnavailable,
    "57P01": DriverUnavailable,
    "57P02": DriverUnavailable,
    "57P03": DriverUnavailable,
    "57P05": DriverUnavailable,
    "25P03": DriverUnavailable,
    "25006": DriverUnavailable,
    "25P02": DriverError,
    "40003": DriverError,
    "58030": DriverUnavailable,
    "XX001": DriverUnavailable,
    "XX002": DriverUnavailable,
    "42P01": StorageMissing,
    "42883": StorageMissing,
    "3F000": StorageMissing,
    "28P01": DriverError,
    "3D000": DriverError,
    "42501": DriverError,
    "22021": DriverError,
    "XX000": DriverError,
}


class Native(Exception):
    """An error of a client library, as far as the mapping looks."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("native text")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(("sqlstate", "kind"), OWN.items())
def test_each_code_has_its_error(sqlstate: str, kind: type[DriverError]) -> None:
    """A call of the driver raises exactly this for this SQLSTATE, and names the code."""
    error = own_error(Native(sqlstate))
    assert type(error) is kind
    assert sqlstate in str(error)
    assert "native text" in str(error)


def test_every_entry_of_the_table_is_tested() -> None:
    """No code is mapped without a test."""
    for code in MEANINGS:
        assert any(tested.startswith(code) for tested in OWN), code


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "25P02", "57014", "57P01", "55P03", "XX000"])
def test_in_a_callers_transaction_every_error_ends_it(sqlstate: str) -> None:
    """The caller is told to roll back."""
    assert type(guest_error(Native(sqlstate))) is TransactionAborted


def test_in_a_callers_transaction_some_errors_say_more() -> None:
    """No room, no tables, no connection."""
    assert type(guest_error(Native("53100"))) is QueueFull
    assert type(guest_error(Native("42883"))) is StorageMissing
    assert type(guest_error(ConnectionResetError())) is DriverUnavailable


def test_a_wrapped_error_is_looked_into() -> None:
    """SQLAlchemy keeps the client library's error in `orig`."""

    class Wrapped(Exception):
        orig = Native("40P01")

    assert type(guest_error(Wrapped("wrapped"))) is TransactionAborted


def test_no_answer_is_unavailable() -> None:
    """Time-outs and broken connections: unknown whether applied."""
    for error in (TimeoutError(), ConnectionResetError(), asyncpg.InterfaceError("connection is closed")):
        assert type(own_error(error)) is DriverUnavailable


def test_who_we_are_is_a_matter_of_configuration_when_connecting() -> None:
    """A wrong password never works; a server that starts up will."""
    for sqlstate in ("28P01", "3D000", "42501"):
        assert type(connect_error(Native(sqlstate))) is ConfigurationError
    assert type(connect_error(Native("57P03"))) is DriverUnavailable
    assert meaning_of("40P01") is Meaning.RETRY


@pytest.mark.anyio
async def test_connecting_to_nobody(settings: PostgresConfig) -> None:
    """No server: DriverUnavailable, at once, with the native error as its cause."""
    driver = PostgresDriver(replace(settings, dsn=f"postgresql://root@127.0.0.1:{free_port()}/test"))
    with pytest.raises(DriverUnavailable, match="can't be reached") as raised:
        await driver.connect()
    assert isinstance(raised.value.__cause__, OSError)


@pytest.mark.anyio
@pytest.mark.parametrize("dsn", ["postgresql://u:hush/word@h/db", "postgresql://u:hush@h:hush/db"])
async def test_an_address_that_can_not_be_read(dsn: str) -> None:
    """A matter of configuration; and a password that nobody escaped, taken for a port, does not come to light."""
    driver = PostgresDriver(PostgresConfig(dsn=dsn))
    for call in (driver.connect, driver.prepare_storage):
        with pytest.raises(ConfigurationError, match="`dsn` can't be read") as raised:
            await call()
        assert "hush" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.anyio
async def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    """A server on a Unix socket that is down is an outage, whatever files the settings name."""
    driver = PostgresDriver(PostgresConfig(host=str(tmp_path), user="root", database="test"))
    with pytest.raises(DriverUnavailable, match="can't be reached"):
        await driver.connect()


@pytest.mark.anyio
async def test_connecting_to_no_database(settings: PostgresConfig) -> None:
    """A database that does not exist is a matter of configuration."""
    with pytest.raises(ConfigurationError, match="no_such_database"):
        await PostgresDriver(replace(settings, database="no_such_database")).connect()


@pytest.mark.anyio
async def test_tables_that_vanish(settings: PostgresConfig, schema: str, connection: asyncpg.Connection) -> None:
    """A schema dropped under a running driver is named, with the command that creates it."""
    driver = PostgresDriver(replace(settings, schema=schema))
    await driver.prepare_storage()
    async with driver:
        await connection.execute(f'DROP SCHEMA "{schema}" CASCADE')
        with pytest.raises(StorageMissing, match="asynctasq migrate --driver postgres"):
            await driver.enqueue_many([NewTask(id="a", queue="q", name="n", payload=b"")])


@pytest.mark.anyio
async def test_an_isolation_level_that_does_not_do_is_refused(settings: PostgresConfig) -> None:
    """READ COMMITTED is verified, not assumed."""
    dsn = f"{settings.dsn}?default_transaction_isolation=serializable"
    with pytest.raises(ConfigurationError, match="SERIALIZABLE; wanted READ COMMITTED"):
        await PostgresDriver(replace(settings, dsn=dsn)).connect()


@pytest.mark.anyio
async def test_a_read_only_session_is_unavailable(settings: PostgresConfig) -> None:
    """A standby may be promoted, so it is no matter of configuration."""
    dsn = f"{settings.dsn}?default_transaction_read_only=on"
    with pytest.raises(DriverUnavailable, match="target_session_attrs"):
        await PostgresDriver(replace(settings, dsn=dsn)).connect()
