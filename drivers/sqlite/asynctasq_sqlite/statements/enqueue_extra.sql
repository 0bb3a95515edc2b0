-- ?1: [[seq, dedupe_key, expires_after, expires_at, keep_for], ...]
INSERT INTO ns_extra (seq, dedupe_key, expires_after, expires_at, keep_for)
SELECT
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'),
  json_extract(value, '$[4]')
FROM json_each(?1)
