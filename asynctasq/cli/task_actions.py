"""What is done to tasks, one by one or all of a selection: cancel, replay, delete."""

from collections.abc import Sequence
from enum import StrEnum

import click

from asynctasq.cli.exit_codes import ExitCode
from asynctasq.cli.output import write_json
from asynctasq.cli.task_selection import in_batches
from asynctasq.contract.driver import Driver
from asynctasq.contract.settlements import CancelOutcome, ReplayStatus

SHOWN = 20


class Action(StrEnum):
    """What is to be done; the value is the verb."""

    CANCEL = "cancel"
    REPLAY = "replay"
    DELETE = "delete"


async def act(driver: Driver, action: Action, ids: Sequence[str], *, as_json: bool) -> int:
    """Do it, and print what became of every id; 1 if one of them was left as it is."""
    outcomes = await _outcomes(driver, action, tuple(dict.fromkeys(ids)))
    if as_json:
        write_json([{"id": task_id, "outcome": outcome} for task_id, outcome, _ in outcomes])
    else:
        _print(outcomes)
    return ExitCode.FINE if all(done for _, _, done in outcomes) else ExitCode.FAILED


async def _outcomes(driver: Driver, action: Action, ids: Sequence[str]) -> list[tuple[str, str, bool]]:
    """Id, outcome in words, and whether it was done."""
    if action is Action.CANCEL:
        cancelled = await in_batches(driver, ids, driver.cancel_many)
        fine = (CancelOutcome.CANCELLED, CancelOutcome.REQUESTED)
        return [(task_id, _CANCEL_WORDS[outcome], outcome in fine) for task_id, outcome in cancelled]
    if action is Action.REPLAY:
        replayed = await in_batches(driver, ids, driver.replay_many)
        return [
            (
                task_id,
                f"its unique key is held by {outcome.existing_id}"
                if outcome.status is ReplayStatus.DUPLICATE
                else _REPLAY_WORDS[outcome.status],
                outcome.status is ReplayStatus.REPLAYED,
            )
            for task_id, outcome in replayed
        ]
    deleted = await in_batches(driver, ids, driver.delete_many)
    return [(task_id, "deleted" if done else "not found, or running", done) for task_id, done in deleted]


_CANCEL_WORDS = {
    CancelOutcome.CANCELLED: "cancelled",
    CancelOutcome.REQUESTED: "requested: its worker is told with the next heartbeat",
    CancelOutcome.TOO_LATE: "too late: it has ended",
    CancelOutcome.NOT_FOUND: "not found",
}
_REPLAY_WORDS = {
    ReplayStatus.REPLAYED: "replayed",
    ReplayStatus.NOT_DEAD: "not a dead letter",
    ReplayStatus.NOT_FOUND: "not found",
}


def _print(outcomes: Sequence[tuple[str, str, bool]]) -> None:
    """A few are listed; of many only the number, and those that were left as they are."""
    shown = outcomes if len(outcomes) <= SHOWN else [outcome for outcome in outcomes if not outcome[2]]
    for task_id, outcome, _ in shown:
        click.echo(f"{task_id}  {outcome}")
    if len(outcomes) > SHOWN:
        click.echo(f"{sum(done for _, _, done in outcomes):,} of {len(outcomes):,} tasks")
