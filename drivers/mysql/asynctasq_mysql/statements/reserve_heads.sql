-- One line of a queue; joined by UNION ALL for many.
(SELECT :place, MIN(at_us) FROM {task} FORCE INDEX (line)
WHERE namespace = :namespace AND queue = :queue AND state = 0 AND priority_order = :line
  AND NOT EXISTS (SELECT 1 FROM {paused} WHERE namespace = :namespace AND queue = :queue))
