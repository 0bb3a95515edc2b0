INSERT INTO {reports} AS stored (namespace, worker, reported_at, gone_at, data)
SELECT $1::bigint, $2::text, t, t + {span}($4::double precision), $3::bytea FROM clock_timestamp() AS clock (t)
ON CONFLICT (namespace, worker) DO UPDATE SET
    reported_at = excluded.reported_at, gone_at = excluded.gone_at, data = excluded.data
