-- Without a join: FOR UPDATE would lock the worker's row, too. FORCE INDEX, here and wherever rows are named by their
-- keys: on a small table the whole index would be read, and other transactions' rows be waited for.
SELECT t.pk, t.id, t.queue, t.state, t.priority_order, t.at_us, t.receipt, t.attempt, t.special, t.expires_us,
  t.remember_us, t.keep_us, t.dedupe_key, t.failures, (SELECT w.name FROM {worker} w WHERE w.number = t.worker)
FROM {task} t FORCE INDEX (PRIMARY)
WHERE t.pk IN :pks AND t.namespace = :namespace ORDER BY t.pk FOR UPDATE
