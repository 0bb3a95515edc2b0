SELECT worker, data, reported_at FROM ns_report WHERE until > ?1 ORDER BY worker
