"""What the tests of this driver share: a file of their own, and drivers on it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from asynctasq_sqlite import SQLiteConfig, SQLiteDriver


@pytest.fixture
def anyio_backend() -> str:
    """aiosqlite runs on asyncio alone."""
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the test's database is."""
    return tmp_path / "queue.db"


@pytest.fixture
def new_driver(path: Path) -> Callable[..., SQLiteDriver]:
    """Makes drivers on the test's database, not connected."""

    def new_driver(**settings: Any) -> SQLiteDriver:
        return SQLiteDriver(SQLiteConfig(path=str(path), **settings))

    return new_driver


@pytest.fixture
async def open_driver(new_driver: Callable[..., SQLiteDriver]) -> AsyncIterator[Callable[..., Any]]:
    """Makes connected drivers, which are disconnected at the end."""
    async with AsyncExitStack() as stack:

        async def open_driver(**settings: Any) -> SQLiteDriver:
            return await stack.enter_async_context(new_driver(**settings))

        yield open_driver


@pytest.fixture
async def driver(open_driver: Callable[..., Any]) -> SQLiteDriver:
    """A connected driver with default settings."""
    return await open_driver()
