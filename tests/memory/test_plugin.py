"""The plugin module: what it advertises, and what its settings refuse."""

import subprocess
import sys

import anyio
import pytest

from asynctasq.driver_api import FEATURE_NAMES, ConfigurationError, NewTask, PayloadTooLarge
from asynctasq.memory.plugin import asynctasq_driver_specs
from asynctasq.memory.settings import MemoryConfig
from asynctasq.memory.stores import drop_store


def test_the_spec_is_what_the_driver_claims() -> None:
    """Guarantees, event loops and features of the driver are those that its spec advertises."""
    (spec,) = asynctasq_driver_specs()
    driver = spec.open(MemoryConfig())
    assert driver.traits.guarantees == spec.guarantees
    assert driver.traits.event_loops == spec.event_loops
    assert {name for name in FEATURE_NAMES if getattr(driver, name) is not None} == spec.features


def test_the_plugin_module_does_not_load_the_driver() -> None:
    """Looking at the spec stays cheap: the driver's modules are loaded when it is opened."""
    program = "import sys, asynctasq.memory.plugin; raise SystemExit('asynctasq.memory.driver' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


def test_a_url_that_names_a_place_is_refused() -> None:
    """memory://host/path promises what the driver can't give; the error says how stores are told apart."""
    (spec,) = asynctasq_driver_specs()
    for url in ("memory://", MemoryConfig.from_url("memory://?namespace=a")["url"]):
        spec.open(MemoryConfig(url=url))
    with pytest.raises(ConfigurationError, match="namespace=NAME"):
        spec.open(MemoryConfig(url="memory://host/path"))


def test_the_payload_limit_is_a_setting() -> None:
    """`max_payload_bytes` bounds what is enqueued."""
    (spec,) = asynctasq_driver_specs()

    async def enqueue() -> None:
        async with spec.open(MemoryConfig(namespace="limit", max_payload_bytes=3)) as driver:
            await driver.enqueue_many([NewTask(id="a", queue="q", name="work", payload=b"123")])
            with pytest.raises(PayloadTooLarge):
                await driver.enqueue_many([NewTask(id="b", queue="q", name="work", payload=b"1234")])

    anyio.run(enqueue)
    drop_store("limit")
