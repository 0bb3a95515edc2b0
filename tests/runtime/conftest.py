"""Fixtures: every test on asyncio, with and without uvloop, and on trio; or in virtual time."""

import uuid
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest
from trio.testing import MockClock

from asynctasq.memory import drop_store
from tests.runtime.harness import Bench, FaultyDriver, loop_clock


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
def virtual_time() -> tuple[str, dict[str, Any]]:
    """For modules that say `anyio_backend = virtual_time`: hours pass at once while nothing runs."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}


@pytest.fixture
def namespace() -> Generator[str, None, None]:
    name = f"test-{uuid.uuid4().hex}"
    yield name
    drop_store(name)


@pytest.fixture
async def bench(namespace: str, anyio_backend: tuple[str, dict[str, Any]]) -> AsyncGenerator[Bench, None]:
    patience = 100_000.0 if "clock" in anyio_backend[1] else 60.0
    async with FaultyDriver(namespace, clock=loop_clock) as driver:
        yield Bench(driver, patience=patience)
