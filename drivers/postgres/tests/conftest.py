"""Where the tests find a PostgreSQL server, and the isolation of one test from another."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Iterator

import asyncpg
import pytest
from asynctasq_postgres.client import NATIVE_ERRORS, connect
from asynctasq_postgres.driver import PostgresDriver
from asynctasq_postgres.settings import PostgresConfig

from .harness import PostgresHarness
from .servers import PostgresServer, server_url, skip_without_binary


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """A database that others may use as well: `ASYNCTASQ_TEST_POSTGRES_URL`, or a local default."""
    url = server_url()

    async def try_to_connect() -> None:
        connection = await connect(dsn=url, timeout=5.0)
        await connection.close()

    try:
        asyncio.run(try_to_connect())
    except NATIVE_ERRORS as error:
        pytest.skip(f"backend: NO POSTGRESQL SERVER at {url} ({error}); set ASYNCTASQ_TEST_POSTGRES_URL")
    return url


@pytest.fixture
def anyio_backend() -> str:
    """asyncpg runs on asyncio only."""
    return "asyncio"


@pytest.fixture
def namespace() -> str:
    """A namespace for this test alone."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
async def harness(postgres_url: str, namespace: str) -> AsyncGenerator[PostgresHarness]:
    """The harness, in this test's namespace."""
    harness = PostgresHarness(postgres_url)
    harness.namespace = namespace
    yield harness
    await harness.drop(namespace)


@pytest.fixture
def settings(harness: PostgresHarness, namespace: str) -> PostgresConfig:
    """Settings for this test's namespace."""
    return harness.settings(namespace)


@pytest.fixture
async def driver(settings: PostgresConfig) -> AsyncGenerator[PostgresDriver]:
    """A connected driver in this test's namespace."""
    driver = PostgresDriver(settings)
    await driver.prepare_storage()
    async with driver:
        yield driver


@pytest.fixture
async def connection(postgres_url: str) -> AsyncGenerator[asyncpg.Connection]:
    """A user's own connection."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


@pytest.fixture
async def schema(connection: asyncpg.Connection) -> AsyncGenerator[str]:
    """The name of a schema for this test alone, which does not exist yet."""
    name = f"test_{uuid.uuid4().hex[:16]}"
    yield name
    await connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')


@pytest.fixture
def private_server() -> Iterator[PostgresServer]:
    """A running server for this test alone."""
    skip_without_binary()
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()
