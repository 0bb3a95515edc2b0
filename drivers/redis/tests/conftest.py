"""Which server the tests use, and the isolation of one test from another."""

import uuid
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
from asynctasq_redis.settings import RedisConfig

from .harness import MovableRedisDriver, RedisHarness
from .servers import SERVER_URL, RedisServer, skip_without_binary, skip_without_server


@pytest.fixture
def anyio_backend() -> str:
    """redis-py knows asyncio alone."""
    return "asyncio"


@pytest.fixture(scope="session")
def redis_url() -> str:
    """A server that others may use as well; a loud skip if there is none."""
    skip_without_server()
    return SERVER_URL


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server for this test alone, not started; killed at the end."""
    skip_without_binary()
    private = RedisServer(tmp_path / "redis")
    yield private
    private.kill()


@pytest.fixture
def namespace() -> str:
    """A namespace for this test alone."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
async def harness(redis_url: str, namespace: str) -> AsyncGenerator[RedisHarness]:
    """The harness, in this test's namespace."""
    harness = RedisHarness(redis_url)
    harness.namespace = namespace
    yield harness
    await harness.drop(namespace)


@pytest.fixture
async def driver(harness: RedisHarness, namespace: str) -> AsyncGenerator[MovableRedisDriver]:
    """A connected driver in this test's namespace."""
    async with MovableRedisDriver(harness.settings(namespace)) as driver:
        yield driver


@pytest.fixture
def settings(redis_url: str, namespace: str) -> RedisConfig:
    """Settings for this test's namespace."""
    return RedisConfig(url=redis_url, namespace=namespace)
