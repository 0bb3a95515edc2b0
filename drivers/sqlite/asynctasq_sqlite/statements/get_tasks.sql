-- Everything that is stored of the tasks of ?1: [seq, ...], but the tokens.
SELECT
  t.seq, t.id, t.queue, t.name, t.payload, t.correlation_id, t.rank, t.at, t.enqueued_at, t.remember_for,
  w.attempt AS waiting_attempt,
  l.attempt AS leased_attempt, l.until, l.worker AS leased_worker, l.started_at AS leased_started_at,
  d.state AS ended_state, d.attempts AS ended_attempts, d.finished_at, d.reason, d.result,
  e.at AS later_at, e.dedupe_key, e.expires_after, ifnull(e.keep_for, 0) AS keep_for,
  ifnull(e.cancel_requested, 0) AS cancel_requested, e.worker, e.started_at, e.failures
FROM json_each(?1) j
CROSS JOIN ns_task t ON t.seq = j.value
LEFT JOIN ns_extra e ON e.seq = t.seq
LEFT JOIN ns_leased l ON l.seq = t.seq
LEFT JOIN ns_ended d ON d.seq = t.seq
LEFT JOIN ns_waiting w ON w.queue = t.queue AND w.rank = t.rank AND w.at = coalesce(e.at, t.at) AND w.seq = t.seq
