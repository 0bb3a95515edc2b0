"""A network that breaks between the workers and their server, which itself goes on."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import anyio
import anyio.lowlevel
from asynctasq_conformance.faults.proxy import Fault as Broken
from asynctasq_conformance.faults.proxy import TcpProxy, open_proxy

from tests.torture.faults import Scene


@asynccontextmanager
async def open_network(url: str) -> AsyncIterator[tuple[TcpProxy, str]]:
    """A proxy in front of the server of `url`, and the URL that leads through it."""
    parts = urlsplit(url)
    assert parts.hostname is not None, "a server has an address"
    assert parts.port is not None
    async with open_proxy((parts.hostname, parts.port)) as proxy:
        login, _, _ = parts.netloc.rpartition("@")
        place = f"{proxy.address[0]}:{proxy.address[1]}"
        yield proxy, urlunsplit(parts._replace(netloc=f"{login}@{place}" if login else place))


async def break_network(scene: Scene) -> None:
    """F5 to F9, in turn and shuffled, with pauses in which everybody may recover."""
    proxy = scene.proxy
    assert proxy is not None, "the plan is one with a network"
    try:
        while True:
            for fault in scene.chooser.sample(list(_WAYS), k=len(_WAYS)):
                await anyio.sleep(scene.chooser.uniform(0.3, 1.0))
                heard_before = proxy.turns
                await _WAYS[fault](proxy, scene.chooser)
                proxy.set(Broken())
                if proxy.turns > heard_before:
                    scene.fired(fault, 0)
    finally:
        proxy.set(Broken())


async def with_the_others(_scene: Scene) -> None:
    """Of a fault that `break_network` brings about."""
    await anyio.lowlevel.checkpoint()


async def _reset(proxy: TcpProxy, chooser: random.Random) -> None:
    """F5: all connections end, a few times in a row."""
    for _ in range(3):
        await proxy.cut()
        await anyio.sleep(chooser.uniform(0.1, 0.5))


async def _lose_replies(proxy: TcpProxy, chooser: random.Random) -> None:
    """F7: what was sent has its effect, and nobody learns of it."""
    proxy.set(Broken(drop_replies=True))
    await anyio.sleep(chooser.uniform(0.1, 0.5))
    await proxy.cut()


async def _cut_within(proxy: TcpProxy, chooser: random.Random) -> None:
    """F8: connections end in the middle of a reply."""
    proxy.set(Broken(cut_after=chooser.randrange(5, 3000)))
    await anyio.sleep(0.3)
    await proxy.cut()


async def _be_late(proxy: TcpProxy, chooser: random.Random) -> None:
    """F9: replies are late, by less than a quarter of a lease."""
    proxy.set(Broken(delay=chooser.choice([0.05, 0.3])))
    await anyio.sleep(1.5)


_WAYS = {"F5": _reset, "F7": _lose_replies, "F8": _cut_within, "F9": _be_late}
