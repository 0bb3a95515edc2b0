"""How the conformance suite reaches a private server, which it may kill."""

from pathlib import Path

import anyio.to_thread

from .harness import MySQLHarness
from .servers import MariaDBServer


class PrivateMySQLHarness(MySQLHarness):
    """A private server that keeps what it acknowledged, and is killed to prove it."""

    def __init__(self) -> None:
        super().__init__("mysql://root@127.0.0.1:1/test", isolation="READ COMMITTED")  # `start` says where it is
        self.event_loops = ("asyncio",)
        self._server: MariaDBServer | None = None

    def start(self, folder: Path) -> None:
        """Start the server."""
        self._server = MariaDBServer(folder)
        self._server.start()
        self.address = ("127.0.0.1", self._server.port)

    def stop(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.kill()

    async def restart_backend(self) -> None:
        """Kill the server and start it again."""
        assert self._server is not None
        await anyio.to_thread.run_sync(self._server.kill)
        await anyio.to_thread.run_sync(self._server.start)
