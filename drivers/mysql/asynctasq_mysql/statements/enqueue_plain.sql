INSERT INTO {task} (namespace, queue, priority_order, at_us, enqueued_us, id, name, payload) VALUES :rows
