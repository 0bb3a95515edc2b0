-- The head of the queue by a read that locks nothing and passes over delete-marked entries cheaply; then the line that
-- it is in, from there on. FORCE INDEX: without it, a claim of 10 locks 2,000 rows.
SET @asynctasq_now = {now}, @asynctasq_line = NULL, @asynctasq_head = NULL;
START TRANSACTION;
SELECT priority_order, at_us INTO @asynctasq_line, @asynctasq_head FROM {task} FORCE INDEX (line)
WHERE namespace = :namespace AND queue = :queue AND state = 0
  AND NOT EXISTS (SELECT 1 FROM {paused} WHERE namespace = :namespace AND queue = :queue)
ORDER BY priority_order, at_us, pk LIMIT 1;
SELECT pk, id, name, payload, correlation_id, attempt, enqueued_us, expires_us <= @asynctasq_now
FROM {task} FORCE INDEX (line)
WHERE namespace = :namespace AND queue = :queue AND state = 0 AND priority_order = @asynctasq_line
  AND at_us BETWEEN @asynctasq_head AND @asynctasq_now
ORDER BY at_us, pk LIMIT :limit FOR UPDATE SKIP LOCKED;
SELECT @asynctasq_line, @asynctasq_now
