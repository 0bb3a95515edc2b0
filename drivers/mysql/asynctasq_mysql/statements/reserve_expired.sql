-- As many of the line's first tasks as one call looks at, whether they have expired or not.
SELECT pk FROM {task} FORCE INDEX (line)
WHERE namespace = :namespace AND queue = :queue AND state = 0 AND priority_order = :line
  AND at_us BETWEEN :head AND @asynctasq_now
ORDER BY at_us, pk LIMIT :limit
