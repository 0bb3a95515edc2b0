"""Deliveries end."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from asynctasq.driver_api import Bury, Cancel, Complete, NewTask, Release, Retry, Settlement, SettleOutcome
from asynctasq_postgres.database import Database
from asynctasq_postgres.enqueueing import NO_COLUMNS, columns, isolation_refused, runs_of
from asynctasq_postgres.receipts import read_receipts
from asynctasq_postgres.steps import Step, Steps
from asynctasq_postgres.storage_names import StorageNames

_NEVER_ISSUED = (0, 0)
_KINDS: dict[type[Settlement], int] = {Complete: 1, Retry: 2, Release: 3, Bury: 4, Cancel: 5}


async def settle_in_own_transaction(database: Database, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
    """Plain completions by the fast statement, everything else, and what that did not apply, by the general one."""
    fields = read_receipts([settlement.receipt for settlement in settlements])
    plain, rest = _split(settlements, fields)
    if not plain and not rest:
        await asyncio.sleep(0)  # receipts that nobody can have issued: a checkpoint all the same
    outcomes = [SettleOutcome.STALE] * len(settlements)
    if plain:
        seqs = sorted(plain)
        applied = await _settle_plain(database, seqs, [plain[seq][1] for seq in seqs])
        if applied is None and len(plain) == len(settlements):
            return [SettleOutcome.APPLIED] * len(settlements)
        for seq, (place, _) in plain.items():
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


def _split(
    settlements: Sequence[Settlement], fields: Sequence[tuple[int, int] | None]
) -> tuple[dict[int, tuple[int, int]], list[int]]:
    """Plain completions as seq -> (place, nonce), and the places of all others, but for those that nobody issued.

    The order within a batch matters where one seq comes twice and where a follow-up has a dedupe key (a completion of
    the batch may hold it): then none counts as plain.
    """
    plain: dict[int, tuple[int, int]] = {}
    rest: list[int] = []
    for place, (settlement, issued) in enumerate(zip(settlements, fields, strict=True)):
        if issued is None:
            continue
        if type(settlement) is Complete and settlement.result is None and not settlement.follow_ups:
            seq, nonce = issued
            if seq in plain:
                return {}, list(range(len(settlements)))
            plain[seq] = place, nonce
        elif isinstance(settlement, Complete) and any(task.dedupe_key for task in settlement.follow_ups):
            return {}, list(range(len(settlements)))
        else:
            rest.append(place)
    if plain and any((issued := fields[place]) is not None and issued[0] in plain for place in rest):
        return {}, list(range(len(settlements)))
    return plain, rest


async def _settle_plain(database: Database, seqs: list[int], nonces: list[int]) -> set[int] | None:
    """The seqs that were completed; None for all."""
    entries = await database.fetch("settle_plain", database.namespace, seqs, nonces)
    if sum(completed for completed, _ in entries) == len(seqs):
        return None
    return {seq for _, some in entries for seq in some}


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
    fields = [issued or _NEVER_ISSUED for issued in read_receipts([each.receipt for each in settlements])]
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
