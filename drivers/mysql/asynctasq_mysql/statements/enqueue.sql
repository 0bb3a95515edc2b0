INSERT INTO {task} (namespace, queue, priority_order, at_us, enqueued_us, remember_us, id, name, correlation_id, payload,
  keep_us, expires_us, dedupe_key, special)
VALUES :rows
