-- What a delivery leaves behind. ?1: [[seq, at, expires_at, worker, started_at, failures], ...]; a null in at, worker,
-- started_at or failures leaves what is stored.
INSERT INTO ns_extra (seq, at, expires_at, worker, started_at, failures)
SELECT
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'),
  json_extract(value, '$[4]'), json_extract(value, '$[5]')
FROM json_each(?1) WHERE true
ON CONFLICT (seq) DO UPDATE SET
  at = coalesce(excluded.at, at),
  expires_at = excluded.expires_at,
  worker = coalesce(excluded.worker, worker),
  started_at = coalesce(excluded.started_at, started_at),
  failures = coalesce(excluded.failures, failures)
