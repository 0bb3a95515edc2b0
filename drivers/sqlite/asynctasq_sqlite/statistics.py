"""Gauges and totals per queue, all as of one instant."""

from collections.abc import Sequence

import msgspec

from asynctasq.driver_api import QueueStats
from asynctasq_sqlite.clock import seconds
from asynctasq_sqlite.session import Session, to_json

_read_names = msgspec.json.Decoder(tuple[str, ...]).decode


def queue_stats(session: Session, queues: Sequence[str] | None) -> dict[str, QueueStats]:
    """What is stored, and what time has decided of it since."""
    if queues is None:
        queues = _read_names(session.value("stats_queues"))
    wanted = to_json(queues)
    now = session.now
    waiting = {row[0]: row[1:] for row in session.run("stats_waiting", now, wanted)}
    leased = {row[0]: row[1:] for row in session.run("stats_leased", now)}
    dead = dict(session.run("stats_dead", wanted).fetchall())
    totals = {row[0]: row[1:] for row in session.run("stats_totals", wanted)}
    stats: dict[str, QueueStats] = {}
    for queue in queues:
        ready, scheduled, expired, oldest = waiting.get(queue, (0, 0, 0, None))
        live, lapsed, oldest_lapsed, cancelled, lapsed_dead = leased.get(queue, (0, 0, None, 0, 0))
        total_completed, total_dead, total_retried, total_cancelled = totals.get(queue, (0, 0, 0, 0))
        since = min((at for at in (oldest, oldest_lapsed) if at is not None), default=None)
        stats[queue] = QueueStats(
            ready=ready + lapsed,
            scheduled=scheduled,
            leased=live,
            dead=dead.get(queue, 0) + expired + lapsed_dead,
            oldest_ready_age=None if since is None else seconds(now - since),
            total_completed=total_completed,
            total_dead=total_dead + expired + lapsed_dead,
            total_retried=total_retried,
            total_cancelled=total_cancelled + cancelled,
        )
    return stats
