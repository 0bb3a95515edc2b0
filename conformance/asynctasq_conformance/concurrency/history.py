"""What several workers did to a queue, and whether it could have been right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

ENDINGS = frozenset({"complete", "bury", "cancel"})


@dataclass
class Taken:
    """One delivery, and what became of it."""

    id: str
    receipt: str
    attempt: int
    worker: str
    epoch: int
    """How often all leases were left to lapse before."""
    returned: int
    """When `reserve` had returned it: the number of the event."""
    kind: str | None = None
    """How the worker settled it, if it came to that."""
    began: int | None = None
    """When the settling began."""
    applied: bool | None = None
    """True or False as it was answered; None if the answer never came."""


@dataclass
class History:
    """Events, numbered as they happen."""

    accepted: list[str] = field(default_factory=list[str])
    taken: list[Taken] = field(default_factory=list[Taken])
    lost_reserves: int = 0
    """Reserves that were cancelled: leases that nobody knows."""
    epoch: int = 0
    events: int = 0

    def tick(self) -> int:
        """The number of the next event."""
        self.events += 1
        return self.events

    def violations(self) -> Iterator[str]:
        """Everything that could not have happened with a right driver."""
        yield from self._receipts()
        by_id: dict[str, list[Taken]] = defaultdict(list)
        for one in self.taken:
            by_id[one.id].append(one)
        for id in sorted(set(by_id) - set(self.accepted)):
            yield f"{id} was delivered, but never accepted"
        for id, deliveries in by_id.items():
            deliveries.sort(key=lambda one: one.returned)
            yield from self._overlaps(id, deliveries)
            yield from self._endings(id, deliveries)
            yield from self._attempts(id, deliveries)

    def _receipts(self) -> Iterator[str]:
        seen: set[str] = set()
        for one in self.taken:
            if one.receipt in seen:
                yield f"receipt {one.receipt} was issued twice"
            seen.add(one.receipt)

    def _overlaps(self, id: str, deliveries: Sequence[Taken]) -> Iterator[str]:
        for former, latter in pairwise(deliveries):
            lapsed = former.epoch < latter.epoch
            given_back = (
                former.kind in ("retry", "release")
                and former.applied is not False
                and former.began is not None
                and former.began < latter.returned
            )
            if not lapsed and not given_back:
                yield f"{id} was delivered to {latter.worker} while {former.worker} held it"

    def _endings(self, id: str, deliveries: Sequence[Taken]) -> Iterator[str]:
        ended = [one for one in deliveries if one.applied and one.kind in ENDINGS]
        if len(ended) > 1:
            yield f"{id} ended {len(ended)} times"
        if ended and deliveries[-1] is not ended[0]:
            yield f"{id} was delivered again after it had ended"
        for one in deliveries:
            if one.applied is False and one.kind is not None and one is deliveries[-1] and one.epoch == self.epoch:
                yield f"the settlement of {id} by {one.worker}, who held it, was stale"

    def _attempts(self, id: str, deliveries: Sequence[Taken]) -> Iterator[str]:
        surely_back = maybe_back = 0
        for known, one in enumerate(deliveries):
            least = 1 + known - surely_back - maybe_back
            most = 1 + known - surely_back + self.lost_reserves
            if not least <= one.attempt <= most:
                yield f"{id} was delivered as attempt {one.attempt}, not {least} to {most}"
            if one.kind == "release":
                surely_back += one.applied is True
                maybe_back += one.applied is None
