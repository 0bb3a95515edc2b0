-- The first line of a queue that holds anything; joined by UNION ALL for many.
(SELECT :place, priority_order FROM {task} FORCE INDEX (line)
WHERE namespace = :namespace AND queue = :queue AND state = 0
  AND NOT EXISTS (SELECT 1 FROM {paused} WHERE namespace = :namespace AND queue = :queue)
ORDER BY priority_order, at_us LIMIT 1)
