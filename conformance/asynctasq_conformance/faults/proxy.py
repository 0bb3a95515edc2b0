"""A TCP proxy between a driver and its server, which breaks what it is told to break."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import anyio.abc

CHUNK = 64 * 1024


@dataclass
class Fault:
    """What the proxy does to the connections that pass through it. The default is nothing."""

    refuse: bool = False
    """Close every new connection at once, and the old ones."""
    drop_replies: bool = False
    """Swallow what the server says; requests still arrive."""
    cut_after: int | None = None
    """Close a connection once so many bytes of replies have passed, even in the middle of one."""
    half_close: bool = False
    """End the server's side of the conversation, and leave the client's open."""
    delay: float = 0.0
    """Seconds that every reply is late."""


class TcpProxy:
    """Listens on a port of its own and connects to the server for whoever comes."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._streams: set[anyio.abc.SocketStream] = set()
        self.address: tuple[str, int] = ("127.0.0.1", 0)
        self.fault = Fault()
        self.turns = 0
        """How often a client has spoken after the server: round trips, at most."""
        self.replied = 0
        """Bytes of replies that have passed since the fault was set."""
        self.swallowed = 0
        """Replies that were dropped."""
        self.cut_short = 0
        """Connections that were closed within a reply."""
        self.delayed = 0
        """Replies that came late."""

    def set(self, fault: Fault) -> None:
        """From now on, this fault."""
        self.fault = fault
        self.replied = 0

    async def cut(self) -> int:
        """Close every connection; how many ends of connections there were."""
        streams = list(self._streams)
        for stream in streams:
            await anyio.aclose_forcefully(stream)
        return len(streams)

    async def serve(self, client: anyio.abc.SocketStream) -> None:
        """One client's connection."""
        try:
            if not self.fault.refuse:
                await self._connect_through(client)
        finally:
            await _abort(client)

    async def _connect_through(self, client: anyio.abc.SocketStream) -> None:
        try:
            server = await anyio.connect_tcp(*self._target)
        except OSError:
            return  # the server is down: its clients find their connections closed
        self._streams |= {client, server}
        try:
            async with anyio.create_task_group() as pair:
                pair.start_soon(self._requests, client, server, pair.cancel_scope)
                pair.start_soon(self._replies, server, client, pair.cancel_scope)
        finally:
            self._streams -= {client, server}
            await _abort(server)

    async def _requests(
        self, client: anyio.abc.SocketStream, server: anyio.abc.SocketStream, scope: anyio.CancelScope
    ) -> None:
        try:
            while True:
                data = await client.receive(CHUNK)
                self.turns += 1
                await server.send(data)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            scope.cancel()

    async def _replies(
        self, server: anyio.abc.SocketStream, client: anyio.abc.SocketStream, scope: anyio.CancelScope
    ) -> None:
        try:
            while True:
                data = await server.receive(CHUNK)
                fault = self.fault
                if fault.delay:
                    await anyio.sleep(fault.delay)
                    self.delayed += 1
                if fault.drop_replies:
                    self.swallowed += 1
                    continue
                if fault.half_close:
                    await client.send_eof()
                    await anyio.sleep_forever()
                if fault.cut_after is not None and self.replied + len(data) >= fault.cut_after:
                    await client.send(data[: fault.cut_after - self.replied])
                    self.cut_short += 1
                    scope.cancel()
                    return
                self.replied += len(data)
                await client.send(data)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            scope.cancel()


async def _abort(stream: anyio.abc.SocketStream) -> None:
    with anyio.CancelScope(shield=True):
        await anyio.aclose_forcefully(stream)


@asynccontextmanager
async def open_proxy(target: tuple[str, int]) -> AsyncGenerator[TcpProxy]:
    """A proxy to `target`, on a free port."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    try:
        async with anyio.create_task_group() as group:
            proxy = TcpProxy(target)
            proxy.address = ("127.0.0.1", int(listener.extra(anyio.abc.SocketAttribute.local_port)))
            group.start_soon(listener.serve, proxy.serve)
            yield proxy
            group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await listener.aclose()
