"""The driver on a real cluster of three nodes: every promise holds, because a namespace is one slot."""

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from asynctasq_conformance import DriverConformance
from asynctasq_redis.driver import RedisDriver
from asynctasq_redis.settings import RedisConfig
from redis import Redis
from redis.crc import key_slot

from asynctasq.driver_api import Complete, ConfigurationError, DriverUnavailable, NewTask

from .harness import ClusterRedisHarness
from .servers import RedisServer, skip_without_binary

NODES = 3
SLOTS = 16384


def _node(server: RedisServer) -> Any:
    return Redis(port=server.port)


def _tell(server: RedisServer, *command: object) -> Any:
    with _node(server) as client:
        return client.execute_command(*command)


class Cluster:
    """Three masters that share the slots."""

    def __init__(self, nodes: list[RedisServer]) -> None:
        self.nodes = nodes
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)

    def form(self) -> None:
        """Let the nodes meet, and give each a third of the slots."""
        for index, node in enumerate(self.nodes):
            first, last = index * SLOTS // NODES, (index + 1) * SLOTS // NODES - 1
            _tell(node, "CLUSTER", "ADDSLOTSRANGE", first, last)
            _tell(node, "CLUSTER", "SET-CONFIG-EPOCH", index + 1)
            _tell(self.nodes[0], "CLUSTER", "MEET", "127.0.0.1", node.port)
        deadline = time.monotonic() + 20
        while not all(b"cluster_state:ok" in _tell(node, "CLUSTER", "INFO") for node in self.nodes):
            assert time.monotonic() < deadline, "the cluster did not come up"
            time.sleep(0.05)

    def owner_and_other(self, key: str) -> tuple[RedisServer, RedisServer]:
        """The node that serves the key, and one that does not."""
        index = key_slot(key.encode()) * NODES // SLOTS
        return self.nodes[index], self.nodes[(index + 1) % NODES]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes, formed once for the module."""
    skip_without_binary()
    folder: Path = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(
                RedisServer(folder / str(index), "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
            )
            for index in range(NODES)
        ]
        formed = Cluster(nodes)
        formed.form()
        yield formed


@pytest.fixture
async def driver(cluster: Cluster, namespace: str) -> AsyncGenerator[RedisDriver]:
    """A driver in a namespace of its own."""
    async with RedisDriver(RedisConfig(url=cluster.url, namespace=namespace)) as driver:
        yield driver


class TestRedisCluster(DriverConformance):
    """The whole suite, on the cluster."""

    harness = ClusterRedisHarness()

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _cluster(cls, cluster: Cluster) -> None:
        cls.harness.use(cluster.url, cluster.nodes)


async def _round(driver: RedisDriver, number: int) -> None:
    tasks = [NewTask(id=f"task-{number}-{i}", queue="q", name="n", payload=b"x") for i in range(10)]
    assert all(outcome.accepted for outcome in await driver.enqueue_many(tasks))
    deliveries = await driver.reserve(["q"], limit=10, lease=30, worker="w")
    assert {delivery.id for delivery in deliveries} == {task.id for task in tasks}
    await driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])


@pytest.mark.anyio
async def test_several_namespaces_share_the_cluster(cluster: Cluster, namespace: str) -> None:
    """Each namespace works on whatever node has its slot."""
    for number in range(2 * NODES):
        async with RedisDriver(RedisConfig(url=cluster.url, namespace=f"{namespace}-{number}")) as driver:
            await _round(driver, number)


@pytest.mark.anyio
async def test_a_moving_namespace_waits_and_loses_nothing(
    cluster: Cluster, driver: RedisDriver, namespace: str
) -> None:
    """While its slot moves, every call is refused without effect; then the driver follows, with every task there."""
    key = f"asynctasq:{{{namespace}}}:"
    slot = key_slot(key.encode())
    old, new = cluster.owner_and_other(key)
    await driver.enqueue_many([NewTask(id="waits", queue="q", name="n", payload=b"x", remember_for=60)])
    old_id, new_id = (_tell(node, "CLUSTER", "MYID").decode() for node in (old, new))

    _tell(new, "CLUSTER", "SETSLOT", slot, "IMPORTING", old_id)
    _tell(old, "CLUSTER", "SETSLOT", slot, "MIGRATING", new_id)
    keys = _tell(old, "CLUSTER", "GETKEYSINSLOT", slot, 100)
    for half in (keys[::2], keys[1::2]):
        with pytest.raises(DriverUnavailable, match="moving"):
            await driver.enqueue_many([NewTask(id="too-early", queue="q", name="n", payload=b"x")])
        _tell(old, "MIGRATE", "127.0.0.1", new.port, "", 0, 5000, "KEYS", *half)
    for node in (new, old):
        _tell(node, "CLUSTER", "SETSLOT", slot, "NODE", new_id)

    assert set(await driver.get_tasks(["waits", "too-early"])) == {"waits"}
    deliveries = await driver.reserve(["q"], limit=10, lease=30, worker="w")
    assert [delivery.id for delivery in deliveries] == ["waits"]

    await driver.purge(["q"])


@pytest.mark.anyio
async def test_any_node_leads_to_the_owner(cluster: Cluster, namespace: str) -> None:
    """One node that is not the owner is enough to begin with, even if others of the list are down."""
    _, other = cluster.owner_and_other(f"asynctasq:{{{namespace}}}:")
    url = f"redis+cluster://127.0.0.1:1,127.0.0.1:{other.port}"
    async with RedisDriver(RedisConfig(url=url, namespace=namespace)) as driver:
        await _round(driver, 0)


@pytest.mark.anyio
async def test_a_wake_up_reaches_a_listener(driver: RedisDriver) -> None:
    """Hints work on a cluster as they do on one server."""
    assert driver.wake_ups is not None
    async with driver.wake_ups.listen(["q"]) as stream:
        await driver.enqueue_many([NewTask(id="task", queue="q", name="n", payload=b"x")])
        assert await stream.wait(5)


def test_a_cluster_has_one_database() -> None:
    """A database number is refused before anything is sent."""
    with pytest.raises(ConfigurationError, match="database 0"):
        RedisDriver(RedisConfig(url="redis+cluster://127.0.0.1:7000", db=3))
