"""The driver behind Sentinels: it finds the master, and finds the new one after a failover."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from asynctasq_redis.driver import RedisDriver
from asynctasq_redis.settings import RedisConfig
from redis import Redis

from asynctasq.driver_api import DriverUnavailable, NewTask

from .servers import RedisServer, SentinelServer, skip_without_binary

SERVICE = "mymaster"


class Deployment:
    """A master, its replica, and a Sentinel."""

    def __init__(self, master: RedisServer, replica: RedisServer, sentinel: SentinelServer) -> None:
        self.master, self.replica, self.sentinel = master, replica, sentinel
        self.url = f"redis+sentinel://127.0.0.1:{sentinel.port}/{SERVICE}/2"


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """Started, and with the replica in step."""
    skip_without_binary()
    with ExitStack() as stack:
        master = stack.enter_context(RedisServer(tmp_path / "master"))
        replica = stack.enter_context(
            RedisServer(
                tmp_path / "replica", "--replicaof", f"127.0.0.1 {master.port}", "--repl-diskless-sync-delay", "0"
            )
        )
        sentinel = stack.enter_context(SentinelServer(tmp_path / "sentinel", SERVICE, master.port))
        with Redis(port=replica.port) as client, Redis(port=sentinel.port) as watcher:
            deadline = time.monotonic() + 20
            while not _is_in_step(client, watcher):
                assert time.monotonic() < deadline, "the replica did not get in step"
                time.sleep(0.05)
        yield Deployment(master, replica, sentinel)


def _is_in_step(replica: Any, sentinel: Any) -> bool:
    link = replica.info("replication").get("master_link_status")
    return link == "up" and len(sentinel.execute_command("SENTINEL", "REPLICAS", SERVICE)) == 1


@pytest.mark.anyio
async def test_after_a_failover_the_driver_talks_to_the_new_master(deployment: Deployment, namespace: str) -> None:
    """The same driver goes on, with what was replicated."""
    async with RedisDriver(RedisConfig(url=deployment.url, namespace=namespace)) as driver:
        await driver.enqueue_many([NewTask(id="before", queue="q", name="n", payload=b"x")])
        with Redis(port=deployment.master.port) as master:
            assert master.execute_command("WAIT", 1, 5000) == 1
        deployment.master.kill()
        outcomes = await _until_it_answers(driver, NewTask(id="after", queue="q", name="n", payload=b"x"))
        assert outcomes[0].accepted or outcomes[0].existing_id == "after"
        assert {"before", "after"} == set(await driver.get_tasks(["before", "after"]))
    with Redis(port=deployment.replica.port, db=2) as replica:
        assert replica.info("replication")["role"] == "master"
        assert replica.dbsize() > 0


async def _until_it_answers(driver: RedisDriver, task: NewTask) -> Any:
    with anyio.fail_after(40):
        while True:
            try:
                return await driver.enqueue_many([task])
            except DriverUnavailable:
                await anyio.sleep(0.1)


@pytest.mark.anyio
async def test_an_unknown_master_is_an_outage(server: RedisServer, tmp_path: Path, namespace: str) -> None:
    """Sentinels that know no such master may learn of it: the driver says that it is unavailable."""
    with SentinelServer(tmp_path / "sentinel", SERVICE, server.port) as sentinel:
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/nobody"
        with pytest.raises(DriverUnavailable, match="nobody"):
            await RedisDriver(RedisConfig(url=url, namespace=namespace)).connect()
