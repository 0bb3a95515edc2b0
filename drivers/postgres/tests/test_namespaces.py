"""Namespaces share tables, and nothing else."""

import asyncpg
import pytest
from asynctasq_postgres.driver import PostgresDriver
from asynctasq_postgres.namespaces import first_line, namespace_key, wake_up_channel
from asynctasq_postgres.settings import PostgresConfig
from asynctasq_postgres.storage_names import StorageNames
from msgspec.structs import replace

from asynctasq.driver_api import Complete, ConfigurationError, NewTask, SettleOutcome

from .harness import PostgresHarness

pytestmark = pytest.mark.anyio


async def test_the_same_ids_in_two_namespaces(
    harness: PostgresHarness, settings: PostgresConfig, driver: PostgresDriver
) -> None:
    """Ids, keys, pauses, receipts, totals and purges of one namespace are nothing to the other."""
    other_name = f"{settings.namespace[:60]}.x"
    async with PostgresDriver(replace(settings, namespace=other_name)) as other:
        for each in (driver, other):
            (outcome,) = await each.enqueue_many(
                [NewTask(id="a", queue="q", name="n", payload=each.settings.namespace.encode(), dedupe_key="k")]
            )
            assert outcome.accepted
        await driver.pausing.pause(["q"])
        (delivery,) = await other.reserve(["q"], limit=9, lease=60.0, worker="w")
        assert delivery.payload == other_name.encode()
        settlement = Complete(receipt=delivery.receipt)
        assert await driver.settle_many([settlement]) == [SettleOutcome.STALE]
        assert not (await driver.extend_many([delivery.receipt], lease=60.0))[0].applied
        await driver.purge(["q"])
        assert await other.settle_many([settlement]) == [SettleOutcome.APPLIED]
        assert (await driver.queue_stats(["q"]))["q"].total_completed == 0
        assert await other.pausing.paused_queues() == frozenset()
    await harness.drop(other_name)


async def test_a_key_that_stands_for_another_name_is_refused(
    driver: PostgresDriver, settings: PostgresConfig, connection: asyncpg.Connection
) -> None:
    """Should two names ever have the same key, the second driver does not connect."""
    names = StorageNames(settings)
    await connection.execute(
        names.fill("UPDATE {namespaces} SET name = 'someone else' WHERE key = $1"), names.namespace
    )
    with pytest.raises(ConfigurationError, match="someone else"):
        await PostgresDriver(settings).connect()
    await connection.execute(
        names.fill("UPDATE {namespaces} SET name = $2 WHERE key = $1"), names.namespace, settings.namespace
    )


def test_keys_are_for_ever() -> None:
    """Stored in every row: a change of these numbers would orphan every task."""
    assert namespace_key("asynctasq") == 4_746_713_296_507_287_688
    assert first_line(namespace_key("asynctasq"), "default") == -7_044_341_976_390_206_992
    assert (
        wake_up_channel("public", "task_queue", "asynctasq", "default") == "asynctasq_5211651d42a6732860d30b755a59a89e"
    )
