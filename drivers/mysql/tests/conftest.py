"""Which server the tests use, and the isolation of one test from another."""

import uuid
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
from asynctasq_mysql import MySQLConfig, MySQLDriver

from .harness import SERVER_URL, Administrator
from .servers import MariaDBServer, skip_without_binaries, skip_without_server


@pytest.fixture
def anyio_backend() -> str:
    """aiomysql knows asyncio alone."""
    return "asyncio"


@pytest.fixture(scope="session")
def mysql_url() -> str:
    """A server that others may use as well; a loud skip if there is none."""
    skip_without_server()
    return SERVER_URL


@pytest.fixture
def settings(mysql_url: str) -> MySQLConfig:
    """Settings with a namespace for this test alone."""
    return MySQLConfig(dsn=mysql_url, namespace=f"test-{uuid.uuid4().hex}")


@pytest.fixture
def administrator(settings: MySQLConfig) -> Iterator[Administrator]:
    """A connection beside the driver; it removes the namespace at the end."""
    administrator = Administrator(settings)
    yield administrator
    administrator.drop_namespace()


@pytest.fixture
async def driver(settings: MySQLConfig, administrator: Administrator) -> AsyncGenerator[MySQLDriver]:
    """A connected driver in this test's namespace."""
    driver = MySQLDriver(settings)
    await driver.prepare_storage()
    async with driver:
        yield driver


@pytest.fixture
def own_tables(mysql_url: str) -> Iterator[MySQLConfig]:
    """Settings with tables for this test alone, which are not there yet."""
    settings = MySQLConfig(dsn=mysql_url, queue_table=f"test_{uuid.uuid4().hex[:20]}")
    yield settings
    Administrator(settings).drop_tables()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MariaDBServer]:
    """A server for this test alone, started; killed at the end."""
    skip_without_binaries()
    private = MariaDBServer(tmp_path / "mariadb")
    private.start()
    yield private
    private.kill()
