"""Drivers that are wrong about heartbeats and results."""

from __future__ import annotations

from collections.abc import Sequence

import anyio.lowlevel

from asynctasq.driver_api import Complete, ExtendOutcome, Receipt, Retry, Settlement, SettleOutcome
from asynctasq_conformance.mutants.mutant import mutant
from asynctasq_conformance.mutants.plain_driver import PlainDriver
from asynctasq_conformance.mutants.plain_storage import LEASED, Space, StoredTask, ticks
from asynctasq_conformance.mutants.wrong_settling import task_of_any_receipt


@mutant("lease", "LEA-9")
class ExtendUnfenced(PlainDriver):
    """A worker that lost its task still extends the present lease."""

    def extend_one(self, space: Space, receipt: str, lease: float, now: int) -> ExtendOutcome:
        stored = task_of_any_receipt(space, receipt)
        if stored is None or stored.state != LEASED:
            return ExtendOutcome(applied=False)
        return super().extend_one(space, stored.receipt or "", lease, now)


@mutant("lease", "LEA-6")
class ExtendIsNoop(PlainDriver):
    """A heartbeat is answered, and changes nothing."""

    def extend_one(self, space: Space, receipt: str, lease: float, now: int) -> ExtendOutcome:
        stored = self.holder_of_receipt(space, receipt)
        if stored is None:
            return ExtendOutcome(applied=False)
        return ExtendOutcome(applied=True, lease=lease, cancel_requested=stored.cancel_requested)


@mutant("lease", "LEA-6")
class ExtensionNeverEnds(PlainDriver):
    """A heartbeat adds to the lease instead of counting from now."""

    def extend_one(self, space: Space, receipt: str, lease: float, now: int) -> ExtendOutcome:
        stored = self.holder_of_receipt(space, receipt)
        if stored is None:
            return ExtendOutcome(applied=False)
        stored.at += ticks(lease)
        return ExtendOutcome(applied=True, lease=(stored.at - now) / 1e6, cancel_requested=stored.cancel_requested)


@mutant("lease", "LEA-7")
class ExtendShortens(PlainDriver):
    """A heartbeat moves the lease's end to now + lease, even back."""

    def extend_one(self, space: Space, receipt: str, lease: float, now: int) -> ExtendOutcome:
        stored = self.holder_of_receipt(space, receipt)
        if stored is None:
            return ExtendOutcome(applied=False)
        stored.at = now + ticks(lease)
        return ExtendOutcome(applied=True, lease=lease, cancel_requested=stored.cancel_requested)


@mutant("lease", "LEA-9")
class ExtendRevivesSettled(PlainDriver):
    """A heartbeat takes a settled or lapsed task back."""

    def extend_one(self, space: Space, receipt: str, lease: float, now: int) -> ExtendOutcome:
        stored = task_of_any_receipt(space, receipt)
        if stored is not None and stored.state != LEASED and stored.started_at is not None:
            stored.state, stored.receipt, stored.at = LEASED, receipt, now
        return super().extend_one(space, receipt, lease, now)


@mutant("lease", "LEA-8", "LEA-7")
class ExtensionTellsWhatWasAsked(PlainDriver):
    """A heartbeat's outcome repeats what was asked for instead of what is left."""

    def extend_one(self, space: Space, receipt: str, lease: float, now: int) -> ExtendOutcome:
        outcome = super().extend_one(space, receipt, lease, now)
        return ExtendOutcome(applied=outcome.applied, lease=lease, cancel_requested=outcome.cancel_requested)


@mutant("lease", "LEA-10")
class SecondEqualReceiptNotExtended(PlainDriver):
    """Of two equal receipts in a heartbeat only the first applies."""

    async def _extend_many(self, receipts: Sequence[Receipt], *, lease: float) -> list[ExtendOutcome]:
        outcomes = await super()._extend_many(receipts, lease=lease)
        return [
            ExtendOutcome(applied=False) if receipt in receipts[:index] else outcomes[index]
            for index, receipt in enumerate(receipts)
        ]


@mutant("errors", "ERR-1")
class StaleOutcomesAreLeftOut(PlainDriver):
    """A heartbeat answers only for the receipts that apply."""

    async def _extend_many(self, receipts: Sequence[Receipt], *, lease: float) -> list[ExtendOutcome]:
        return [outcome for outcome in await super()._extend_many(receipts, lease=lease) if outcome.applied]


@mutant("errors", "ERR-10")
class ReceiptIsExtendedOnce(PlainDriver):
    """A heartbeat that is sent again finds its receipt used up."""

    def extend_one(self, space: Space, receipt: str, lease: float, now: int) -> ExtendOutcome:
        stored = self.holder_of_receipt(space, receipt)
        if stored is not None and stored.at == now + ticks(lease):
            return ExtendOutcome(applied=False)
        return super().extend_one(space, receipt, lease, now)


@mutant("cancel", "CAN-9")
class HeartbeatHidesCancellation(PlainDriver):
    """A worker never hears from its heartbeat that somebody wants its task to end."""

    def extend_one(self, space: Space, receipt: str, lease: float, now: int) -> ExtendOutcome:
        outcome = super().extend_one(space, receipt, lease, now)
        return ExtendOutcome(applied=outcome.applied, lease=outcome.lease)


# -- results


@mutant("results", "RSL-1")
class ResultVisibleBeforeCompletion(PlainDriver):
    """The result is written first, and the completion a moment later."""

    async def _settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        await self.writing()
        for settlement in settlements:
            stored = self.holder_of_receipt(self.storage.space, settlement.receipt)
            if stored is not None and isinstance(settlement, Complete):
                stored.result = settlement.result
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        return await super()._settle_many(settlements)


@mutant("results", "RSL-1")
class StaleCompletionStoresItsResult(PlainDriver):
    """The result of a worker that lost its task is kept."""

    def settle_one(self, space: Space, settlement: Settlement, now: int) -> SettleOutcome:
        outcome = super().settle_one(space, settlement, now)
        stored = task_of_any_receipt(space, settlement.receipt)
        if outcome is SettleOutcome.STALE and stored is not None and isinstance(settlement, Complete):
            stored.result = settlement.result
        return outcome


@mutant("results", "RSL-2")
class ResultGoesThroughText(PlainDriver):
    """A result is stored as text."""

    def complete(self, space: Space, stored: StoredTask, settlement: Complete, now: int) -> None:
        super().complete(space, stored, settlement, now)
        if stored.result is not None:
            stored.result = stored.result.decode(errors="replace").encode()


@mutant("results", "RSL-2", "RSL-3")
class EmptyResultIsNone(PlainDriver):
    """An empty result is taken for none."""

    def complete(self, space: Space, stored: StoredTask, settlement: Complete, now: int) -> None:
        super().complete(space, stored, settlement, now)
        stored.result = stored.result or None


@mutant("results", "RSL-3")
class NoResultIsEmpty(PlainDriver):
    """A completion without a result has an empty one."""

    def complete(self, space: Space, stored: StoredTask, settlement: Complete, now: int) -> None:
        super().complete(space, stored, settlement, now)
        stored.result = stored.result or b""


@mutant("results", "RSL-5")
class RetryHasAResult(PlainDriver):
    """A failed attempt's message is kept as a result."""

    def retry(self, space: Space, stored: StoredTask, settlement: Retry, now: int) -> None:
        super().retry(space, stored, settlement, now)
        stored.result = settlement.failure.message.encode()
