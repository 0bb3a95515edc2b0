-- As lock_by_pk, but for those that somebody else has in hand.
SELECT t.pk, t.id, t.queue, t.state, t.priority_order, t.at_us, t.receipt, t.attempt, t.special, t.expires_us,
  t.remember_us, t.keep_us, t.dedupe_key, t.failures, (SELECT w.name FROM {worker} w WHERE w.number = t.worker)
FROM {task} t FORCE INDEX (PRIMARY)
WHERE t.pk IN :pks AND t.namespace = :namespace ORDER BY t.pk FOR UPDATE SKIP LOCKED
