-- Where something has expired, the oldest task that has not is looked for.
SELECT queue, {now} - MIN(at_us) FROM {task} FORCE INDEX (line)
WHERE namespace = :namespace AND state = 0 AND at_us <= {now} AND expires_us > {now} AND queue IN :queues GROUP BY queue
