"""The suite for a driver that is given by its URL alone: `asynctasq-conformance run URL` collects this module."""

from __future__ import annotations

import os

from asynctasq.driver_api import Driver
from asynctasq.testing import DriverFactory, verify_traits
from asynctasq_conformance.harness import DriverHarness
from asynctasq_conformance.suite import DriverConformance

VARIABLE = "ASYNCTASQ_CONFORMANCE_URL"


class UrlHarness(DriverHarness):
    """Opens whatever driver the URL (or name) picks, with the namespace of the example."""

    def __init__(self, target: str) -> None:
        self.target = target

    async def open_driver(self, namespace: str) -> Driver:
        return DriverFactory.create(self.target, namespace=namespace)

    def verify(self, driver: Driver) -> None:
        """A connected driver claims no more than its plugin advertises. Raises `PluginInvalid`."""
        verify_traits(driver, DriverFactory.load(self.target).spec)


class TestDriver(DriverConformance):
    """The whole suite, in real time."""

    harness = UrlHarness(os.environ.get(VARIABLE, ""))
