SELECT t.queue, t.completed, t.dead, t.retried, t.cancelled
FROM json_each(?1) q CROSS JOIN ns_totals t ON t.queue = q.value
