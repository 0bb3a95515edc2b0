"""Receipts, large payloads and retention, as far as they are this driver's own matter."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asynctasq_sqlite import SQLiteDriver
from asynctasq_sqlite.receipts import read_receipts, tokens_at_once
from asynctasq_sqlite.statements import in_namespace

from asynctasq.driver_api import Complete, Failure, Receipt, Retry, SettleOutcome, TaskState

from .harness import connection_to, shift_time
from .tasks import completions, drain, new_task, new_tasks, take

pytestmark = pytest.mark.anyio

APPLIED, STALE = SettleOutcome.APPLIED, SettleOutcome.STALE
TOKEN = "1234567890123456789"
MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    "receipts",
    [
        [""],
        ["1"],
        [f"01.{TOKEN}"],
        [f"1.{TOKEN} "],
        [f"1.{TOKEN}\n2.{TOKEN}"],
        [f"1.{TOKEN}", f"1.{TOKEN}"],
        [f"1.{TOKEN}", "1.2234567890123456789"],
        [f"1.{TOKEN}L"],
        [f"１.{TOKEN}"],
        ['1":0,"2.' + TOKEN],
    ],
)
def test_the_fast_reading_of_receipts_refuses_what_is_unusual(receipts: list[str]) -> None:
    """Only well-formed receipts of different tasks are read as one text."""
    assert tokens_at_once(receipts) is None


def test_receipts_are_read_the_same_at_once_and_singly() -> None:
    """Both ways of reading agree."""
    receipts = [f"{seq}.{TOKEN}" for seq in (1, 20, 300)]
    assert tokens_at_once(receipts) == '{"1":T,"20":T,"300":T}'.replace("T", TOKEN)
    assert read_receipts(receipts).tokens == dict.fromkeys(("1", "20", "300"), int(TOKEN))


async def test_forged_receipts_do_not_disturb_real_ones(driver: SQLiteDriver) -> None:
    """Beside receipts with another token, of the largest numbers, or with the mark of large payloads, the real one
    applies."""
    await driver.enqueue_many(new_tasks(3))
    deliveries = await take(driver)
    seq, token = deliveries[0].receipt.split(".")
    forged = [
        f"{seq}.{int(token) - 1}",
        f"{seq}.9999999999999999999",
        f"999999999999999999.{token}",
        f"{seq}.{token}",
        f"{seq}.{token}L",
        f"{seq}.{int(token) + 1}",
    ]
    outcomes = await driver.settle_many([Complete(receipt=Receipt(receipt)) for receipt in forged])
    assert outcomes == [STALE, STALE, STALE, APPLIED, STALE, STALE]
    forged = [f"{deliveries[1].receipt.split('.')[0]}.{TOKEN}", deliveries[1].receipt, deliveries[2].receipt]
    retries = [Retry(receipt=Receipt(receipt), failure=Failure(type="E", message="")) for receipt in forged]
    assert await driver.settle_many(retries) == [STALE, APPLIED, APPLIED]


async def test_receipts_have_the_form_that_settle_reads(driver: SQLiteDriver) -> None:
    """Every receipt that is issued is one that is accepted, whatever the random token was."""
    await driver.enqueue_many(new_tasks(300))
    for _ in range(300):
        (delivery,) = await take(driver, 1)
        assert re.fullmatch(r"[1-9][0-9]*\.[1-9][0-9]{18}", delivery.receipt)
        assert tokens_at_once([delivery.receipt]) is not None


def stored_bytes(path: Path) -> int:
    with connection_to(path) as connection:
        return connection.execute(in_namespace("SELECT total(length(payload)) FROM ns_task", "asynctasq")).fetchone()[0]


async def test_large_payloads_give_their_room_back(path: Path, driver: SQLiteDriver) -> None:
    """A completed task's large payload is cleared at once; the id stays known; kept and dead ones keep theirs."""
    large = b"x" * 100_000
    done = new_tasks(4, payload=large)
    kept = new_task(payload=large, keep_for=60.0)
    await driver.enqueue_many([*done, kept, new_task(payload=b"small")])
    assert await driver.settle_many(completions(await take(driver))) == [APPLIED] * 6
    assert stored_bytes(path) == len(large) + len(b"small")
    assert (await driver.get_tasks([kept.id]))[kept.id].payload == large
    assert not (await driver.enqueue_many([done[0]]))[0].accepted


