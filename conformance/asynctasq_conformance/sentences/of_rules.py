"""The rules of every method, and the life of a driver."""

from __future__ import annotations

from asynctasq_conformance.sentences.sentence import Sentence

BASE_CLASS = "the final methods of the base class keep it, and no driver can change them"
FAULTS = "the plain driver has no connection that could break"
NO_SCHEMA = "needs a store in a state that only its own driver's tests can make"

RULES = (
    Sentence(
        "LIF-1",
        "Before `connect()` and after `disconnect()` every method but `connect`, `disconnect` and `prepare_storage` "
        "raises `DriverClosed`.",
    ),
    Sentence("LIF-2", "`disconnect()` waits for calls in flight."),
    Sentence("LIF-3", "`disconnect()` is idempotent.", no_mutant=BASE_CLASS),
    Sentence("LIF-4", "`disconnect()` touches no lease."),
    Sentence("LIF-5", "Connecting again is allowed."),
    Sentence(
        "LIF-6",
        "`connect()` raises `StorageMissing` (no schema or an older one; names the `migrate` command) or "
        "`StorageTooNew`.",
        no_example=NO_SCHEMA,
        no_mutant=NO_SCHEMA,
    ),
    Sentence(
        "LIF-7",
        "A store without a schema, or one embedded in the process, prepares itself at `connect()`.",
        no_example=NO_SCHEMA,
        no_mutant=NO_SCHEMA,
    ),
    Sentence("LIF-8", "`prepare_storage()` is idempotent, and safe for concurrent callers."),
    Sentence("LIF-9", "`prepare_storage(dry_run=True)` returns the statements; none if the storage is up to date."),
    Sentence("LIF-10", "Safe for concurrent calls from many tasks of one event loop."),
    Sentence("LIF-11", "Several drivers may be open on one store in one process, on other threads and loops."),
    Sentence(
        "LIF-12",
        "After a fork the parent's driver raises `DriverClosed` in the child and names the cure.",
        no_mutant=BASE_CLASS,
    ),
    Sentence("LIF-13", "Traits are read after connecting: guarantees, limits, event loops."),
    Sentence("LIF-14", "One clock: the backend's; `now()` tells it, aware UTC, and tasks are stamped with it."),
    Sentence("LIF-15", "Every method is a checkpoint."),
    Sentence("LIF-16", "`diagnose()`: what an operator should change in this store; default empty."),
    Sentence("LIF-17", "The namespace separates all data of one store."),
    Sentence("LIF-18", "A connected driver claims no more than its plugin's `DriverSpec` advertises."),
    Sentence("ERR-1", "Batch in, positional outcomes out. `len(out) == len(in)`."),
    Sentence("ERR-2", "Items of a batch apply in order."),
    Sentence(
        "ERR-3",
        "More items than `limits.max_batch` (settlements count with their follow-ups; `limit` counts too) -> "
        "`InvalidArgument`, never a silent split.",
        no_mutant=BASE_CLASS,
    ),
    Sentence("ERR-4", "An empty batch returns an empty list without I/O.", no_mutant=BASE_CLASS),
    Sentence("ERR-5", "Everything is validated before any effect.", no_mutant=BASE_CLASS),
    Sentence(
        "ERR-6",
        "Bounds: id, queue and namespace `[A-Za-z0-9._-]{1,64}`; name, correlation id, dedupe key, worker, reason 1 to "
        "200 bytes of UTF-8 without NUL; priority 0..9; `limit` >= 1.",
        no_mutant=BASE_CLASS,
    ),
    Sentence("ERR-7", "Durations are finite, >= 0, <= `limits.max_delay`; `lease` > 0.", no_mutant=BASE_CLASS),
    Sentence("ERR-8", "The only absolute time that comes in is `available_at` (aware UTC).", no_mutant=BASE_CLASS),
    Sentence("ERR-9", "Every mutating method is safe to send again: enqueue and settle take effect once."),
    Sentence("ERR-10", "The other methods, sent again, act again on what they find."),
    Sentence("ERR-11", "A `reserve` sent again may strand leases, which lapse."),
    Sentence("ERR-12", "Any string is a legal receipt; one that was never issued is STALE."),
    Sentence("ERR-13", "A failure's texts: 8 KiB in all are kept whole; more, NUL or lone surrogates are refused."),
    Sentence(
        "FLT-1",
        "Only `DriverError` and its subclasses escape; the native error is `__cause__`.",
        no_mutant=FAULTS,
    ),
    Sentence(
        "FLT-2",
        "`DriverUnavailable`: unknown whether applied; also a call unanswered for the driver's `command_timeout`.",
        no_mutant=FAULTS,
    ),
    Sentence(
        "FLT-3",
        "Drivers never retry, except a transaction that the server itself refused or rolled back.",
        no_example="a driver's own retries cannot be told from a slow server; its own tests count them",
        no_mutant="a retry that succeeds cannot be told from a slow reply but by counting: the proxy counts",
    ),
    Sentence(
        "FLT-4",
        "`QueueFull`: the store has no room; nothing of the call was applied.",
        no_example=NO_SCHEMA,
        no_mutant=NO_SCHEMA,
    ),
    Sentence(
        "FLT-5",
        "`ConfigurationError`: from `connect()` only, for what can never work.",
        no_example=NO_SCHEMA,
        no_mutant=NO_SCHEMA,
    ),
    Sentence("FLT-6", "Latency is no failure.", no_mutant=FAULTS),
    Sentence("CON-1", "A cancelled call applies each item fully or not at all."),
    Sentence(
        "CON-2",
        "After a cancelled call its connection is usable or discarded.",
    ),
    Sentence(
        "CON-3",
        "A cancelled `reserve` may leave leases that nobody knows.",
        no_mutant="it allows something; the model and the concurrency group accept it",
    ),
    Sentence(
        "CON-4",
        "The clock is read after locks are taken.",
        no_example="needs a lock that is held: the tests of drivers that take locks show it",
        no_mutant="the plain driver takes no lock that it could wait for",
    ),
    Sentence(
        "CON-5",
        "No task is in two live leases, whoever reserves at the same time.",
    ),
)
