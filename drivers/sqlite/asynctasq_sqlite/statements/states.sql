-- What the tasks with the ids of ?1 are at.
SELECT json_group_array(json_array(
  t.seq, t.id, t.queue, t.rank, coalesce(e.at, t.at), t.enqueued_at, t.remember_for,
  w.seq IS NOT NULL, ifnull(w.attempt, 0), l.until, d.state,
  e.dedupe_key, e.expires_after, ifnull(e.cancel_requested, 0)
))
FROM json_each(?1) j
CROSS JOIN ns_task t ON t.id = j.value
LEFT JOIN ns_extra e ON e.seq = t.seq
LEFT JOIN ns_leased l ON l.seq = t.seq
LEFT JOIN ns_ended d ON d.seq = t.seq
LEFT JOIN ns_waiting w ON w.queue = t.queue AND w.rank = t.rank AND w.at = coalesce(e.at, t.at) AND w.seq = t.seq
