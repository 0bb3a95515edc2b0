SELECT {now}, t.pk, t.id, t.queue, t.name, t.payload, t.correlation_id, t.priority_order, t.dedupe_key, t.expires_us,
  t.keep_us, t.remember_us, t.state, t.attempt, (SELECT w.name FROM {worker} w WHERE w.number = t.worker), t.at_us,
  t.receipt, t.reason, t.result, t.failures, t.enqueued_us, t.started_us, t.finished_us
FROM {known} k FORCE INDEX (PRIMARY) JOIN {task} t ON t.pk = k.pk
WHERE k.namespace = :namespace AND k.id IN :ids
