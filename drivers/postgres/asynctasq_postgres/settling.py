"""Deliveries end."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from asynctasq.driver_api import Bury, Cancel, Complete, NewTask, Release, Retry, Settlement, SettleOutcome
from asynctasq_postgres.client import Connection, PostgresError
from asynctasq_postgres.database import Database
from asynctasq_postgres.enqueueing import NO_COLUMNS, columns, isolation_refused, runs_of
from asynctasq_postgres.error_mapping import sqlstate_of
from asynctasq_postgres.receipts import read_receipt
from asynctasq_postgres.steps import Step, Steps
from asynctasq_postgres.storage_names import StorageNames

LEASE_ENDED_MEANWHILE = "AQ001"
"""The SQLSTATE of `settle_plain` when a lease may have ended while it waited for a lock."""

_NEVER_ISSUED = (0, 0)
_KINDS: dict[type[Settlement], int] = {Complete: 1, Retry: 2, Release: 3, Bury: 4, Cancel: 5}


async def settle_in_own_transaction(database: Database, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
    """Plain completions by the fast statement, everything else, and what that did not apply, by the general one."""
    outcomes = [SettleOutcome.STALE] * len(settlements)
    plain, rest = _split(settlements)
    if not plain and not rest:
        await asyncio.sleep(0)  # receipts that nobody can have issued: a checkpoint all the same
    if plain:
        applied = await _settle_plain(database, plain)
        if applied is None and len(plain) == len(settlements):
            return [SettleOutcome.APPLIED] * len(settlements)
        for seq, (_, place) in plain.items():
            if applied is None or seq in applied:
                outcomes[place] = SettleOutcome.APPLIED
            else:
                rest.append(place)
    if rest:
        rest.sort()
        remaining = [settlements[place] for place in rest]
        settled = await database.run_steps(lambda: settle(database.names, remaining, None))
        for place, outcome in zip(rest, settled, strict=True):
            outcomes[place] = outcome
    return outcomes


def _split(settlements: Sequence[Settlement]) -> tuple[dict[int, tuple[int, int]], list[int]]:
    """Plain completions as seq -> (nonce, place), and the places of all others.

    The order within a batch matters where one seq comes twice and where a follow-up has a dedupe key (a completion of
    the batch may hold it): then none counts as plain.
    """
    plain: dict[int, tuple[int, int]] = {}
    rest: list[int] = []
    for place, settlement in enumerate(settlements):
        if type(settlement) is not Complete or settlement.result is not None or settlement.follow_ups:
            if isinstance(settlement, Complete) and any(task.dedupe_key for task in settlement.follow_ups):
                return {}, list(range(len(settlements)))
            rest.append(place)
        elif (fields := read_receipt(settlement.receipt)) is not None:
            if fields[0] in plain:
                return {}, list(range(len(settlements)))
            plain[fields[0]] = (fields[1], place)
    if plain and rest:
        for place in rest:
            fields = read_receipt(settlements[place].receipt)
            if fields is not None and fields[0] in plain:
                return {}, list(range(len(settlements)))
    return plain, rest


async def _settle_plain(database: Database, plain: dict[int, tuple[int, int]]) -> set[int] | None:
    """The seqs that were completed; None for all."""
    seqs = sorted(plain)
    nonces = [plain[seq][0] for seq in seqs]
    statement = database.names.statement("settle_plain")

    async def run(connection: Connection) -> set[int] | None:
        try:
            applied = await connection.fetchval(statement, database.namespace, seqs, nonces)
        except PostgresError as error:
            if sqlstate_of(error) != LEASE_ENDED_MEANWHILE:
                raise
            return set()
        return None if applied is None else set(applied)

    return await database.run(run)


def settle(
    names: StorageNames, settlements: Sequence[Settlement], channels: list[str] | None
) -> Steps[list[SettleOutcome]]:
    """Any settlements, in one statement."""
    owners, follow_ups = _owned_follow_ups(settlements)
    arguments = (
        names.namespace,
        *_settlement_columns(settlements),
        owners or None,
        _run_numbers(follow_ups),
        *(columns(names, follow_ups) if follow_ups else NO_COLUMNS),
        channels if follow_ups else None,
    )
    rows = yield Step(names.statement("settle_many"), arguments)
    applied: Sequence[int] | None = rows[0][0]
    if applied is None:
        raise isolation_refused()
    outcomes = [SettleOutcome.STALE] * len(settlements)
    for number in applied:
        outcomes[number - 1] = SettleOutcome.APPLIED
    return outcomes


def _settlement_columns(settlements: Sequence[Settlement]) -> tuple[Any, ...]:
    fields = [read_receipt(settlement.receipt) or _NEVER_ISSUED for settlement in settlements]
    return (
        [seq for seq, _ in fields],
        [nonce for _, nonce in fields],
        [_KINDS[type(settlement)] for settlement in settlements],
        [float(s.delay) if isinstance(s, Retry | Release) else 0.0 for s in settlements],
        [s.result if isinstance(s, Complete) else None for s in settlements],
        [msgspec.json.encode(s.failure).decode() if isinstance(s, Retry | Bury) else None for s in settlements],
        [s.reason if isinstance(s, Bury | Cancel) else None for s in settlements],
    )


def _owned_follow_ups(settlements: Sequence[Settlement]) -> tuple[list[int], list[NewTask]]:
    """The follow-ups, and the number of the settlement that each belongs to."""
    owners: list[int] = []
    tasks: list[NewTask] = []
    for number, settlement in enumerate(settlements, start=1):
        if isinstance(settlement, Complete):
            owners.extend([number] * len(settlement.follow_ups))
            tasks.extend(settlement.follow_ups)
    return owners, tasks


def _run_numbers(follow_ups: Sequence[NewTask]) -> list[int] | None:
    """The number of the run that each follow-up is in; None if all are in one."""
    runs = runs_of(follow_ups)
    return [number for number, run in enumerate(runs, start=1) for _ in run] if len(runs) > 1 else None


def follow_ups_of(settlements: Sequence[Settlement]) -> list[NewTask]:
    """All follow-ups of these settlements."""
    return _owned_follow_ups(settlements)[1]


def applied_follow_ups(settlements: Sequence[Settlement], outcomes: Sequence[SettleOutcome]) -> list[NewTask]:
    """The follow-ups that were stored, or were duplicates."""
    return [
        task
        for settlement, outcome in zip(settlements, outcomes, strict=True)
        if isinstance(settlement, Complete) and settlement.follow_ups and outcome is SettleOutcome.APPLIED
        for task in settlement.follow_ups
    ]
