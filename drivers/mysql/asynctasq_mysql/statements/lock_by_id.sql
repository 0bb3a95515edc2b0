SELECT k.id, t.pk, t.id, t.queue, t.state, t.priority_order, t.at_us, t.receipt, t.attempt, t.special, t.expires_us,
  t.remember_us, t.keep_us, t.dedupe_key, t.failures, (SELECT w.name FROM {worker} w WHERE w.number = t.worker)
FROM {known} k FORCE INDEX (PRIMARY) LEFT JOIN {task} t ON t.pk = k.pk
WHERE k.namespace = :namespace AND k.id IN :ids ORDER BY k.id FOR UPDATE
