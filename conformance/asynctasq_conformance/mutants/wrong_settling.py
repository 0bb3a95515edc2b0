"""Drivers that are wrong about how deliveries end."""

from __future__ import annotations

from collections.abc import Sequence

from asynctasq.driver_api import (
    Bury,
    Cancel,
    Complete,
    Failure,
    Release,
    Retry,
    Settlement,
    SettleOutcome,
)
from asynctasq_conformance.mutants.mutant import mutant
from asynctasq_conformance.mutants.plain_driver import PlainDriver
from asynctasq_conformance.mutants.plain_storage import LEASED, WAITING, Space, StoredTask


def task_of_any_receipt(space: Space, receipt: str) -> StoredTask | None:
    """The task that a receipt of the plain driver was once issued for: its number stands in it."""
    number = receipt.partition(".")[0]
    return next((stored for stored in space.tasks.values() if str(stored.number) == number), None)


class _Unfenced(PlainDriver):
    """A kind of settlement is accepted from whoever once held the task."""

    kinds: tuple[type[Settlement], ...] = ()

    def leased_by(self, space: Space, settlement: Settlement, now: int) -> StoredTask | None:
        stored = task_of_any_receipt(space, settlement.receipt)
        if isinstance(settlement, self.kinds) and stored is not None and stored.state == LEASED:
            return stored
        return super().leased_by(space, settlement, now)


@mutant("settle", "SET-7")
class AckUnfenced(_Unfenced):
    """A worker that lost its task can still complete it."""

    kinds = (Complete,)


@mutant("settle", "SET-7")
class NackUnfenced(_Unfenced):
    """A worker that lost its task can still have it retried."""

    kinds = (Retry,)


@mutant("settle", "SET-7")
class ReleaseUnfenced(_Unfenced):
    """A worker that lost its task can still release it."""

    kinds = (Release,)


@mutant("settle", "SET-7")
class BuryUnfenced(_Unfenced):
    """A worker that lost its task can still bury or cancel it."""

    kinds = (Bury, Cancel)


@mutant("settle", "SET-6", "SET-12")
class AckChecksTokenButNotExpiry(PlainDriver):
    """A settlement is accepted after the lease's end, as long as nobody has taken the task since."""

    def leased_by(self, space: Space, settlement: Settlement, now: int) -> StoredTask | None:
        stored = task_of_any_receipt(space, settlement.receipt)
        if stored is not None and stored.state == WAITING and stored.started_at is not None and stored.at <= now:
            return stored
        return super().leased_by(space, settlement, now)


@mutant("settle", "SET-8", "ERR-9")
class CompletedAndDead(PlainDriver):
    """A receipt stays good after its settlement: what completed can still be buried."""

    def leased_by(self, space: Space, settlement: Settlement, now: int) -> StoredTask | None:
        stored = task_of_any_receipt(space, settlement.receipt)
        if stored is not None and stored.state == "completed":
            return stored
        return super().leased_by(space, settlement, now)


@mutant("settle", "SET-9", "SET-10", "ERR-12")
class UnknownReceiptIsApplied(PlainDriver):
    """A receipt that nobody knows is taken for settled already."""

    def settle_one(self, space: Space, settlement: Settlement, now: int) -> SettleOutcome:
        super().settle_one(space, settlement, now)
        known = task_of_any_receipt(space, settlement.receipt) is not None
        return SettleOutcome.STALE if known and settlement.receipt == "" else SettleOutcome.APPLIED


@mutant("settle", "SET-10", "ERR-12")
class ReceiptMatchesByPrefix(PlainDriver):
    """The beginning of a receipt is enough."""

    def leased_by(self, space: Space, settlement: Settlement, now: int) -> StoredTask | None:
        tasks = space.tasks.values()
        return next((s for s in tasks if s.receipt is not None and s.receipt.startswith(settlement.receipt)), None)


@mutant("settle", "SET-11")
class SecondEqualReceiptApplied(PlainDriver):
    """Receipts are looked up before the batch is applied, so a repeated one applies twice."""

    def settle(self, space: Space, settlements: Sequence[Settlement], now: int) -> list[SettleOutcome]:
        outcomes = super().settle(space, settlements, now)
        applied = {s.receipt for s, o in zip(settlements, outcomes, strict=True) if o is SettleOutcome.APPLIED}
        return [SettleOutcome.APPLIED if s.receipt in applied else SettleOutcome.STALE for s in settlements]


@mutant("settle", "SET-12", "ERR-1")
class OutcomesGroupedByKind(PlainDriver):
    """Settlements are applied kind by kind, and their outcomes come in that order."""

    def settle(self, space: Space, settlements: Sequence[Settlement], now: int) -> list[SettleOutcome]:
        return super().settle(space, sorted(settlements, key=lambda s: type(s).__name__), now)


@mutant("errors", "ERR-2")
class BatchAppliedBackwards(PlainDriver):
    """The items of a batch are applied from the last to the first."""

    def settle(self, space: Space, settlements: Sequence[Settlement], now: int) -> list[SettleOutcome]:
        return super().settle(space, settlements[::-1], now)[::-1]


