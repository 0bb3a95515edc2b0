SELECT
    queue, ready, scheduled, leased, dead, oldest_ready_age, total_completed, total_dead, total_retried,
    total_cancelled
FROM {stats}($1, $2)
