SELECT pk, id, name, payload, correlation_id, attempt, enqueued_us, expires_us <= @asynctasq_now
FROM {task} FORCE INDEX (line)
WHERE namespace = :namespace AND queue = :queue AND state = 0 AND priority_order = :line
  AND at_us BETWEEN :head AND @asynctasq_now
ORDER BY at_us, pk LIMIT :limit FOR UPDATE SKIP LOCKED