@mutant("errors", "ERR-2")
class FollowUpsComeLast(PlainDriver):
    """Follow-ups are stored after all the settlements of the batch."""

    def settle(self, space: Space, settlements: Sequence[Settlement], now: int) -> list[SettleOutcome]:
        bare = [Complete(receipt=s.receipt, result=s.result) if isinstance(s, Complete) else s for s in settlements]
        outcomes = super().settle(space, bare, now)
        for settlement, outcome in zip(settlements, outcomes, strict=True):
            if isinstance(settlement, Complete) and outcome is SettleOutcome.APPLIED:
                self.enqueue(space, settlement.follow_ups, now)
        return outcomes


@mutant("settle", "SET-1")
class CompletedTaskComesAgain(PlainDriver):
    """A completed task goes back into its queue."""

    def complete(self, space: Space, stored: StoredTask, settlement: Complete, now: int) -> None:
        self.wait_again(space, stored, 0.0, now)


@mutant("settle", "SET-2")
class RetryResetsAttempt(PlainDriver):
    """A retried task begins at attempt 1 again."""

    def retry(self, space: Space, stored: StoredTask, settlement: Retry, now: int) -> None:
        super().retry(space, stored, settlement, now)
        stored.attempts = 0


@mutant("settle", "SET-2")
class RetryLosesTheFailure(PlainDriver):
    """A retried task has no record of its failure."""

    def retry(self, space: Space, stored: StoredTask, settlement: Retry, now: int) -> None:
        super().retry(space, stored, settlement, now)
        stored.failures = []


@mutant("settle", "SET-2", "SET-17")
class DelayIgnoredOnRetry(PlainDriver):
    """A retried task is ready at once."""

    def wait_again(self, space: Space, stored: StoredTask, delay: float, now: int) -> bool:
        return super().wait_again(space, stored, 0.0, now)


@mutant("settle", "SET-17")
class DelayCountsFromTheDelivery(PlainDriver):
    """A retry's delay counts from when the task was taken."""

    def wait_again(self, space: Space, stored: StoredTask, delay: float, now: int) -> bool:
        return super().wait_again(space, stored, max(0.0, delay - 1.0), now)


@mutant("settle", "SET-3")
class ReleaseBurnsAttempt(PlainDriver):
    """A released task's attempt counts."""

    def release(self, space: Space, stored: StoredTask, settlement: Release, now: int) -> None:
        stored.attempts += 1
        super().release(space, stored, settlement, now)


@mutant("settle", "SET-4")
class DeadLetterDropsPayload(PlainDriver):
    """A dead letter has no payload."""

    def bury(self, space: Space, stored: StoredTask, settlement: Bury, now: int) -> None:
        super().bury(space, stored, settlement, now)
        stored.task = type(stored.task)(id=stored.task.id, queue=stored.task.queue, name=stored.task.name, payload=b"")


@mutant("settle", "SET-4")
class BuryReasonIsLost(PlainDriver):
    """A dead letter does not say why."""

    def bury(self, space: Space, stored: StoredTask, settlement: Bury, now: int) -> None:
        super().bury(space, stored, settlement, now)
        stored.reason = "failed"


@mutant("settle", "SET-5")
class CancelSettlementBuries(PlainDriver):
    """A task that its worker cancels ends as a dead letter."""

    def cancel_leased(self, space: Space, stored: StoredTask, settlement: Cancel, now: int) -> None:
        self.finish(space, stored, "dead", settlement.reason, now)


@mutant("settle", "SET-13")
class FollowUpsAreLost(PlainDriver):
    """A completion stores only the first of its follow-ups."""

    def complete(self, space: Space, stored: StoredTask, settlement: Complete, now: int) -> None:
        first = Complete(receipt=settlement.receipt, result=settlement.result, follow_ups=settlement.follow_ups[:1])
        super().complete(space, stored, first, now)


@mutant("settle", "SET-14")
class FollowUpBeforeDedupeRelease(PlainDriver):
    """Follow-ups are stored before the completion frees its dedupe key."""

    def complete(self, space: Space, stored: StoredTask, settlement: Complete, now: int) -> None:
        self.enqueue(space, settlement.follow_ups, now)
        super().complete(space, stored, Complete(receipt=settlement.receipt, result=settlement.result), now)


@mutant("settle", "SET-15")
class DuplicateFollowUpStopsTheRest(PlainDriver):
    """After a duplicate follow-up no other is stored."""

    def complete(self, space: Space, stored: StoredTask, settlement: Complete, now: int) -> None:
        super().complete(space, stored, Complete(receipt=settlement.receipt, result=settlement.result), now)
        for follow_up in settlement.follow_ups:
            if not self.enqueue_one(space, follow_up, now).accepted:
                return


@mutant("settle", "SET-16")
class StaleItemStoresFollowUp(PlainDriver):
    """A stale completion still stores its follow-ups."""

    def settle_one(self, space: Space, settlement: Settlement, now: int) -> SettleOutcome:
        outcome = super().settle_one(space, settlement, now)
        if outcome is SettleOutcome.STALE and isinstance(settlement, Complete):
            self.enqueue(space, settlement.follow_ups, now)
        return outcome


@mutant("errors", "ERR-13")
class FailuresAreCut(PlainDriver):
    """A failure's traceback is cut to three thousand characters, though 8 KiB fit."""

    def add_failure(self, stored: StoredTask, failure: Failure, now: int) -> None:
        cut = Failure(type=failure.type, message=failure.message, traceback=failure.traceback[:3000])
        super().add_failure(stored, cut, now)
