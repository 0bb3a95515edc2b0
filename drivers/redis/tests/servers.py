"""Private Redis servers for the tests that stop, fill, kill or reconfigure one."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest

BINARY = shutil.which("redis-server")
SERVER_URL = os.environ.get("ASYNCTASQ_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
_START_TIME = 10.0


def skip_without_server() -> None:
    """Skip, loudly, if nobody listens at `SERVER_URL`."""
    parts = urlsplit(SERVER_URL)
    try:
        socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), timeout=2).close()
    except OSError:
        pytest.skip(f"backend: NO REDIS SERVER at {parts.hostname}:{parts.port}; set ASYNCTASQ_TEST_REDIS_URL")


def skip_without_binary() -> None:
    """Skip, loudly, if no private server can be started."""
    if BINARY is None:
        pytest.skip("backend: NO redis-server BINARY on the path: what needs a private server is not tested")


def free_port() -> int:
    """A port that nobody listens on, and neither on that of a cluster's bus, which is 10,000 above it. Both lie below
    the ports that the system gives to clients."""
    while True:
        port = random.randrange(12_000, 22_000)
        if _is_free(port) and _is_free(port + 10_000):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class RedisServer:
    """One server process in a folder of its own, which keeps its port when it is started again."""

    def __init__(
        self, folder: Path, *options: str, port: int | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._options = options
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Without credentials."""
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def command(self) -> list[str]:
        """The command that starts it."""
        assert BINARY is not None
        place = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder))
        return [BINARY, *place, "--save", "", *self._options]

    def start(self, *, wait: bool = True) -> None:
        """Start, and return when it accepts connections."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            self.command(), env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        if wait:
            wait_for_port(self.port)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def end(self) -> None:
        """Tell it to end, and wait until it has."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait()
        self._process = None

    def freeze(self) -> None:
        """Let it hold its connections and say nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def wait_for_port(port: int) -> None:
    """Return when somebody accepts connections there."""
    deadline = time.monotonic() + _START_TIME
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise TimeoutError(f"nothing listens on port {port}")


class SentinelServer(RedisServer):
    """A Sentinel that watches one master alone, and so may decide alone."""

    def __init__(self, folder: Path, service: str, master_port: int) -> None:
        super().__init__(folder)
        self._lines = (
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {folder}",
            f"sentinel monitor {service} 127.0.0.1 {master_port} 1",
            f"sentinel down-after-milliseconds {service} 500",
            f"sentinel failover-timeout {service} 5000",
        )

    def command(self) -> list[str]:
        """The command that starts it. A Sentinel keeps what it learns in its configuration file."""
        assert BINARY is not None
        file = self.folder / "sentinel.conf"
        if not file.exists():
            file.write_text("\n".join(self._lines) + "\n")
        return [BINARY, str(file), "--sentinel"]
