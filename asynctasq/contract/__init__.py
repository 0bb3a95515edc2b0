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
2. Everything is validated before any effect (`InvalidArgument`, `PayloadTooLarge`; the bounds stand below).
3. Only `DriverError`s escape (and `ConfigurationError` from `connect()`), with the native error as `__cause__`.
   `DriverUnavailable` means *unknown whether applied*, and also covers a call that the backend left unanswered for the
   driver's command time-out. Every mutating method is safe to send again: enqueueing and settling take effect once,
   although the second outcome may differ (DUPLICATE, STALE); the others act again on what they find; a `reserve` sent
   again may strand leases, which lapse. `QueueFull` means that nothing of the call was applied for want of room.
   A driver never retries, except a transaction that the server itself refused or rolled back before anything was
   reported; its client library's own retries are switched off.
4. *One clock: the backend's.* Durations are float seconds, finite, from 0 to `limits.max_delay`, rounded up to
   `limits.time_resolution`. The only absolute time that comes in is `NewTask.available_at`. A client's wrong clock has
   no effect. The clock is read after locks are taken.
5. Safe for concurrent calls from many tasks of one event loop. Several drivers may be open on one store in one process,
   on other threads and loops. In a forked child the parent's driver raises `DriverClosed`.
6. Every method is a checkpoint. A cancelled call applies each item fully or not at all; its connection is usable
   afterwards or discarded. A cancelled `reserve` may leave leases that nobody knows; they lapse.
7. Before `connect()` and after `disconnect()` every method but `connect`, `disconnect` and `prepare_storage` raises
   `DriverClosed`.
8. Payloads and results are any bytes: empty, NUL, not UTF-8.

Bounds
======

The base class checks them before a hook is called; a feature has no base class, and its methods check their own
arguments, with the `check_` functions of `driver_api`. Ids, queues and namespaces: `[A-Za-z0-9._-]{1,64}`. Names,
correlation ids, dedupe keys, workers and reasons: 1 to 200 bytes of UTF-8 without NUL, compared bytewise. Priority: a
whole number from 0 to 9, 9 first. `limit`: 1 to `limits.max_batch`. `lease`: more than 0. Payloads, results and
reports: at most `limits.max_payload_bytes`. A failure's texts: 8 KiB in all, without NUL and lone surrogates. Any
string is a legal receipt; one that was never issued is stale.

States
======

`scheduled -> ready -> leased -> completed | dead | cancelled`, and `leased -> ready | scheduled` by Retry, Release or a
lapsed lease. A dead letter that is replayed is ready again.

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
`remember_for` after it finished. The first `maintain()` after that forgets it. So enqueueing the same id again after an
ambiguous failure never runs it twice.

What the core promises a driver
===============================

It leaves a receipt out of `extend_many` while its settlement is in flight. (But if its event loop is blocked, and so
may have begun a `settle_many` that it has not sent, it extends such receipts, in calls apart.) It checks results
against `max_payload_bytes` first. It bounds a delivery's total time by no longer extending it. It sends the same batch
again after `DriverUnavailable` and `QueueFull`, with backoff. It calls `maintain()` from some worker every few seconds.
It reads `traits` and the features once the driver is connected.
"""
