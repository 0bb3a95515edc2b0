"""The driver keeps the contract: on the server that is there, and on one that is killed."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from asynctasq_conformance import DriverConformance

from .harness import MySQLHarness
from .private_harness import PrivateMySQLHarness
from .servers import skip_without_binaries, skip_without_server


class TestMySQL(DriverConformance):
    """The whole suite, on the server that is there."""

    harness = MySQLHarness()

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _server(cls) -> None:
        skip_without_server()


@pytest.mark.slow
class TestMySQLWithRestarts(DriverConformance):
    """The whole suite, restarts by SIGKILL, and guests at READ COMMITTED, on a private server."""

    harness = PrivateMySQLHarness()

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _private_server(cls) -> Iterator[None]:
        skip_without_binaries()
        with tempfile.TemporaryDirectory() as folder:
            cls.harness.start(Path(folder) / "mariadb")
            yield
            cls.harness.stop()
