"""Where tests find a backend, and a namespace of a test's own on it."""

import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from asynctasq import DriverFactory
from asynctasq.contract.driver import Driver
from asynctasq.memory import drop_store
from asynctasq.tasks.task_ids import new_task_id
from tests.private_backends import variable

SERVERS = ("redis", "postgres", "mysql")
_USUAL_PORTS = {"redis": 6379, "postgres": 5432, "mysql": 3306}


def server_url(name: str) -> str:
    """The URL of a running server, without a namespace; a loud skip if there is none."""
    url = os.environ.get(variable(name))
    if url is None:
        pytest.skip(f"backend: NO {name.upper()} SERVER; set {variable(name)}")
    parts = urlsplit(url)
    address = parts.hostname or "127.0.0.1", parts.port or _USUAL_PORTS[name]
    try:
        socket.create_connection(address, timeout=2).close()
    except OSError:
        pytest.skip(f"backend: NO {name.upper()} SERVER at {address[0]}:{address[1]}; set {variable(name)}")
    return url


@asynccontextmanager
async def own_namespace(name: str, *, prefix: str) -> AsyncGenerator[str]:
    """The URL of a namespace of its own on memory or on a server, emptied at the end."""
    namespace = f"{prefix}-{new_task_id()[-12:]}"
    if name == "memory":
        yield f"memory://?namespace={namespace}"
        drop_store(namespace)
        return
    url = f"{server_url(name)}?namespace={namespace}"
    driver = DriverFactory.create(url)
    await driver.prepare_storage()
    yield url
    async with driver:
        await _empty(driver)


async def _empty(driver: Driver) -> None:
    queues = list(await driver.queue_stats())
    await driver.purge(queues)
    if driver.pausing is not None:
        await driver.pausing.resume(sorted(await driver.pausing.paused_queues()))
