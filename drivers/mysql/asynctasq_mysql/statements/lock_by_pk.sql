-- Without a join: FOR UPDATE would lock the worker's row, too.
SELECT t.pk, t.id, t.queue, t.state, t.priority_order, t.at_us, t.receipt, t.attempt, t.special, t.expires_us,
  t.remember_us, t.keep_us, t.dedupe_key, t.failures, (SELECT w.name FROM {worker} w WHERE w.number = t.worker)
FROM {task} t WHERE t.pk IN :pks AND t.namespace = :namespace ORDER BY t.pk FOR UPDATE
