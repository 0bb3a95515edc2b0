"""Leased tasks wait again or end: decided one by one, written in bulk."""

from collections.abc import Sequence

from asynctasq_sqlite.rows import Holding
from asynctasq_sqlite.session import Session, fresh_token, numbers, to_json

COMPLETED, DEAD, CANCELLED = "completed", "dead", "cancelled"
EXPIRED = "expired"

LARGEST_RESULTS = 64 * 1024 * 1024
"""Bytes of results that are stored by one statement: they travel as one value, which SQLite limits."""


class Transitions:
    """What is to become of leased tasks, collected for one `write()`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waiting: list[tuple[int, str, int, int, int]] = []
        self._extra: list[tuple[int, int | None, int | None, str | None, int | None, str | None]] = []
        self._ended: list[tuple[int, str, str, int, int, int | None, str | None, int, int | None]] = []
        self._results: list[bytes] = []
        self._results_size = 0
        self._remembered: list[tuple[int, str, int]] = []
        self._released: list[int] = []
        self._ended_special: list[int] = []

    def wait_again(self, held: Holding, *, at: int, attempt: int, failures: str | None = None) -> None:
        """It waits for its next delivery, due at `at`."""
        self._released.append(held.seq)
        self._waiting.append((held.seq, held.queue, held.rank, at, attempt))
        self._extra.append((held.seq, at, held.expires_at, held.worker, held.started_at, failures))
        if at <= self._session.now:
            self._session.ready_queues.add(held.queue)

    def complete(self, held: Holding, result: bytes | None) -> None:
        """It is done. A record is kept if the task asks for it."""
        now = self._session.now
        self._session.add_totals(held.queue, completed=1)
        if held.keep_for:
            self._end(held, COMPLETED, now, drop_at=now + held.keep_for, result=result)
            return
        self._released.append(held.seq)
        self._remembered.append((now + held.remember_for, held.queue, held.seq))
        if held.special:
            self._ended_special.append(held.seq)

    def cancel(self, held: Holding, reason: str, *, at: int, attempt: int, failures: str | None = None) -> None:
        """It ends as cancelled, at `at`."""
        self._session.add_totals(held.queue, cancelled=1)
        self._end(
            held, CANCELLED, at, drop_at=at + held.remember_for, reason=reason, attempt=attempt, failures=failures
        )

    def bury(self, held: Holding, reason: str, *, at: int, attempt: int, failures: str | None = None) -> None:
        """It becomes a dead letter, at `at`."""
        self._session.add_totals(held.queue, dead=1)
        self._end(held, DEAD, at, drop_at=None, reason=reason, attempt=attempt, failures=failures)

    def _end(
        self,
        held: Holding,
        state: str,
        at: int,
        *,
        drop_at: int | None,
        reason: str | None = None,
        attempt: int | None = None,
        result: bytes | None = None,
        failures: str | None = None,
    ) -> None:
        self._released.append(held.seq)
        self._extra.append((held.seq, None, None, held.worker, held.started_at, failures))
        if result is not None and self._results_size + len(result) > LARGEST_RESULTS:
            self._write_ended()
        attempts = held.attempt if attempt is None else attempt
        size = None if result is None else len(result)
        self._ended.append((held.seq, held.queue, state, attempts, at, drop_at, reason, self._results_size, size))
        if result is not None:
            self._results.append(result)
            self._results_size += len(result)
        if held.special:
            self._ended_special.append(held.seq)

    def write(self) -> None:
        """Store everything that was collected; the next statement sees it."""
        session = self._session
        if not self._released:
            return
        session.run("leases_remove", numbers(self._released))
        if self._ended_special:
            session.run("dedupe_free", numbers(self._ended_special))
        if self._extra:
            session.run("extra_save", to_json(self._extra))
        if self._waiting:
            session.run("waiting_add", to_json(self._waiting))
        self._write_ended()
        if self._remembered:
            remember(session, self._remembered)
            if self._ended_special:
                session.run("extra_remove", numbers([seq for _, _, seq in self._remembered]))

    def _write_ended(self) -> None:
        if self._ended:
            self._session.run("ended_add", to_json(self._ended), b"".join(self._results))
        self._ended, self._results, self._results_size = [], [], 0


def remember(session: Session, ids: Sequence[tuple[int, str, int]]) -> None:
    """Keep the ids of tasks without a record known: (until when, queue, seq)."""
    session.run("remember", to_json(ids), fresh_token())
