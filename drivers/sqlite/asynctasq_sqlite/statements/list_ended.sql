-- As list_tasks.sql, of the tasks that ended in state ?7.
SELECT
  json_group_array(seq) FILTER (
    WHERE (?3 IS NULL OR queue = ?3) AND (?4 IS NULL OR name = ?4) AND (?5 IS NULL OR correlation_id = ?5)
      AND (?6 IS NULL OR enqueued_at <= ?6)
  ),
  count(*), max(seq)
FROM (
  SELECT d.seq, d.queue, t.name, t.correlation_id, t.enqueued_at
  FROM (SELECT seq, queue FROM ns_ended WHERE state = ?7 AND seq > ?1 ORDER BY seq LIMIT ?2) d
  CROSS JOIN ns_task t ON t.seq = d.seq
)
