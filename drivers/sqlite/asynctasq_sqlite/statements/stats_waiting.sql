-- Per queue of ?2: ready, scheduled, expired, and when the oldest ready one became due.
SELECT
  queue,
  sum(at <= ?1 AND NOT expired),
  sum(at > ?1 AND NOT expired),
  sum(expired),
  min(CASE WHEN at <= ?1 AND NOT expired THEN at END)
FROM (
  SELECT
    w.queue, w.at,
    CASE WHEN w.special THEN EXISTS (SELECT 1 FROM ns_extra e WHERE e.seq = w.seq AND e.expires_at <= ?1) ELSE 0 END
      AS expired
  FROM json_each(?2) q CROSS JOIN ns_waiting w ON w.queue = q.value
)
GROUP BY queue
