"""Private PostgreSQL servers, and a PgBouncer, for the tests that stop, kill or reconfigure one."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

_START_TIME = 20.0


def server_url() -> str:
    """Where the server is that the tests use. Not read before it is wanted: a private one is started later than the
    conftest.py of a folder that pytest was asked for is imported."""
    return os.environ.get("ASYNCTASQ_TEST_POSTGRES_URL", "postgresql://root@127.0.0.1:5432/test")


def _binary(name: str) -> str | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders), "/usr/sbin"])
    return shutil.which(name, path=path)


def skip_without_binary() -> None:
    """Skip, loudly, if no private server can be started."""
    if _binary("initdb") is None or _binary("postgres") is None:
        pytest.skip("backend: NO initdb AND postgres BINARIES: what needs a private server is not tested")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _user() -> str | None:
    """PostgreSQL's programs refuse to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


class _Process:
    """A server process in a folder of its own."""

    def __init__(self, prefix: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._log = (self.folder / "log").open("ab")
        self.own()

    def own(self) -> None:
        """Hand the folder to the user that the server runs as."""
        if (user := _user()) is not None:
            shutil.chown(self.folder, user)
            for path in self.folder.rglob("*"):
                shutil.chown(path, user)

    def run(self, *arguments: str) -> None:
        """Run a program to its end."""
        subprocess.run(arguments, check=True, stdout=self._log, stderr=self._log, user=_user(), cwd=self.folder)

    def spawn(self, arguments: Sequence[str]) -> None:
        """Start the server and wait until it listens."""
        self._process = subprocess.Popen(
            arguments, stdout=self._log, stderr=self._log, user=_user(), cwd=self.folder, start_new_session=True
        )
        deadline = time.monotonic() + _START_TIME
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            if self.is_ready():
                return
            time.sleep(0.05)
        raise RuntimeError(f"the server did not start: {(self.folder / 'log').read_text()[-2000:]}")

    def is_ready(self) -> bool:
        """Whether it accepts connections."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server."""
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGQUIT) -> None:
        """End it, by default as a crash would."""
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(_START_TIME / 2)
            except subprocess.TimeoutExpired:  # a shell may have let it inherit that the signal is ignored
                self._process.kill()
                self._process.wait(_START_TIME)
            self._process = None

    def remove(self) -> None:
        """End it and remove its folder."""
        self.stop()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgresServer(_Process):
    """One server, with a database `test` and trust for everybody, which keeps its port when started again."""

    def __init__(self, *options: str) -> None:
        super().__init__("asynctasq-postgres-")
        self._options = options
        data = str(self.folder / "data")
        initdb = _binary("initdb")
        assert initdb is not None
        self.run(initdb, "-D", data, "-A", "trust", "-U", "root", "-E", "UTF8", "--locale=C", "--no-sync")

    def use(self, *options: str) -> None:
        """Start with these options as well."""
        self._options += options

    @property
    def url(self) -> str:
        """The URL of its database."""
        return f"postgresql://root@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, again or for the first time."""
        postgres = _binary("postgres")
        assert postgres is not None
        options = [f"--port={self.port}", "--listen_addresses=127.0.0.1", f"--unix_socket_directories={self.folder}"]
        self.spawn([postgres, "-D", str(self.folder / "data"), *options, *self._options])

    def is_ready(self) -> bool:
        """A server that recovers from a crash listens before it answers."""
        ready = _binary("pg_isready")
        assert ready is not None
        done = subprocess.run([ready, "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False)
        return done.returncode == 0

    def _signal_all(self, number: signal.Signals) -> None:
        assert self._process is not None
        pid = self._process.pid
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        for process in (pid, *children):
            os.kill(process, number)

    def freeze(self) -> None:
        """Stop every process of it where it stands."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal_all(signal.SIGCONT)

    def kill(self) -> None:
        """Kill every process of it with SIGKILL, as a failing machine would."""
        if self._process is not None:
            self._signal_all(signal.SIGKILL)
            self._process.wait(_START_TIME)
            self._process = None
            while self.is_ready():
                time.sleep(0.02)


class PgBouncer(_Process):
    """A PgBouncer in transaction mode, with two server connections for everybody."""

    def __init__(self, server_host: str, server_port: int, database: str) -> None:
        super().__init__("asynctasq-pgbouncer-")
        binary = _binary("pgbouncer")
        if binary is None:
            self.remove()
            pytest.skip("backend: NO pgbouncer BINARY on the path: PgBouncer is not tested")
        self._binary = binary
        self._database = database
        (self.folder / "pgbouncer.ini").write_text(
            f"[databases]\n{database} = host={server_host} port={server_port} dbname={database}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nauth_type = any\n"
            "pool_mode = transaction\ndefault_pool_size = 2\nunix_socket_dir =\n"
        )
        text = (self.folder / "pgbouncer.ini").read_text()
        text = text.replace(f"dbname={database}", f"dbname={database} user=root")
        (self.folder / "pgbouncer.ini").write_text(text)
        self.own()

    @property
    def url(self) -> str:
        """The database behind it."""
        return f"postgresql://root@127.0.0.1:{self.port}/{self._database}"

    def start(self) -> None:
        """Start it."""
        self.spawn([self._binary, str(self.folder / "pgbouncer.ini")])
