"""The servers that the tests use."""

import socket
from urllib.parse import urlsplit

import pytest

from .harness import SERVER_URL


def skip_without_server() -> None:
    """Skip, loudly, if the server is not there."""
    parts = urlsplit(SERVER_URL)
    address = (parts.hostname or "127.0.0.1", parts.port or 3306)
    try:
        socket.create_connection(address, timeout=2).close()
    except OSError:
        pytest.skip(f"backend: NO MYSQL SERVER at {address[0]}:{address[1]}; set ASYNCTASQ_TEST_MYSQL_URL")
