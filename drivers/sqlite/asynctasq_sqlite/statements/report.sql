INSERT INTO ns_report (worker, data, reported_at, until) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (worker) DO UPDATE SET data = excluded.data, reported_at = excluded.reported_at, until = excluded.until
