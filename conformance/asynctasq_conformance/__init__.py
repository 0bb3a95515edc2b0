"""The driver contract of asynctasq in executable form: run it on your own driver.

    from asynctasq_conformance import DriverConformance, DriverHarness

    class AcmeHarness(DriverHarness):
        async def open_driver(self, namespace):
            return AcmeDriver("acme://localhost", namespace=namespace)

    class TestAcme(DriverConformance):
        harness = AcmeHarness()

The names are imported lazily: the suite and hypothesis are loaded only where a suite class is written.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asynctasq_conformance.harness import DriverHarness, GuestTransaction, MovableClock
    from asynctasq_conformance.other_suites import EventSinkConformance, SerializerConformance
    from asynctasq_conformance.suite import DriverConformance

__all__ = [
    "DriverConformance",
    "DriverHarness",
    "EventSinkConformance",
    "GuestTransaction",
    "MovableClock",
    "SerializerConformance",
]

_HOMES = {
    "DriverConformance": "suite",
    "DriverHarness": "harness",
    "EventSinkConformance": "other_suites",
    "GuestTransaction": "harness",
    "SerializerConformance": "other_suites",
    "MovableClock": "harness",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
