-- The due tasks of queue ?1 in order, at most ?3, as one row: a step of its own per task would take the interpreter's lock
-- as often. Ten ordered ranges rather than one sort: a backlog, or tasks that are not due, cost nothing. The last five
-- columns tell whether all of them are plain, so that nobody has to go through them. Payloads of more than ?4 bytes are
-- left out; their length is known without reading them.
SELECT
  json_group_array(json_array(
    w.seq, w.rank, w.at, w.attempt, w.special,
    CASE WHEN w.special THEN (SELECT e.expires_at FROM ns_extra e WHERE e.seq = w.seq) END,
    t.id, t.name, t.correlation_id, t.enqueued_at, t.remember_for, length(t.payload)
  )),
  CAST(group_concat(CASE WHEN length(t.payload) <= ?4 THEN t.payload END, '') AS BLOB),
  json_group_array(w.seq),
  max(w.special OR w.attempt > 0),
  min(t.remember_for),
  max(t.remember_for),
  max(length(t.payload))
FROM (
  SELECT * FROM (
    SELECT rank, at, seq, attempt, special FROM ns_waiting
    WHERE queue = ?1 AND rank = 0 AND at <= ?2 ORDER BY at, seq LIMIT ?3
  )
  UNION ALL
  SELECT * FROM (
    SELECT rank, at, seq, attempt, special FROM ns_waiting
    WHERE queue = ?1 AND rank = 1 AND at <= ?2 ORDER BY at, seq LIMIT ?3
  )
  UNION ALL
  SELECT * FROM (
    SELECT rank, at, seq, attempt, special FROM ns_waiting
    WHERE queue = ?1 AND rank = 2 AND at <= ?2 ORDER BY at, seq LIMIT ?3
  )
  UNION ALL
  SELECT * FROM (
    SELECT rank, at, seq, attempt, special FROM ns_waiting
    WHERE queue = ?1 AND rank = 3 AND at <= ?2 ORDER BY at, seq LIMIT ?3
  )
  UNION ALL
  SELECT * FROM (
    SELECT rank, at, seq, attempt, special FROM ns_waiting
    WHERE queue = ?1 AND rank = 4 AND at <= ?2 ORDER BY at, seq LIMIT ?3
  )
  UNION ALL
  SELECT * FROM (
    SELECT rank, at, seq, attempt, special FROM ns_waiting
    WHERE queue = ?1 AND rank = 5 AND at <= ?2 ORDER BY at, seq LIMIT ?3
  )
  UNION ALL
  SELECT * FROM (
    SELECT rank, at, seq, attempt, special FROM ns_waiting
    WHERE queue = ?1 AND rank = 6 AND at <= ?2 ORDER BY at, seq LIMIT ?3
  )
  UNION ALL
  SELECT * FROM (
    SELECT rank, at, seq, attempt, special FROM ns_waiting
    WHERE queue = ?1 AND rank = 7 AND at <= ?2 ORDER BY at, seq LIMIT ?3
  )
  UNION ALL
  SELECT * FROM (
    SELECT rank, at, seq, attempt, special FROM ns_waiting
    WHERE queue = ?1 AND rank = 8 AND at <= ?2 ORDER BY at, seq LIMIT ?3
  )
  UNION ALL
  SELECT * FROM (
    SELECT rank, at, seq, attempt, special FROM ns_waiting
    WHERE queue = ?1 AND rank = 9 AND at <= ?2 ORDER BY at, seq LIMIT ?3
  )
  LIMIT ?3
) w
CROSS JOIN ns_task t ON t.seq = w.seq
