"""Fixtures for the memory driver: every test on asyncio and on trio, in a namespace of its own."""

import uuid
from collections.abc import AsyncGenerator, Callable, Generator

import pytest

from asynctasq.memory import MemoryDriver, drop_store
from asynctasq.testing import ManualClock


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def namespace() -> Generator[str, None, None]:
    name = f"test-{uuid.uuid4().hex}"
    yield name
    drop_store(name)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def new_driver(namespace: str, clock: ManualClock) -> Callable[[], MemoryDriver]:
    return lambda: MemoryDriver(namespace, clock=clock)


@pytest.fixture
async def driver(new_driver: Callable[[], MemoryDriver]) -> AsyncGenerator[MemoryDriver, None]:
    async with new_driver() as driver:
        yield driver