async def test_dead_letters_go_after_their_retention(path: Path, open_driver: Callable[..., Any]) -> None:
    """With `dead_retention` dead letters are dropped by `maintain`; without it they stay."""
    driver = await open_driver(dead_retention=3600)
    task = new_task(expires_after=1.0, remember_for=10_000.0)
    await driver.enqueue_many([task])
    shift_time(path, "asynctasq", 2)
    await driver.maintain(limit=100)
    shift_time(path, "asynctasq", 3590)
    await driver.maintain(limit=100)
    assert (await driver.get_tasks([task.id]))[task.id].state is TaskState.DEAD
    shift_time(path, "asynctasq", 20)
    await driver.maintain(limit=100)
    assert await driver.get_tasks([task.id]) == {}
    assert not (await driver.enqueue_many([task]))[0].accepted  # remembered for longer


async def test_forgetting_is_bounded(path: Path, driver: SQLiteDriver) -> None:
    """One `maintain` forgets no more than its limit, even of one large batch, and says that there is more."""
    await driver.enqueue_many(new_tasks(100))
    await driver.settle_many(completions(await take(driver)))
    shift_time(path, "asynctasq", 61)
    removed = []
    while True:
        report = await driver.maintain(limit=30)
        removed.append(report.removed)
        if not report.more:
            break
    assert removed == [30, 30, 30, 10]
    with connection_to(path) as connection:
        for table in ("ns_task", "ns_remembered", "ns_waiting", "ns_leased", "ns_extra", "ns_ended"):
            assert connection.execute(in_namespace(f"SELECT count(*) FROM {table}", "asynctasq")).fetchone() == (0,)


@pytest.mark.parametrize("every", [1, 2, 50])
async def test_forgetting_takes_exactly_what_is_due(path: Path, driver: SQLiteDriver, every: int) -> None:
    """Whether what is due lies together or scattered among what is not: that and nothing else is forgotten."""
    tasks = [new_task(remember_for=60.0 if number % every == 0 else 1000.0) for number in range(300)]
    await driver.enqueue_many(tasks)
    await driver.settle_many(completions(await take(driver, 1000)))
    shift_time(path, "asynctasq", 61)
    assert (await driver.maintain(limit=1000)).removed == 300 // every
    known = [not outcome.accepted for outcome in await driver.enqueue_many(tasks)]
    assert known == [number % every != 0 for number in range(300)]


async def test_nothing_stays_behind(path: Path, driver: SQLiteDriver) -> None:
    """Whatever a task had, all of it is gone once it is forgotten."""
    failure = Failure(type="E", message="m")
    await driver.enqueue_many(
        [
            new_task(dedupe_key="a", keep_for=5.0, expires_after=500.0),
            new_task(dedupe_key="b", priority=9),
            new_task(keep_for=5.0, payload=b"x" * 5000),
            new_task(expires_after=0.0, dedupe_key="c"),
        ]
    )
    deliveries = await take(driver)
    await driver.settle_many([Retry(receipt=delivery.receipt, failure=failure) for delivery in deliveries])
    await take(driver, lease=0.001)
    shift_time(path, "asynctasq", 1)
    assert len(await drain(driver)) == 3
    (dead,) = (await driver.list_tasks(state=TaskState.DEAD)).tasks
    assert await driver.delete_many([dead.id]) == [True]
    shift_time(path, "asynctasq", 100)
    while (await driver.maintain(limit=100)).more:
        pass
    with connection_to(path) as connection:
        for table in ("ns_task", "ns_remembered", "ns_waiting", "ns_leased", "ns_extra", "ns_ended", "ns_dedupe"):
            count = connection.execute(in_namespace(f"SELECT count(*) FROM {table}", "asynctasq")).fetchone()
            assert (table, count) == (table, (0,))


async def test_a_lapsed_holder_of_a_key_is_met_twice(path: Path, driver: SQLiteDriver) -> None:
    """Two tasks of one batch that meet the same holder, whose lease has ended, are both its duplicates."""
    holder = new_task(dedupe_key="key")
    await driver.enqueue_many([holder])
    await take(driver, lease=1.0)
    shift_time(path, "asynctasq", 2)
    outcomes = await driver.enqueue_many(new_tasks(2, dedupe_key="key"))
    assert [outcome.existing_id for outcome in outcomes] == [holder.id, holder.id]
    assert [delivery.id for delivery in await take(driver)] == [holder.id]


