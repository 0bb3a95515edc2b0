"""A network that breaks between the workers and their server, which itself goes on."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
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
            for fault in scene.chooser.sample(list(WAYS), k=len(WAYS)):
                await anyio.sleep(scene.chooser.uniform(0.3, 1.0))
                struck = await WAYS[fault](proxy, scene.chooser)
                proxy.set(Broken())
                if struck:
                    scene.fired(fault, 0)
    finally:
        proxy.set(Broken())


async def with_the_others(_scene: Scene) -> None:
    """Of a fault that `break_network` brings about."""
    await anyio.lowlevel.checkpoint()


async def _reset(proxy: TcpProxy, chooser: random.Random) -> bool:
    """F5: all connections end, a few times in a row."""
    ended = 0
    for _ in range(3):
        ended += await proxy.cut()
        await anyio.sleep(chooser.uniform(0.1, 0.5))
    return ended > 0


async def _lose_replies(proxy: TcpProxy, chooser: random.Random) -> bool:
    """F7: what was sent has its effect, and nobody learns of it."""
    swallowed_before = proxy.swallowed
    proxy.set(Broken(drop_replies=True))
    await anyio.sleep(chooser.uniform(0.1, 0.5))
    await _until(lambda: proxy.swallowed > swallowed_before)
    await proxy.cut()
    return proxy.swallowed > swallowed_before


async def _cut_within(proxy: TcpProxy, chooser: random.Random) -> bool:
    """F8: connections end in the middle of a reply."""
    cut_before = proxy.cut_short
    proxy.set(Broken(cut_after=chooser.randrange(5, 3000)))
    await anyio.sleep(0.3)
    await _until(lambda: proxy.cut_short > cut_before)
    await proxy.cut()
    return proxy.cut_short > cut_before


async def _be_late(proxy: TcpProxy, chooser: random.Random) -> bool:
    """F9: replies are late, by less than a quarter of a lease."""
    delayed_before = proxy.delayed
    proxy.set(Broken(delay=chooser.choice([0.05, 0.3])))
    await anyio.sleep(1.5)
    return proxy.delayed > delayed_before


async def _until(struck: Callable[[], bool]) -> None:
    """Leave a fault a little longer if nobody has met it yet."""
    for _ in range(50):
        if struck():
            return
        await anyio.sleep(0.02)


Way = Callable[[TcpProxy, random.Random], Awaitable[bool]]
WAYS: dict[str, Way] = {"F5": _reset, "F7": _lose_replies, "F8": _cut_within, "F9": _be_late}
"""Fault -> what brings it about, and tells whether it struck anything."""
