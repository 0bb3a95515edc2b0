INSERT INTO ns_task (seq, id, queue, rank, at, enqueued_at, remember_for, name, correlation_id, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING
