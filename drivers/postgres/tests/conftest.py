"""Where the tests find a PostgreSQL server."""

import asyncio
import os

import pytest
from asynctasq_postgres.client import NATIVE_ERRORS, connect

DEFAULT_URL = "postgresql://root@127.0.0.1:5432/test"


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The URL of a database that the tests may write to: `ASYNCTASQ_TEST_POSTGRES_URL`, or a local default."""
    url = os.environ.get("ASYNCTASQ_TEST_POSTGRES_URL", DEFAULT_URL)

    async def try_to_connect() -> None:
        connection = await connect(dsn=url, timeout=5.0)
        await connection.close()

    try:
        asyncio.run(try_to_connect())
    except NATIVE_ERRORS as error:
        pytest.skip(f"no PostgreSQL server at {url}: {error}. Set ASYNCTASQ_TEST_POSTGRES_URL")
    return url


@pytest.fixture
def anyio_backend() -> str:
    """asyncpg runs on asyncio only."""
    return "asyncio"
