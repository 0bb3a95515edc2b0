SELECT {now}, t.pk, t.id, t.queue, t.name, t.payload, t.correlation_id, t.priority_order, t.dedupe_key, t.expires_us,
  t.keep_us, t.remember_us, t.state, t.attempt, (SELECT w.name FROM {worker} w WHERE w.number = t.worker), t.at_us,
  t.receipt, t.reason, t.result, t.failures, t.enqueued_us, t.started_us, t.finished_us
FROM {agenda} a FORCE INDEX (PRIMARY) JOIN {task} t ON t.pk = a.pk
WHERE a.pk IN :pks AND a.kind = :kind AND :filters ORDER BY a.at_us, a.pk LIMIT :limit
