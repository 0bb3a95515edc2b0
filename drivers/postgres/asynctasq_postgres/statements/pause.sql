INSERT INTO {paused} (namespace, queue) SELECT $1::bigint, queue FROM unnest($2::text[]) AS u (queue) ORDER BY queue
ON CONFLICT DO NOTHING
