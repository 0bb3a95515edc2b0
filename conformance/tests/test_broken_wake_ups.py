"""The example of streams that break, on plain drivers whose hints come over a real connection."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.abc
import anyio.lowlevel
import pytest
from asynctasq_conformance.examples import all_examples
from asynctasq_conformance.harness import DriverHarness
from asynctasq_conformance.mutants.plain_driver import PlainDriver
from asynctasq_conformance.mutants.plain_features import PlainStream, PlainWakeUps
from asynctasq_conformance.mutants.plain_storage import HandClock, Storage
from asynctasq_conformance.running import run_example

from asynctasq.driver_api import DriverUnavailable

[EXAMPLE] = [example for example in all_examples() if "WAK-7" in example.sentences]

GREETING = b"hello"


class WiredStream(PlainStream):
    """Hints for as long as its connection stands; says when it broke."""

    def __init__(self, driver: PlainDriver, queues: Sequence[str], connection: anyio.abc.ByteStream) -> None:
        super().__init__(driver, queues)
        self.connection = connection
        self.broken = False

    async def wait(self, timeout: float) -> bool:
        with anyio.move_on_after(0.05):  # an end that has come is seen before any hint
            await self.until_cut()
        if self.broken:
            return await self.when_broken(timeout)
        return await super().wait(timeout)

    async def until_cut(self) -> None:
        """Read what never comes."""
        try:
            await self.connection.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            self.broken = True

    async def when_broken(self, timeout: float) -> bool:
        """What is told of a connection that is gone."""
        await anyio.lowlevel.checkpoint()
        raise DriverUnavailable("the connection that carries the hints broke")


class HintsOnceThenSaysSo(WiredStream):
    """Wakes its listener for nothing when the connection goes, and says so at the next call."""

    hinted = False

    async def when_broken(self, timeout: float) -> bool:
        if self.hinted:
            return await super().when_broken(timeout)
        self.hinted = True
        await anyio.lowlevel.checkpoint()
        return True


class HintsOnceThenIsSilent(HintsOnceThenSaysSo):
    """Wakes its listener for nothing when the connection goes, and never again."""

    async def when_broken(self, timeout: float) -> bool:
        if self.hinted:
            await anyio.sleep(timeout)
            return False
        return await super().when_broken(timeout)


class WiredHarness(DriverHarness):
    """Plain drivers, whose hints come over a connection to `address`."""

    patience = 0.3

    def __init__(self, address: tuple[str, int], stream_class: type[WiredStream]) -> None:
        self.address = address
        self.stream_class = stream_class
        self.storages: dict[str, Storage] = {}
        self.hand_clock = HandClock()
        self.clock = self.hand_clock

    async def open_driver(self, namespace: str) -> PlainDriver:
        driver = PlainDriver(self.storages.setdefault(namespace, Storage()), self.hand_clock)
        address, stream_class = self.address, self.stream_class
        assert address is not None

        class WiredWakeUps(PlainWakeUps):
            @asynccontextmanager
            async def listen(self, queues: Sequence[str]) -> AsyncGenerator[PlainStream]:
                async with await anyio.connect_tcp(*address) as connection:
                    assert await connection.receive() == GREETING
                    yield stream_class(self.driver, queues, connection)

        driver.wake_ups_class = WiredWakeUps
        return driver


class _Hold(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(GREETING)
        while self.request.recv(1):
            continue


@pytest.fixture
def address() -> Generator[tuple[str, int]]:
    """A server that takes connections, greets, and says nothing more."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Hold) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        host, port = server.server_address[:2]
        yield str(host), port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("stream_class", [WiredStream, HintsOnceThenSaysSo])
def test_a_stream_that_says_it_broke_is_right(address: tuple[str, int], stream_class: type[WiredStream]) -> None:
    """At once, or after a hint for nothing: both keep the promise."""
    run_example(EXAMPLE, WiredHarness(address, stream_class), "asyncio")


def test_a_stream_that_falls_silent_is_caught(address: tuple[str, int]) -> None:
    """One hint when the connection goes, and silence from then on, is a listener that waits in vain."""
    with pytest.raises(AssertionError, match="`wait` had told nothing"):
        run_example(EXAMPLE, WiredHarness(address, HintsOnceThenIsSilent), "asyncio")
