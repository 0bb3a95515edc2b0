"""The conformance suite, on a real server."""

import pytest
from asynctasq_conformance import DriverConformance

from .harness import PostgresHarness

pytestmark = pytest.mark.usefixtures("postgres_url")


class TestPostgres(DriverConformance):
    """The whole contract."""

    harness = PostgresHarness()
