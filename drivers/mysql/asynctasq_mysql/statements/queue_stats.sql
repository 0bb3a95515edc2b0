-- One statement, and so one instant. What has expired is counted as ready or scheduled first, and then taken off.
SELECT queue, 'ready', COUNT(*), {now} - MIN(at_us), 0, 0 FROM {task} FORCE INDEX (line)
WHERE namespace = :namespace AND state = 0 AND at_us <= {now} AND :queues GROUP BY queue
UNION ALL
SELECT queue, IF(receipt = 0, 'scheduled', 'leased'), COUNT(*), 0, 0, 0 FROM {task} FORCE INDEX (line)
WHERE namespace = :namespace AND state = 0 AND at_us > {now} AND :queues GROUP BY queue, receipt = 0
UNION ALL
SELECT queue, 'leased', COUNT(*), 0, 0, 0 FROM {task} FORCE INDEX (line)
WHERE namespace = :namespace AND state = 1 AND at_us > {now} AND :queues GROUP BY queue
UNION ALL
SELECT queue, 'dead', COUNT(*), 0, 0, 0 FROM {task} FORCE INDEX (line)
WHERE namespace = :namespace AND state = 2 AND :queues GROUP BY queue
UNION ALL
SELECT queue, 'other', COUNT(*), 0, 0, 0 FROM {task} FORCE INDEX (line)
WHERE namespace = :namespace AND state > 2 AND :queues GROUP BY queue
UNION ALL
SELECT t.queue, IF(t.at_us <= {now}, 'expired_ready', 'expired_scheduled'), COUNT(*), 0, 0, 0
FROM {agenda} a JOIN {task} t ON t.pk = a.pk
WHERE a.namespace = :namespace AND a.kind = 0 AND a.at_us <= {now} AND t.state = 0 AND t.expires_us <= {now}
  AND (t.receipt = 0 OR t.at_us <= {now}) AND :queues
GROUP BY t.queue, t.at_us <= {now}
UNION ALL
SELECT queue, 'totals', SUM(completed), SUM(dead), SUM(retried), SUM(cancelled) FROM
  (SELECT queue, completed, dead, retried, cancelled FROM {totals} WHERE namespace = :namespace AND :queues
   UNION ALL
   SELECT queue, completed, dead, retried, cancelled FROM {journal} WHERE namespace = :namespace AND :queues) AS counted
GROUP BY queue
UNION ALL
SELECT queue, 'paused', 0, 0, 0, 0 FROM {paused} WHERE namespace = :namespace AND :queues
