-- The line's first tasks, whoever has them in hand, and whether they have expired.
SELECT pk, expires_us <= @asynctasq_now FROM {task} FORCE INDEX (line)
WHERE namespace = :namespace AND queue = :queue AND state = 0 AND priority_order = :line
  AND at_us BETWEEN :head AND @asynctasq_now
ORDER BY at_us, pk LIMIT :limit
