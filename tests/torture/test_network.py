"""A broken network counts only if somebody met it."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from asynctasq_conformance.faults.proxy import Fault as Broken
from asynctasq_conformance.faults.proxy import TcpProxy, open_proxy

from tests.torture.network import WAYS

pytestmark = pytest.mark.anyio


async def _echo(client: SocketStream) -> None:
    async with client:
        try:
            async for data in client:
                await client.send(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return  # the proxy has cut it


@asynccontextmanager
async def _proxy_to_an_echo() -> AsyncIterator[TcpProxy]:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, _echo)
        async with open_proxy(("127.0.0.1", int(listener.extra(SocketAttribute.local_port)))) as proxy:
            yield proxy
        group.cancel_scope.cancel()


async def _chat(proxy: TcpProxy, size: int) -> None:
    """Says something every 10 ms, and listens; connects anew whenever it is cut off."""
    while True:
        try:
            async with await anyio.connect_tcp(*proxy.address) as stream:
                while True:
                    await stream.send(b"x" * size)
                    with anyio.move_on_after(0.5):
                        await stream.receive()
                    await anyio.sleep(0.01)
        except (anyio.EndOfStream, anyio.BrokenResourceError, OSError):
            await anyio.sleep(0.01)


@pytest.mark.parametrize("fault", list(WAYS))
async def test_a_fault_strikes_whoever_talks(fault: str) -> None:
    """While a client talks to its server, each way to break the network strikes it."""
    async with _proxy_to_an_echo() as proxy, anyio.create_task_group() as group:
        group.start_soon(_chat, proxy, 200)
        await anyio.sleep(0.1)
        assert await WAYS[fault](proxy, random.Random(1))
        proxy.set(Broken())
        group.cancel_scope.cancel()


@pytest.mark.parametrize("fault", list(WAYS))
async def test_a_fault_that_nobody_meets_has_not_struck(fault: str) -> None:
    """Where nobody talks, nothing is swallowed, cut or late, and the trial may not count it."""
    async with _proxy_to_an_echo() as proxy:
        assert not await WAYS[fault](proxy, random.Random(1))


async def test_what_is_too_short_to_be_cut_is_not_cut_within() -> None:
    """F8 is a cut within a reply: ending connections whose replies were whole does not count."""
    async with _proxy_to_an_echo() as proxy, await anyio.connect_tcp(*proxy.address) as stream:
        await stream.send(b"x")
        await stream.receive()
        assert not await WAYS["F8"](proxy, random.Random(1))
