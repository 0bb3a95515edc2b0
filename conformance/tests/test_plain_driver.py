"""The suite passes on the plain driver, which is right: what it fails there would be the suite's own mistake."""

from __future__ import annotations

from asynctasq_conformance import DriverConformance
from asynctasq_conformance.mutants.plain_harness import PlainHarness


class TestPlainDriver(DriverConformance):
    """Every example, on asyncio and on trio."""

    harness = PlainHarness()
