-- The waiting tasks of ?1 that have expired become dead letters.
INSERT INTO ns_ended (seq, queue, state, attempts, finished_at, drop_at, reason)
SELECT t.seq, t.queue, 'dead', w.attempt, e.expires_at, NULL, 'expired'
FROM json_each(?1) j
CROSS JOIN ns_extra e ON e.seq = j.value
CROSS JOIN ns_task t ON t.seq = e.seq
CROSS JOIN ns_waiting w ON w.queue = t.queue AND w.rank = t.rank AND w.at = coalesce(e.at, t.at) AND w.seq = t.seq
