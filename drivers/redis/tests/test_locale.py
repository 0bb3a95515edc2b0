"""A server that was started in some language: order is that of bytes all the same."""

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from asynctasq_redis.driver import RedisDriver
from asynctasq_redis.settings import RedisConfig

from asynctasq.driver_api import NewTask

from .servers import RedisServer, skip_without_binary

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the locale en_US.UTF-8, in which strings of bytes have another order than memory has."""
    folder = tmp_path_factory.mktemp("locales")
    compiler = shutil.which("localedef")
    if compiler is None:
        pytest.skip("backend: NO localedef: whether a server's locale matters is not tested")
    made = subprocess.run([compiler, "-i", "en_US", "-f", "UTF-8", str(folder / "en_US.UTF-8")], capture_output=True)
    if made.returncode > 1:  # 1 is a warning
        pytest.skip("backend: NO SOURCE OF THE LOCALE en_US: whether a server's locale matters is not tested")
    return folder


@pytest.fixture
def american_server(tmp_path: Path, locales: Path) -> Iterator[RedisServer]:
    """A server as a distribution's init system starts it: with the machine's language in its environment."""
    skip_without_binary()
    environment = {"LOCPATH": str(locales), "LC_ALL": "en_US.UTF-8"}
    with RedisServer(tmp_path / "redis", environment=environment) as server:
        yield server


async def test_the_servers_language_changes_no_order(american_server: RedisServer) -> None:
    """Of one batch, with one due time, every page shows the next tasks, and lapsed ones come again in their order."""
    tasks = [NewTask(id=str(uuid.uuid4()), queue="q", name="app.work", payload=b"") for _ in range(300)]
    ids = [task.id for task in tasks]
    async with RedisDriver(RedisConfig(url=american_server.url)) as driver:
        await driver.enqueue_many(tasks)
        listed: list[str] = []
        page = await driver.list_tasks(queue="q", limit=7)
        listed += [task.id for task in page.tasks]
        while page.after is not None and len(listed) <= len(ids):
            page = await driver.list_tasks(queue="q", limit=7, after=page.after)
            listed += [task.id for task in page.tasks]
        assert listed == ids
        await driver.reserve(["q"], limit=300, lease=0.0001, worker="w")  # lapses before the next call comes
        assert [delivery.id for delivery in await driver.reserve(["q"], limit=300, lease=60, worker="w")] == ids
