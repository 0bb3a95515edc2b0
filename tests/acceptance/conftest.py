"""What the acceptance tests share: an application of their own, on each real driver that a test asks for."""

import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import asynctasq.app
from asynctasq import DriverFactory
from asynctasq.config import set_current, set_flags
from asynctasq.memory import drop_store
from asynctasq.tasks.task_ids import new_task_id

REDIS_URL = os.environ.get("ASYNCTASQ_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")


@pytest.fixture
def fresh_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder, an environment without settings, and no configuration left behind."""
    for name in [name for name in os.environ if name.startswith("ASYNCTASQ_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    set_flags({})
    set_current(None)
    yield
    asynctasq.app.application().stop_background()
    set_flags({})
    set_current(None)


@pytest.fixture
def memory_url(fresh_application: None) -> Iterator[str]:
    """A memory store of the test's own."""
    namespace = f"acceptance-{new_task_id()}"
    yield f"memory://?namespace={namespace}"
    drop_store(namespace)


@pytest.fixture
def sqlite_url(fresh_application: None, tmp_path: Path) -> str:
    """A SQLite file of the test's own."""
    return f"sqlite:///{tmp_path / 'tasks.db'}"


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest) -> str:
    """Each driver that needs no server."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
async def redis_url(fresh_application: None) -> AsyncIterator[str]:
    """A namespace of the test's own on a running Redis, emptied at the end."""
    parts = urlsplit(REDIS_URL)
    try:
        socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), timeout=2).close()
    except OSError:
        pytest.skip(f"backend: NO REDIS SERVER at {parts.hostname}:{parts.port}; set ASYNCTASQ_TEST_REDIS_URL")
    url = f"{REDIS_URL}?namespace=acceptance-{new_task_id()}"
    yield url
    async with DriverFactory.create(url) as driver:
        await driver.purge(list(await driver.queue_stats()))
