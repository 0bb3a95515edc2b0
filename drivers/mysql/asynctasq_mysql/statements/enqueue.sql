INSERT INTO {task} (namespace, queue, priority_order, at_us, enqueued_us, id, name, payload, remember_us, correlation_id,
  keep_us, expires_us, dedupe_key, special)
VALUES :rows
