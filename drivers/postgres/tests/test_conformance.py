"""The driver keeps the contract: on the server that is there, and on a private one that is killed."""

from collections.abc import Iterator

import pytest
from asynctasq_conformance import DriverConformance

from .harness import PostgresHarness, PrivatePostgresHarness


@pytest.mark.usefixtures("postgres_url")
class TestPostgres(DriverConformance):
    """The whole suite, on the server that is there."""

    harness = PostgresHarness()


@pytest.mark.slow
class TestPostgresKilled(DriverConformance):
    """The whole suite, on a server that the suite may kill with SIGKILL and start again."""

    harness = PrivatePostgresHarness()

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _private_server(cls) -> Iterator[None]:
        cls.harness.start()
        yield
        cls.harness.stop()
