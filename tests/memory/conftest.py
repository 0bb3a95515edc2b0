"""Fixtures: every test on asyncio, with and without uvloop, and on trio, in a namespace of its own."""

import uuid
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest

from asynctasq.memory import MemoryDriver, drop_store
from asynctasq.testing import ManualClock


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
        pytest.param(("trio", {}), id="trio"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return request.param


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
