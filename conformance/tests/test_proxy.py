"""The TCP proxy leaves no connection behind, whatever its server does."""

import gc
import socket

import anyio
import pytest
from asynctasq_conformance.faults.proxy import open_proxy

pytestmark = pytest.mark.anyio


async def test_a_server_that_is_down_closes_its_clients_connections() -> None:
    """A proxy outlives its server: clients are cut off, and the proxy takes the next one."""
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        async with open_proxy(nobody_listens.getsockname()) as proxy:
            for _ in range(2):
                async with await anyio.connect_tcp(*proxy.address) as client:
                    with anyio.fail_after(5.0), pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                        await client.receive()


async def test_a_proxy_that_ends_while_it_connects_leaves_no_socket() -> None:
    """The client of a proxy that was still connecting to a slow server is closed with it."""
    with socket.socket() as server, socket.socket() as first:
        server.bind(("127.0.0.1", 0))
        server.listen(0)  # one connection waits to be accepted, and the next ones are not even answered
        first.connect(server.getsockname())
        async with open_proxy(server.getsockname()) as proxy:
            client = await anyio.connect_tcp(*proxy.address)
            await anyio.wait_all_tasks_blocked()
        async with client:
            with anyio.fail_after(5.0), pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await client.receive()
    gc.collect()  # a socket that nobody closed is a warning here, and so a failure
