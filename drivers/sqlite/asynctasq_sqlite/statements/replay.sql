INSERT INTO ns_extra (seq, at) SELECT value, ?2 FROM json_each(?1) WHERE true
ON CONFLICT (seq) DO UPDATE SET at = excluded.at, expires_after = NULL, expires_at = NULL, cancel_requested = 0
