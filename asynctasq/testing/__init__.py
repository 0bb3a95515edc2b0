"""Helpers for the tests of applications, and of drivers.

`sandbox()` gives a test a memory store of its own with a clock that it moves; `drain()` runs what waits, `run_task()`
one attempt without any queue. Loaded when they are asked for: the authors of drivers need the clock alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from asynctasq.testing.clock import ManualClock

if TYPE_CHECKING:
    from asynctasq.plugins.driver_factory import DriverFactory, verify_traits
    from asynctasq.testing.draining import Outcome, drain
    from asynctasq.testing.recording import Dispatched
    from asynctasq.testing.sandboxes import Sandbox, assert_dispatched, sandbox
    from asynctasq.testing.single_attempt import run_task

__all__ = [
    "Dispatched",
    "DriverFactory",
    "ManualClock",
    "Outcome",
    "Sandbox",
    "assert_dispatched",
    "drain",
    "run_task",
    "sandbox",
    "verify_traits",
]

_HOMES = {
    "DriverFactory": "asynctasq.plugins.driver_factory",
    "verify_traits": "asynctasq.plugins.driver_factory",
    "Outcome": "asynctasq.testing.draining",
    "drain": "asynctasq.testing.draining",
    "Dispatched": "asynctasq.testing.recording",
    "Sandbox": "asynctasq.testing.sandboxes",
    "assert_dispatched": "asynctasq.testing.sandboxes",
    "sandbox": "asynctasq.testing.sandboxes",
    "run_task": "asynctasq.testing.single_attempt",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
