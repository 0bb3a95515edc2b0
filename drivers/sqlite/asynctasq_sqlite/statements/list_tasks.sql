-- Of the ?2 tasks behind seq ?1 those that match; how many were looked at, and the last of them.
SELECT
  json_group_array(seq) FILTER (
    WHERE (?3 IS NULL OR queue = ?3) AND (?4 IS NULL OR name = ?4) AND (?5 IS NULL OR correlation_id = ?5)
      AND (?6 IS NULL OR enqueued_at <= ?6)
  ),
  count(*), max(seq)
FROM (
  SELECT seq, queue, name, correlation_id, enqueued_at FROM ns_task WHERE seq > ?1 ORDER BY seq LIMIT ?2
)
