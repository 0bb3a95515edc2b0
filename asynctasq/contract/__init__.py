"""What a backend, a serializer and an event sink promise. No I/O, and no backend's name.

The driver contract, version 1.0
================================

Each docstring of `contract.driver.Driver` is the contract of its method; the rules here hold for every method.

A driver moves opaque envelopes between states, atomically, and holds no policy: backoff, attempt limits, visibility
timeouts, routing, headers and serialization live in the core, once.

Rules for every method
======================

1. *Batch in, positional outcomes out.* `len(out) == len(in)`, and the items of a batch apply in order. A batch over
   `traits.limits.max_batch` raises `InvalidArgument`; it is never split in silence. An empty batch returns an empty
   list without I/O.
2. Everything is validated before any effect.
3. Only `DriverError`s escape (and `ConfigurationError` from `connect()`), with the native error as `__cause__`.
   `DriverUnavailable` means *unknown whether applied*, and also covers a call that the backend left unanswered for the
   driver's command time-out. Every mutating method is safe to send again: enqueueing and settling take effect once,
   although the second outcome may differ (DUPLICATE, STALE); the others act again on what they find; a `reserve` sent
   again may strand leases, which lapse. `QueueFull` means that nothing of the call was applied for want of room.
   A driver never retries, except a transaction that the server itself refused or rolled back.
4. *One clock: the backend's.* Durations are float seconds, finite, from 0 to `limits.max_delay`, rounded up to
   `limits.time_resolution`. A client's wrong clock has no effect. The clock is read after locks are taken.
5. Safe for concurrent calls from many tasks of one event loop. Several drivers may be open on one store in one process,
   on other threads and loops. In a forked child the parent's driver raises `DriverClosed`.
6. Every method is a checkpoint. A cancelled call applies each item fully or not at all. A cancelled `reserve` may leave
   leases that nobody knows; they lapse.
7. Before `connect()` and after `disconnect()` every method but `connect`, `disconnect` and `prepare_storage` raises
   `DriverClosed`.
8. Payloads and results are any bytes: empty, NUL, not UTF-8.

What time does by itself
========================

*scheduled becomes ready* when due (due exactly now included), and *leased becomes ready* when the lease ends
(`lease end <= now`); nothing has to run for that. A lapsed lease whose cancellation was requested is cancelled; else a
waiting task with `now >= enqueued_at + expires_after` is dead (reason `expired`). A live lease never expires and may
still complete. From that moment `reserve` never delivers the task, `get_tasks` shows it ended, and its dedupe key is
free. Lists, and the totals of `queue_stats`, show it at the latest after a `maintain()` that reports `more=False`; the
gauges at once if `EXACT_STATS`.

Order, for one consumer: within a queue priority descending, `available_at`, enqueue order (if `STRICT_ORDER`).
`available_at` is max(acceptance, what was asked) at first, settle time + delay after Retry or Release, the lease's end
when it lapsed, now after replay. Enqueue order is that of the first acceptance, and never changes. A task that a
caller's own transaction committed later than that time may come up to a second out of order.

Retention
=========

A completed record stays at least `keep_for`, a cancelled one at least `remember_for`, a dead one until it is replayed,
deleted or purged (or the driver's setting `dead_retention`). An id stays known while its record exists, and at least
`remember_for` after it finished. The first `maintain()` after that forgets it.
"""
