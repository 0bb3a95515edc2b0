"""Optional features, and guarantees beyond the core."""

from __future__ import annotations

from asynctasq_conformance.sentences.of_rules import FAULTS
from asynctasq_conformance.sentences.sentence import Sentence

FEATURES = (
    Sentence("WAK-1", "Once `listen()` has returned, an enqueue of ready work wakes at least one listener."),
    Sentence("WAK-2", "A hint that came between two calls of `wait` is not lost."),
    Sentence("WAK-3", "`wait(timeout)` waits at most `timeout` seconds."),
    Sentence("WAK-4", "`listen(queues)` is for all of them."),
    Sentence("WAK-5", "Never a hint before the enqueue can be seen, and one after it."),
    Sentence("WAK-6", "`wait` can be cancelled."),
    Sentence(
        "WAK-7",
        "When the connection that carries the hints has broken, `wait` raises `DriverUnavailable`, or hints go on.",
        no_mutant=FAULTS,
    ),
    Sentence("TRA-1", "Enqueued in the user's transaction, a task is there after the commit."),
    Sentence("TRA-2", "Invisible until commit; the driver never begins, commits, rolls back or closes."),
    Sentence("TRA-3", "Gone on rollback."),
    Sentence("TRA-4", "Savepoints included."),
    Sentence("TRA-5", "Settlements in a transaction: invisible until commit, gone on rollback."),
    Sentence("TRA-6", "Settlements are fenced in a transaction, too."),
    Sentence("TRA-7", "A duplicate never aborts the transaction."),
    Sentence("TRA-8", "No transaction open, or no connection that is known -> `InvalidArgument`."),
    Sentence("TRA-9", "`InvalidArgument` and `PayloadTooLarge` leave the transaction unharmed."),
    Sentence("TRA-10", "Delays count from the call."),
    Sentence("TRA-11", "Until the caller ends it, other enqueues of the same id or dedupe key wait."),
    Sentence("TRA-12", "A commit wakes listeners; never before."),
    Sentence(
        "TRA-13",
        "If the store itself ended the transaction: `TransactionAborted`.",
        no_example="needs the store to give up: the tests of drivers whose stores do show it",
        no_mutant="the plain driver's store never gives up",
    ),
    Sentence(
        "TRA-14",
        "An isolation level that can't be served -> `InvalidArgument`, and the transaction is unharmed.",
        no_example="which levels those are, and how one is set, only the tests of drivers whose stores have them know",
        no_mutant="the plain driver's store has one isolation level",
    ),
    Sentence("PAU-1", "`reserve` leaves paused queues out at once."),
    Sentence("PAU-2", "`resume` delivers again."),
    Sentence("PAU-3", "Settling and extending go on."),
    Sentence("PAU-4", "`paused_queues()`: the names of all paused queues."),
    Sentence("PAU-5", "`purge` keeps pauses."),
    Sentence("PAU-6", "`queue_stats(None)`: every queue with a pause."),
    Sentence("PAU-7", "Names of queues are checked."),
    Sentence("PAU-8", "`pause` and `resume` are idempotent; resuming what is not paused is fine."),
    Sentence("REP-1", "`report(worker, data, ttl)` is shown by `reports()`."),
    Sentence("REP-2", "A report takes the place of the worker's last one."),
    Sentence("REP-3", "Gone after `ttl`."),
    Sentence("REP-4", "Never part of delivery."),
    Sentence("REP-5", "Worker and `ttl` are checked."),
    Sentence("REP-6", "A report over `max_payload_bytes` -> `PayloadTooLarge`."),
    Sentence("GUA-1", "DURABLE: what was acknowledged survives a restart of the backend."),
    Sentence("GUA-2", "A receipt is never reused, not even after a restart."),
    Sentence(
        "GUA-3",
        "SHARED_BETWEEN_PROCESSES: drivers in several processes see the same tasks, also of a process that has died.",
        no_mutant="the plain driver lives in one process",
    ),
)
