-- One range per queue and priority, each a step down the index, and no lock. It affects a row if there is one.
SELECT 1 INTO @asynctasq_ready FROM {task} FORCE INDEX (line)
WHERE namespace = :namespace AND queue IN :queues AND state = 0 AND priority_order IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
  AND at_us <= {now} AND queue NOT IN (SELECT queue FROM {paused} WHERE namespace = :namespace)
LIMIT 1
