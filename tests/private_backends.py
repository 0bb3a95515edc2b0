"""Private servers on free ports, started from installed binaries, for whatever needs a backend and was given no URL.

    python tests/private_backends.py COMMAND [ARGUMENT ...]

runs a command with the servers that could be started: `ASYNCTASQ_TEST_<NAME>_URL` and `ASYNCTASQ_<NAME>_URL` say where
they are. Their storage is prepared.
"""

import importlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def variable(name: str) -> str:
    """The variable that says where the tests find a backend."""
    return f"ASYNCTASQ_TEST_{name.upper()}_URL"


def _redis(folder: Path, port: int, servers: Any) -> Any:
    return servers.RedisServer(folder, port=port)


def _postgres(folder: Path, port: int, servers: Any) -> Any:
    server = servers.PostgresServer("--fsync=on")
    server.port = port
    return server


def _mysql(folder: Path, port: int, servers: Any) -> Any:
    server = servers.MariaDBServer(folder / "data")
    server.port = port
    return server


BACKENDS: dict[str, Callable[[Path, int, Any], Any]] = {"redis": _redis, "postgres": _postgres, "mysql": _mysql}
_PLACES = {
    "redis": "redis://127.0.0.1:{}/0",
    "postgres": "postgresql://root@127.0.0.1:{}/postgres",
    "mysql": "mysql://root@127.0.0.1:{}/test",
}


@contextmanager
def private_backend(name: str) -> Iterator[str | None]:
    """A server of its own for `name`, and its URL in the environment; None, said loudly, if it can't be started here.

    The URL is set before the modules of the driver's tests are imported, which read it once.
    """
    port = _free_port()
    os.environ[variable(name)] = _PLACES[name].format(port)
    with tempfile.TemporaryDirectory(prefix=f"asynctasq-{name}-") as folder, ExitStack() as ending:
        ending.callback(os.environ.pop, variable(name), None)
        try:
            servers = importlib.import_module(f"drivers.{name}.tests.servers")
            server = BACKENDS[name](Path(folder), port, servers)
            ending.callback(server.remove if hasattr(server, "remove") else server.kill)
            server.start()
        except Exception as error:  # whatever keeps it from starting, the tests of the other backends run
            sys.stderr.write(f"no private server for {name}: {error!r}\n")
            ending.close()
        yield os.environ.get(variable(name))


def _free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


_EVERYBODY = ("tests/packaging", "tests/acceptance", "tests/moving")
_USERS = {
    "redis": ("drivers/redis", *_EVERYBODY),
    "postgres": ("drivers/postgres", *_EVERYBODY),
    "mysql": ("drivers/mysql", *_EVERYBODY),
}
"""The folders whose tests talk to a server of that kind."""


def needed(arguments: Sequence[str]) -> list[str]:
    """The backends whose users are among what pytest was asked for, and that were given no URL."""
    asked = [Path(argument.split("::")[0]).resolve() for argument in arguments]
    return [
        name
        for name in BACKENDS
        if variable(name) not in os.environ and any(_meet(path, ROOT / user) for path in asked for user in _USERS[name])
    ]


def _meet(one: Path, other: Path) -> bool:
    """Whether one lies in the other."""
    return one.is_relative_to(other) or other.is_relative_to(one)


def main(command: Sequence[str]) -> int:
    """Run a command with every backend that could be started."""
    sys.path.insert(0, str(ROOT))
    with ExitStack() as stack:
        for name in BACKENDS:
            url = os.environ.get(variable(name)) or stack.enter_context(private_backend(name))
            if url is not None:
                os.environ[f"ASYNCTASQ_{name.upper()}_URL"] = url
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