async def test_payloads_of_any_size_come_in_bounded_numbers(open_driver: Callable[..., Any], path: Path) -> None:
    """Large payloads are read one by one and not all in one call, in order with small ones; none is mixed up."""
    driver = await open_driver()
    sizes = [10, 30 * MEBIBYTE, 0, 40 * MEBIBYTE, 20, 80 * MEBIBYTE, 30]
    tasks = [new_task(id=f"t{number}", payload=bytes([number]) * 10) for number in range(len(sizes))]
    await driver.enqueue_many(tasks)
    with connection_to(path) as connection:
        for number, size in enumerate(sizes):
            connection.execute(
                in_namespace("UPDATE ns_task SET payload = ? WHERE id = ?", "asynctasq"),
                (bytes([number]) * size, f"t{number}"),
            )
    calls: list[list[str]] = []
    while deliveries := await take(driver):
        calls.append([delivery.id for delivery in deliveries])
        for delivery in deliveries:
            number = int(delivery.id[1:])
            assert delivery.payload == bytes([number]) * sizes[number]
        await driver.settle_many(completions(deliveries))
    assert calls == [["t0", "t1", "t2"], ["t3", "t4"], ["t5", "t6"]]


async def test_a_damaged_row_holds_up_nothing_but_itself(open_driver: Callable[..., Any], path: Path) -> None:
    """Text that is no UTF-8 any more, and failures that can't be read: the task is delivered, shown and ended."""
    driver = await open_driver()
    await driver.enqueue_many([new_task(id="a", correlation_id="c"), new_task(id="b")])
    first = await take(driver)
    await driver.settle_many([Retry(receipt=one.receipt, failure=Failure(type="E", message="m")) for one in first])
    with connection_to(path) as connection:
        connection.execute(
            in_namespace(
                "UPDATE ns_task SET name = CAST(x'61ff22' AS TEXT), correlation_id = CAST(x'ff00' AS TEXT) "
                "WHERE id = 'a'",
                "asynctasq",
            )
        )
        connection.execute(in_namespace("UPDATE ns_extra SET failures = '[[1,'", "asynctasq"))
    damaged, other = await take(driver)
    assert (damaged.id, damaged.name) == ("a", 'a\ufffd"')
    assert (await driver.get_tasks(["a"]))["a"].failures == ()
    retries = [Retry(receipt=one.receipt, failure=Failure(type="E", message="again")) for one in (damaged, other)]
    assert await driver.settle_many(retries) == [APPLIED, APPLIED]
    assert [failure.message for failure in (await driver.get_tasks(["b"]))["b"].failures] == ["again"]


async def test_a_damaged_list_of_ids_does_not_stop_forgetting(driver: SQLiteDriver, path: Path) -> None:
    """What is due behind a list that can't be read any more is forgotten; maintenance goes on and comes to an end."""
    for id in ("a", "b"):
        await driver.enqueue_many([new_task(id=id)])
        await driver.settle_many(completions(await take(driver)))
        shift_time(path, "asynctasq", 1)
    shift_time(path, "asynctasq", 61)
    with connection_to(path) as connection:
        first = in_namespace("SELECT min(forget_at) FROM ns_remembered", "asynctasq")
        (forget_at,) = connection.execute(first).fetchone()
        damage = in_namespace("UPDATE ns_remembered SET seqs = '[1,' WHERE forget_at = ?", "asynctasq")
        connection.execute(damage, (forget_at,))
    report = await driver.maintain(limit=100)
    assert (report.removed, report.more) == (1, False)
    assert [outcome.accepted for outcome in await driver.enqueue_many([new_task(id="b")])] == [True]
    assert (await driver.maintain(limit=100)).removed == 0


async def test_who_expires_at_once_holds_its_key_within_its_batch(driver: SQLiteDriver) -> None:
    """A task that has expired when it is accepted ends once, as any other, although its batch asks for its key."""
    first, second = new_task(dedupe_key="k", expires_after=0.0), new_task(dedupe_key="k")
    outcomes = await driver.enqueue_many([first, second])
    assert [(outcome.accepted, outcome.existing_id) for outcome in outcomes] == [(True, None), (False, first.id)]
    assert await take(driver) == []
    await driver.maintain(limit=100)
    stats = (await driver.queue_stats([first.queue]))[first.queue]
    assert (stats.ready, stats.dead, stats.total_dead) == (0, 1, 1)
    [third] = await driver.enqueue_many([second])
    assert third.accepted
