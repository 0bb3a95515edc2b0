"""The driver keeps the contract."""

import pytest
from asynctasq_conformance import DriverConformance

from .harness import MySQLHarness
from .servers import skip_without_server


@pytest.fixture(scope="module", autouse=True)
def _server() -> None:
    skip_without_server()


class TestMySQL(DriverConformance):
    """The whole suite, on the server that is there."""

    harness = MySQLHarness()
