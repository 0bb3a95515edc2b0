"""The driver keeps the contract."""

from asynctasq_conformance import DriverConformance

from .harness import SQLiteHarness


class TestSQLite(DriverConformance):
    """The whole suite, on one file."""

    harness = SQLiteHarness()
