SELECT
    seq, id, queue, name, payload, correlation_id, priority, attempt, enqueued_at
FROM {reserve}($1, $2, $3, $4, $5, $6, $7, $8, $9)
