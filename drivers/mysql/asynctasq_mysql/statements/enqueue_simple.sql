INSERT INTO {task} (namespace, queue, priority_order, at_us, enqueued_us, id, name, payload, remember_us, correlation_id)
VALUES :rows
