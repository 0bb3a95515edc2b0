"""The servers that the tests use: one that is there, and private ones of the installed binaries."""

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import pymysql
import pytest

from .harness import SERVER_URL

START_TIME = 60.0
"""Seconds."""


def _binary(*names: str) -> str | None:
    places = "/usr/sbin:/usr/local/sbin:/usr/libexec"
    return next((found for name in names if (found := shutil.which(name) or shutil.which(name, path=places))), None)


SERVER = _binary("mariadbd", "mysqld")
INSTALLER = _binary("mariadb-install-db", "mysql_install_db")


def skip_without_server() -> None:
    """Skip, loudly, if the server is not there."""
    parts = urlsplit(SERVER_URL)
    address = (parts.hostname or "127.0.0.1", parts.port or 3306)
    try:
        socket.create_connection(address, timeout=2).close()
    except OSError:
        pytest.skip(f"backend: NO MYSQL SERVER at {address[0]}:{address[1]}; set ASYNCTASQ_TEST_MYSQL_URL")


def skip_without_binaries() -> None:
    """Skip, loudly, if no private server can be started."""
    if SERVER is None or INSTALLER is None:
        pytest.skip("backend: NO mariadbd AND mariadb-install-db: what needs a private server is not tested")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class MariaDBServer:
    """One server process in a folder of its own, which keeps its port when it is started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of its database `test`."""
        return f"mysql://root@127.0.0.1:{self.port}/test"

    def start(self) -> None:
        """Start, and return when it answers."""
        assert SERVER is not None
        if not self.folder.exists():
            self._install()
        self._process = subprocess.Popen(
            [
                SERVER,
                "--no-defaults",
                f"--datadir={self.folder}",
                f"--port={self.port}",
                f"--socket={self.folder / 's'}",
                "--bind-address=127.0.0.1",
                f"--pid-file={self.folder / 'pid'}",
                "--user=root",
                "--innodb-buffer-pool-size=32M",
                "--innodb-log-file-size=16M",
                *self._options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()

    def _install(self) -> None:
        assert INSTALLER is not None
        subprocess.run(
            [
                INSTALLER,
                "--no-defaults",
                f"--datadir={self.folder}",
                "--auth-root-authentication-method=normal",
                "--user=root",
                "--skip-name-resolve",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIME
        while True:
            try:
                connection = pymysql.connect(host="127.0.0.1", port=self.port, user="root", autocommit=True)
                break
            except pymysql.MySQLError as error:
                assert self._process is not None
                if self._process.poll() is not None:
                    raise RuntimeError(f"the server has ended with {self._process.returncode}") from error
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE IF NOT EXISTS test")
        connection.close()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it hold its connections and say nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        state = Path(f"/proc/{self._process.pid}/stat")
        while state.read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.001)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
